//! The section `http`: where and how it is served.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use rustls::CipherSuite;
use rustls::version::TLS12;

use ::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::Check;
use crate::address::{Address, Listen};
use crate::config::{Admin, Http, raw};
use crate::http::Locations;
use crate::http::server::ConnectionLimits;
use crate::metrics::Names;
use crate::tls::{self, CertificateFiles, ClientAuth, OtherCertificate};

impl Check<'_> {
    pub(super) fn http(&mut self, raw: raw::Http) -> Http {
        let listen = self.listen(raw.net.as_deref(), raw.addr.as_deref());
        let http2 = !raw.http2.disabled;
        Http {
            listen,
            prefix: self.prefix(raw.prefix.as_deref().unwrap_or("/")),
            locations: self.locations(raw.host.as_deref(), raw.relativeurls),
            headers: self.headers("http.headers", raw.headers),
            trusted_proxies: self.trusted_proxies(&raw.trustedproxies),
            limits: connection_limits(&raw.limits),
            drain_timeout: self.duration("http.draintimeout", raw.draintimeout, Duration::from_secs(30)),
            tls: self.tls(raw.tls, http2),
            admin: self.admin(raw.debug),
        }
    }

    fn listen(&mut self, net: Option<&str>, address: Option<&str>) -> Listen {
        match (net, address) {
            (None | Some("" | "tcp"), address) => {
                Listen::Tcp(self.address("http.addr", address.unwrap_or(":5000")))
            }
            (Some("unix"), Some(path)) if path.contains('/') => Listen::Unix(path.into()),
            (Some("unix"), _) => {
                self.problem(
                    "http.addr",
                    "with http.net: unix it is the path of a socket; write one like /run/registry/registry.sock",
                );
                Listen::Unix(PathBuf::new())
            }
            (Some(other), address) => {
                self.problem("http.net", format!("\"{other}\" is not one of tcp, unix"));
                Listen::Tcp(self.address("http.addr", address.unwrap_or(":5000")))
            }
        }
    }

    fn address(&mut self, key: &str, text: &str) -> Address {
        let stand_in = || Address::from_str(":0").expect("this is an address");
        self.parsed(key, text).unwrap_or_else(stand_in)
    }

    /// Networks, or single addresses.
    fn trusted_proxies(&mut self, texts: &[String]) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let network = text.parse::<IpNet>().ok();
            match network.or_else(|| Some(IpNet::from(text.parse::<IpAddr>().ok()?))) {
                Some(network) => networks.push(canonical(network.trunc())),
                None => self.problem(
                    &format!("http.trustedproxies.{index}"),
                    format!("\"{text}\" is not a network; write one like 10.0.0.0/8 or 192.168.1.7"),
                ),
            }
        }
        networks
    }

    fn prefix(&mut self, text: &str) -> String {
        let trimmed = text.trim_matches('/');
        let sound = trimmed.is_empty()
            || trimmed.split('/').all(|segment| {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
            });
        if !sound {
            self.problem(
                "http.prefix",
                format!("\"{text}\" is not a path; write one like /registry/"),
            );
        }
        if trimmed.is_empty() {
            "/".to_owned()
        } else {
            format!("/{trimmed}/")
        }
    }

    /// As in registry:2, an address that is written counts before anything else.
    fn locations(&mut self, host: Option<&str>, relative: Option<bool>) -> Locations {
        match (host.and_then(|host| self.origin(host)), relative) {
            (Some(origin), _) => Locations::Below(origin),
            (None, Some(true)) => Locations::Relative,
            (None, Some(false)) => Locations::Asked,
            (None, None) => Locations::WhereCertain,
        }
    }

    /// `http.host` is the address that clients use, as a URL.
    fn origin(&mut self, text: &str) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        let uri: Option<Uri> = text.parse().ok();
        let uri =
            uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none());
        let Some(uri) = uri else {
            self.problem(
                "http.host",
                format!("\"{text}\" is not a URL; write one like https://registry.example.com"),
            );
            return None;
        };
        Some(uri.to_string().trim_end_matches('/').to_owned())
    }

    pub(super) fn headers(&mut self, place: &str, raw: BTreeMap<String, raw::OneOrMany>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, values) in raw {
            let key = format!("{place}.{name}");
            let values = match values {
                raw::OneOrMany::One(value) => vec![value],
                raw::OneOrMany::Many(values) => values,
                raw::OneOrMany::Nothing => Vec::new(),
            };
            let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
                self.problem(&key, "not a header name");
                continue;
            };
            for value in values {
                match HeaderValue::from_str(&value) {
                    Ok(value) => drop(headers.append(&name, value)),
                    Err(_) => self.problem(&key, "not a header value: control characters are not allowed"),
                }
            }
        }
        headers
    }

    fn tls(&mut self, raw: raw::Tls, http2: bool) -> Option<tls::Settings> {
        let certificate = raw.certificate.filter(|path| !path.is_empty());
        let key = raw.key.filter(|path| !path.is_empty());
        let only_tls13 = self.minimum_tls(raw.minimumtls.as_deref());
        let cipher_suites = self.cipher_suites(&raw.ciphersuites, only_tls13);
        let client_auth = self.client_auth(raw.clientcas, raw.clientauth.as_deref());
        let primary = match (certificate, key) {
            (Some(certificate), Some(key)) => CertificateFiles {
                certificate: certificate.into(),
                key: key.into(),
            },
            (None, None) => {
                if !raw.certificates.is_empty() {
                    self.problem(
                        "http.tls.certificate",
                        "missing: it is what a client gets that names no host",
                    );
                }
                if client_auth.is_some() {
                    self.problem(
                        "http.tls.clientcas",
                        "client certificates need TLS; give http.tls.certificate and key",
                    );
                }
                return None;
            }
            (Some(_), None) => {
                self.problem(
                    "http.tls.key",
                    "missing: http.tls.certificate is given, its private key is not",
                );
                return None;
            }
            (None, Some(_)) => {
                self.problem(
                    "http.tls.certificate",
                    "missing: http.tls.key is given, its certificate is not",
                );
                return None;
            }
        };
        let others = raw
            .certificates
            .into_iter()
            .enumerate()
            .filter_map(|(i, other)| self.other_certificate(i, other))
            .collect();
        Some(tls::Settings {
            primary,
            others,
            client_auth,
            only_tls13,
            cipher_suites,
            http2,
        })
    }

    fn other_certificate(&mut self, index: usize, raw: raw::Certificate) -> Option<OtherCertificate> {
        if raw.certificate.is_empty() || raw.key.is_empty() {
            self.problem(
                &format!("http.tls.certificates.{index}"),
                "certificate and key must both be given",
            );
            return None;
        }
        let files = CertificateFiles {
            certificate: raw.certificate.into(),
            key: raw.key.into(),
        };
        Some(OtherCertificate {
            files,
            optional: raw.optional,
        })
    }

    /// What registry:3 calls the modes is understood as well. There a certificate never stands for a login, so its own
    /// word for an optional one does not make it so.
    fn client_auth(&mut self, cas: Vec<String>, mode: Option<&str>) -> Option<ClientAuth> {
        let key = "http.tls.clientauth";
        let (required, logs_in) = match mode {
            None | Some("" | "required" | "require-and-verify-client-cert") => (true, false),
            Some("optional") => (false, true),
            Some("verify-client-cert-if-given") => (false, false),
            Some(unverified @ ("request-client-cert" | "require-any-client-cert")) => {
                self.problem(
                    key,
                    format!("\"{unverified}\" would take a certificate that nobody signed; write required or optional"),
                );
                return None;
            }
            Some(other) => {
                self.problem(key, format!("\"{other}\" is not one of required, optional"));
                return None;
            }
        };
        if cas.is_empty() {
            if mode.is_some_and(|mode| !mode.is_empty()) {
                self.problem(
                    "http.tls.clientcas",
                    "missing: http.tls.clientauth is given, the CAs of the clients are not",
                );
            }
            return None;
        }
        Some(ClientAuth {
            cas: cas.into_iter().map(PathBuf::from).collect(),
            required,
            logs_in,
        })
    }

    /// By the names that registry:2 has from Go. What is weak there was never offered here.
    fn cipher_suites(&mut self, names: &[String], only_tls13: bool) -> Option<Vec<CipherSuite>> {
        if names.is_empty() || only_tls13 {
            return None;
        }
        let offered = &rustls::crypto::aws_lc_rs::default_provider().cipher_suites;
        let of_tls12 = offered
            .iter()
            .filter(|suite| suite.version() == &TLS12)
            .map(|suite| suite.suite());
        let chosen: Vec<_> = of_tls12
            .filter(|suite| names.iter().any(|name| same_suite(name, *suite)))
            .collect();
        if chosen.is_empty() {
            self.problem(
                "http.tls.ciphersuites",
                "none of these is offered for TLS 1.2 (only ECDHE with AES-GCM or ChaCha20 is); remove the key, or \
                 write http.tls.minimumtls: tls1.3",
            );
        }
        Some(chosen)
    }

    fn minimum_tls(&mut self, text: Option<&str>) -> bool {
        match text {
            None | Some("" | "tls1.2") => false,
            Some("tls1.3") => true,
            Some("tls1.0" | "tls1.1") => {
                self.note(
                    "http.tls.minimumtls",
                    "TLS 1.0 and 1.1 are broken and never offered; the minimum is tls1.2",
                );
                false
            }
            Some(other) => {
                self.problem(
                    "http.tls.minimumtls",
                    format!("\"{other}\" is not one of tls1.2, tls1.3"),
                );
                false
            }
        }
    }

    fn admin(&mut self, raw: raw::Debug) -> Option<Admin> {
        let address = raw.addr.filter(|address| !address.is_empty())?;
        let path = raw.prometheus.path.unwrap_or_else(|| "/metrics".to_owned());
        if !path.starts_with('/') {
            self.problem(
                "http.debug.prometheus.path",
                format!("\"{path}\" must begin with a slash"),
            );
        }
        let metrics = raw.prometheus.enabled.unwrap_or(true);
        let metrics_names = match raw.prometheus.names.as_deref() {
            None | Some("both") => Names::Both,
            Some("roadstead") => Names::Roadstead,
            Some("registry") => Names::Registry2,
            Some(other) => {
                self.problem(
                    "http.debug.prometheus.names",
                    format!("\"{other}\" is not one of both, roadstead, registry"),
                );
                Names::Both
            }
        };
        Some(Admin {
            address: self.address("http.debug.addr", &address),
            metrics_path: metrics.then_some(path),
            metrics_names,
        })
    }
}

