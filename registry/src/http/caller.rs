//! Who sent a request, and by which name they call this server.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;
use ipnet::IpNet;

use super::forwarded;

/// What is taken of a header at most: events that a client made large would push others out of the queue.
const LONGEST_TEXT: usize = 1024;

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub address: Option<SocketAddr>,
    /// Whom the client's certificate names, if it showed one and `tls` found it good.
    pub certificate: Option<Arc<str>>,
    /// Set, where there is a certificate, when it is not good any more.
    pub void: Option<Arc<AtomicBool>>,
    /// Whether the connection is TLS.
    pub secure: bool,
}

/// Who sent a request.
#[derive(Clone, Copy)]
pub(super) struct Client {
    /// The other end of the connection.
    socket: Option<SocketAddr>,
    /// Who proxies that are trusted say it is, where that is another.
    vouched: Option<IpAddr>,
    /// Nobody is trusted more than others: as in registry:2, the log has what anyone says.
    anyone: bool,
}

impl Client {
    pub(super) fn of(headers: &HeaderMap, socket: Option<SocketAddr>, trusted: &[IpNet]) -> Self {
        let vouched = socket
            .filter(|_| !trusted.is_empty())
            .map(|socket| (socket.ip(), forwarded::vouched(headers, socket.ip(), trusted)))
            .filter(|(socket, vouched)| socket != vouched);
        Client {
            socket,
            vouched: vouched.map(|(_, vouched)| vouched),
            anyone: trusted.is_empty(),
        }
    }

    /// Who the log and notifications have, if it is another than the other end of the connection.
    pub(super) fn told(&self, headers: &HeaderMap) -> Option<String> {
        let told = forwarded::client(headers).filter(|_| self.anyone);
        let told = told.map(|told| shortened(told).to_owned());
        told.or_else(|| Some(self.vouched?.to_string()))
    }

    /// The other end of the connection.
    pub(super) fn socket(&self) -> Option<SocketAddr> {
        self.socket
    }

    /// What counts for limits.
    pub(super) fn counts(&self) -> Option<IpAddr> {
        self.vouched.or_else(|| Some(self.socket?.ip()))
    }
}

/// The name by which a request knows this server: HTTP/2 has it in the address.
pub(super) fn host(parts: &Parts) -> &str {
    let header = parts.headers.get(HOST).and_then(|value| value.to_str().ok());
    let authority = || parts.uri.authority().map(|authority| authority.as_str());
    header.or_else(authority).unwrap_or_default()
}

/// Headers are ASCII alone.
pub(super) fn shortened(text: &str) -> &str {
    text.get(..LONGEST_TEXT).unwrap_or(text)
}
