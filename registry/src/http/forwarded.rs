//! What proxies before this server say of a client: `Forwarded` (RFC 7239), `X-Forwarded-*`, `X-Real-Ip`.
//!
//! Anyone can send these headers. What they say goes into the log and into notifications; only what
//! `http.trustedproxies` vouches for counts for limits.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, VIA};
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Whether anything says that a request came through a proxy.
pub(super) fn is_proxied(headers: &HeaderMap) -> bool {
    let tells =
        |name: &HeaderName| *name == VIA || *name == FORWARDED || name.as_str().starts_with("x-forwarded-");
    headers.contains_key(REAL_IP) || headers.keys().any(tells)
}

/// The scheme and the host that the client used, where a proxy says them. As in registry:2, `Forwarded` counts before
/// the others, and of several hosts the first.
pub(super) fn origin(headers: &HeaderMap) -> (Option<&str>, Option<&str>) {
    match text(headers, &FORWARDED) {
        Some(forwarded) => (parameter(forwarded, "proto"), parameter(forwarded, "host")),
        None => (first(headers, &PROTO), first(headers, &HOST)),
    }
}

/// The client's address as the headers have it.
pub(super) fn client(headers: &HeaderMap) -> Option<&str> {
    first(headers, &FOR)
        .or_else(|| parameter(text(headers, &FORWARDED)?, "for"))
        .or_else(|| first(headers, &REAL_IP))
        .filter(|client| !client.is_empty())
}

/// The client's address as far as proxies that are trusted tell it: of those who added themselves one after the other,
/// the last who is none of them.
pub(super) fn vouched(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let mut client = peer;
    for told in chain(headers).into_iter().rev() {
        // What stands before a word that is no address was not written by a proxy that is known.
        let Some(address) = told else { break };
        client = address;
        if !is_trusted(&address) {
            break;
        }
    }
    client
}

/// Every address that was passed on, the client's first. `X-Forwarded-For` is what proxies add to, and `Forwarded` counts
/// only where it is absent: a client could send either beside the one that its proxy writes. `X-Real-Ip` has no place for
/// what a proxy saw before another, and is passed on by many as the client sent it.
fn chain(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let each = |name: &HeaderName, read: fn(&str) -> Option<&str>| -> Vec<Option<IpAddr>> {
        let lines = headers.get_all(name).into_iter();
        let lines = lines.map(|line| line.to_str().unwrap_or_default());
        lines
            .flat_map(|line| line.split(','))
            .map(|element| address(read(element)?))
            .collect()
    };
    if headers.contains_key(FOR) {
        each(&FOR, |line| Some(line))
    } else {
        each(&FORWARDED, |element| parameter(element, "for"))
    }
}

/// With or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok();
    let address = address.or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address| address.to_canonical())
}

/// A parameter of the first element of `Forwarded`.
fn parameter<'a>(forwarded: &'a str, name: &str) -> Option<&'a str> {
    let element = forwarded.split(',').next()?;
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then_some(value)
}

/// The first of the values that proxies added one after the other.
fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = text(headers, name)?.split(',').next()?.trim();
    (!value.is_empty()).then_some(value)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_client_is_whom_the_headers_name() {
        for (lines, expected) in [
            (&[][..], None),
            (&[("x-forwarded-for", "192.0.2.7, 10.0.0.1")], Some("192.0.2.7")),
            (&[("x-real-ip", "192.0.2.7")], Some("192.0.2.7")),
            (&[("forwarded", "for=192.0.2.7;proto=https")], Some("192.0.2.7")),
            (
                &[("forwarded", "proto=https; For=\"[2001:db8::7]:4711\"")],
                Some("[2001:db8::7]:4711"),
            ),
            (
                &[("x-forwarded-for", ""), ("x-real-ip", "192.0.2.7")],
                Some("192.0.2.7"),
            ),
        ] {
            assert_eq!(client(&headers(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_vouches_for_a_client() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let told = |lines: &[(&'static str, &'static str)], peer: &str| {
            vouched(&headers(lines), peer.parse().unwrap(), &trusted).to_string()
        };
        let (old, new) = ("x-forwarded-for", "forwarded");
        for (lines, peer, expected) in [
            (&[(old, "192.0.2.7")][..], "198.51.100.1", "198.51.100.1"),
            (&[(old, "192.0.2.7")], "10.0.0.1", "192.0.2.7"),
            (&[], "10.0.0.1", "10.0.0.1"),
            // The client made the first one up.
            (
                &[(old, "192.0.2.99, 192.0.2.7, 10.0.0.2")],
                "10.0.0.1",
                "192.0.2.7",
            ),
            (
                &[(old, "192.0.2.99"), (old, "192.0.2.7")],
                "10.0.0.1",
                "192.0.2.7",
            ),
            (&[(old, "nonsense, 10.0.0.2")], "10.0.0.1", "10.0.0.2"),
            (&[(old, "192.0.2.7:4711")], "10.0.0.1", "192.0.2.7"),
            (
                &[(new, "for=\"[2001:db8::7]:1\", for=10.0.0.2")],
                "fd00::1",
                "2001:db8::7",
            ),
            (&[("x-real-ip", "192.0.2.7")], "10.0.0.1", "10.0.0.1"),
            // The client sent the others.
            (
                &[(old, "192.0.2.7"), (new, "for=192.0.2.99")],
                "10.0.0.1",
                "192.0.2.7",
            ),
            (
                &[(old, "192.0.2.7"), ("x-real-ip", "192.0.2.99")],
                "10.0.0.1",
                "192.0.2.7",
            ),
        ] {
            assert_eq!(told(lines, peer), expected, "{lines:?} from {peer}");
        }
    }

    #[test]
    fn a_scheme_and_a_host_are_read_as_registry_2_reads_them() {
        for (lines, expected) in [
            (&[][..], (None, None)),
            (&[("x-forwarded-proto", "https")], (Some("https"), None)),
            (
                &[("x-forwarded-host", "a.example, b.example")],
                (None, Some("a.example")),
            ),
            (
                &[
                    ("forwarded", "proto=https;host=\"a.example:8443\""),
                    ("x-forwarded-host", "b.example"),
                ],
                (Some("https"), Some("a.example:8443")),
            ),
        ] {
            assert_eq!(origin(&headers(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_proxy_gives_itself_away() {
        for name in [
            "via",
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-server",
            "x-real-ip",
        ] {
            assert!(is_proxied(&headers(&[(name, "x")])), "{name}");
        }
        assert!(!is_proxied(&headers(&[("x-request-id", "x"), ("host", "x")])));
    }
}
