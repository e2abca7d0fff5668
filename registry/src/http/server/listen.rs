//! Sockets to listen on.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::net::TcpListener;

use crate::config::Address;

/// Listens; an address without a host means every address of the machine, of both kinds.
pub async fn bind(address: &Address) -> io::Result<TcpListener> {
    let port = address.port();
    let bound = if address.host().is_empty() {
        match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
            // The machine has no IPv6.
            Err(error)
                if error.kind() != io::ErrorKind::AddrInUse
                    && error.kind() != io::ErrorKind::PermissionDenied =>
            {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
            }
            bound => bound,
        }
    } else {
        TcpListener::bind((address.host(), port)).await
    };
    bound.map_err(|error| io::Error::new(error.kind(), explain(address, &error)))
}

fn explain(address: &Address, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there: stop it, or choose another port in http.addr (REGISTRY_HTTP_ADDR=:5001)"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 are the superuser's: choose another",
        _ => "",
    };
    format!("cannot listen on {address}: {error}{hint}")
}
