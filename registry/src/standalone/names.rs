//! By which names and addresses clients can reach this machine.

use std::net::IpAddr;

use crate::address::Address;

/// What the certificate is made for. The first is what other machines most likely call this one.
pub(super) fn of_this_machine() -> Vec<String> {
    let mut names = Vec::new();
    let uname = rustix::system::uname();
    let hostname = uname.nodename().to_string_lossy().to_ascii_lowercase();
    if is_dns_name(&hostname) {
        names.push(hostname);
    }
    names.push("localhost".to_owned());
    let addresses = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .map(|interface| interface.ip());
    let usable = addresses.filter(is_usable).map(|address| address.to_string());
    names.extend(usable);
    names.extend(listened_on());
    names.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// What a variable says is listened on: `127.0.0.2` is on no interface.
fn listened_on() -> Option<String> {
    let address: Address = std::env::var("REGISTRY_HTTP_ADDR").ok()?.parse().ok()?;
    let host = address.host().to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(ip) => (!ip.is_unspecified()).then_some(host),
        Err(_) => is_dns_name(&host).then_some(host),
    }
}

/// Link-local addresses need an interface's name beside them, which no certificate can hold.
fn is_usable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    }
}

fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}