/// IPv4 as itself, also where it is written as IPv6: so are the addresses that are looked up.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let of_ipv4 = |network: ipnet::Ipv6Net| {
        let length = network.prefix_len().checked_sub(MAPPED)?;
        Ipv4Net::new(network.addr().to_ipv4_mapped()?, length).ok()
    };
    match network {
        IpNet::V4(_) => network,
        IpNet::V6(of_ipv6) => of_ipv4(of_ipv6).map_or(network, IpNet::V4),
    }
}

/// Many clients behind one address of a NAT, or of a node that forwards for all, are no flood; so one address has a large
/// share. Zero: no limit.
fn connection_limits(raw: &raw::Limits) -> ConnectionLimits {
    const IN_ALL: u32 = 16_384;
    const PER_ADDRESS: u32 = 1024;
    let limit = |given: Option<u32>, usual| {
        let limit = usize::try_from(given.unwrap_or(usual)).unwrap_or(usize::MAX);
        (limit > 0).then_some(limit)
    };
    ConnectionLimits {
        in_all: limit(raw.connections, IN_ALL),
        per_address: limit(raw.peraddress, PER_ADDRESS),
    }
}

/// Go has a short name, too, for each suite with ChaCha20.
fn same_suite(name: &str, suite: CipherSuite) -> bool {
    let known = format!("{suite:?}");
    name == known || known.strip_suffix("_SHA256") == Some(name)
}
