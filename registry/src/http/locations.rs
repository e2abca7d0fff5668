//! Where a client believes this server to be: relative or absolute addresses in its answers.

use http::Version;
use http::request::Parts;

use super::caller::{Caller, host};
use super::forwarded;
use crate::tls;

/// How answers name the addresses of uploads, blobs and manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locations {
    /// `http.host`: below this origin, which has no slash at its end.
    Below(String),
    /// `http.relativeurls: true`: whatever name the client used.
    Relative,
    /// `http.relativeurls: false`: the name that the client used, as the request has it or a proxy tells it.
    Asked,
    /// Nothing is said: absolute only where nothing can be wrong. A proxy that says nothing of itself may take TLS
    /// away, or change the host.
    WhereCertain,
}

impl Locations {
    /// The origin of the addresses in this request's answer. Absent: they are relative.
    pub(super) fn origin(
        &self,
        parts: &Parts,
        caller: &Caller,
        certificates: Option<&tls::Live>,
    ) -> Option<String> {
        match self {
            Locations::Below(origin) => Some(origin.clone()),
            Locations::Relative => None,
            Locations::Asked => asked(parts, caller),
            Locations::WhereCertain => {
                let covered = |name: &str| certificates.is_some_and(|live| live.covers(name));
                certain(parts, caller, covered)
            }
        }
    }
}

/// As the request has it, or as a proxy tells it.
pub(super) fn asked(parts: &Parts, caller: &Caller) -> Option<String> {
    let (scheme, host_told) = forwarded::origin(&parts.headers);
    let own = if caller.secure { "https" } else { "http" };
    let scheme = scheme.filter(|scheme| matches!(*scheme, "http" | "https"));
    let host = host_told.unwrap_or_else(|| host(parts));
    is_authority(host).then(|| format!("{}://{host}", scheme.unwrap_or(own)))
}

fn certain(parts: &Parts, caller: &Caller, covered: impl Fn(&str) -> bool) -> Option<String> {
    let host = host(parts);
    let certain = caller.secure
        && parts.version >= Version::HTTP_11
        && !forwarded::is_proxied(&parts.headers)
        && is_authority(host)
        && covered(without_port(host));
    certain.then(|| format!("https://{host}"))
}

/// What can stand in a URL without meaning something else.
fn is_authority(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(plain)
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(version: Version, lines: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().version(version).uri("/v2/");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn caller(secure: bool) -> Caller {
        Caller {
            secure,
            ..Caller::default()
        }
    }

    #[test]
    fn an_address_is_absolute_only_where_nothing_can_be_wrong() {
        let covered = |name: &str| ["r.example", "192.0.2.1", "2001:db8::1"].contains(&name);
        let (new, old) = (Version::HTTP_11, Version::HTTP_10);
        let host = ("host", "r.example:5000");
        for (secure, version, lines, expected) in [
            (true, new, &[host][..], Some("https://r.example:5000")),
            (true, Version::HTTP_2, &[host], Some("https://r.example:5000")),
            (true, new, &[("host", "192.0.2.1")], Some("https://192.0.2.1")),
            (
                true,
                new,
                &[("host", "[2001:db8::1]:5000")],
                Some("https://[2001:db8::1]:5000"),
            ),
            (false, new, &[host], None),
            (true, old, &[host], None),
            (true, new, &[("host", "localhost:5000")], None),
            (true, new, &[], None),
            (true, new, &[("host", "r.example/x")], None),
            (true, new, &[host, ("via", "1.1 proxy")], None),
            (true, new, &[host, ("x-forwarded-for", "192.0.2.7")], None),
            (true, new, &[host, ("forwarded", "for=192.0.2.7")], None),
            (true, new, &[host, ("x-real-ip", "192.0.2.7")], None),
        ] {
            let origin = certain(&parts(version, lines), &caller(secure), covered);
            assert_eq!(origin.as_deref(), expected, "{secure} {version:?} {lines:?}");
        }
    }

    #[test]
    fn an_address_is_what_was_asked_for_where_that_is_written() {
        let host = ("host", "r.example:5000");
        for (secure, lines, expected) in [
            (false, &[host][..], Some("http://r.example:5000")),
            (true, &[host], Some("https://r.example:5000")),
            (
                false,
                &[host, ("x-forwarded-proto", "https")],
                Some("https://r.example:5000"),
            ),
            (
                false,
                &[host, ("x-forwarded-proto", "javascript")],
                Some("http://r.example:5000"),
            ),
            (
                false,
                &[
                    host,
                    ("x-forwarded-proto", "https, http"),
                    ("x-forwarded-host", "out.example, in.example"),
                ],
                Some("https://out.example"),
            ),
            (
                false,
                &[
                    host,
                    ("forwarded", "proto=https;host=out.example"),
                    ("x-forwarded-host", "no.example"),
                ],
                Some("https://out.example"),
            ),
            (false, &[("host", "")], None),
            (false, &[host, ("x-forwarded-host", "a/b")], None),
        ] {
            let origin = asked(&parts(Version::HTTP_11, lines), &caller(secure));
            assert_eq!(origin.as_deref(), expected, "{secure} {lines:?}");
        }
    }
}
