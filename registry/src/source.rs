//! Whose an address is, where clients are told apart by theirs.

use std::net::IpAddr;

use ipnet::Ipv6Net;

/// Whoever has one address of IPv6 has the whole /64.
pub(crate) fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = Ipv6Net::new(address, 64).expect("64 is a length of a prefix");
            network.network().into()
        }
    }
}
