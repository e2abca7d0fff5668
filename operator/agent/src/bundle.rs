//! A TrustBundle, checked once: what is in here may become a folder name and TOML.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use roadstead_api::trust::{MAX_CA, Proof, TrustBundleSpec};

/// A registry host as it stands in image references: a lower-case DNS name, with or without a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

/// What a node needs to trust one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    host: Host,
    /// Shared by all hosts that have the same.
    ca: Arc<str>,
    server: Option<String>,
    content: String,
    namespace: String,
    proof: Proof,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    #[error("{0:?} is not a host of an image reference")]
    Host(String),
    #[error("{0:?} is not an address with a port")]
    Server(String),
    #[error("the CA holds no certificate")]
    NoCertificate,
    #[error("the CA holds a private key")]
    PrivateKey,
    #[error("the CA has {0} bytes, more than the {MAX_CA} that a node takes for one host")]
    TooLarge(usize),
}

impl Bundle {
    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn ca(&self) -> &Arc<str> {
        &self.ca
    }

    /// The namespace of the Registry that it comes from.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether a pull shall show that it works.
    pub fn wants_proof(&self) -> bool {
        self.proof == Proof::Required
    }

    /// `name:port` or `name` of what the node dials.
    pub fn dials(&self) -> &str {
        self.server.as_deref().unwrap_or(self.host.as_str())
    }

    /// Whether the node dials something other than the host's own name.
    pub fn is_redirected(&self) -> bool {
        self.server.is_some()
    }

    /// The hash that names this content to the operator.
    pub fn content(&self) -> &str {
        &self.content
    }
}

impl TryFrom<&TrustBundleSpec> for Bundle {
    type Error = Refused;

    fn try_from(spec: &TrustBundleSpec) -> Result<Self, Refused> {
        Self::new(spec, |ca| ca.into())
    }
}

impl Bundle {
    /// Checks `spec`; `share` keeps one copy of each CA.
    pub fn new(spec: &TrustBundleSpec, share: impl FnOnce(&str) -> Arc<str>) -> Result<Self, Refused> {
        // An empty bundle would take trust away, a key would put a secret on every node.
        if !spec.ca.contains("-----BEGIN CERTIFICATE-----") {
            return Err(Refused::NoCertificate);
        }
        if spec.ca.contains("PRIVATE KEY-----") {
            return Err(Refused::PrivateKey);
        }
        if spec.ca.len() > MAX_CA {
            return Err(Refused::TooLarge(spec.ca.len()));
        }
        if let Some(server) = spec.server.as_deref().filter(|server| !is_address(server)) {
            return Err(Refused::Server(server.to_owned()));
        }
        Ok(Self {
            host: spec.host.parse()?,
            ca: share(&spec.ca),
            server: spec.server.clone(),
            content: spec.content_hash(),
            namespace: spec.registry.namespace.clone(),
            proof: spec.proof,
        })
    }
}

impl Host {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names under which image references may name this host: without a port, `:443` is the same registry.
    pub fn spellings(&self) -> Vec<Self> {
        match self.0.contains(':') {
            true => vec![self.clone()],
            false => vec![self.clone(), Self(format!("{}:443", self.0))],
        }
    }

    /// The other folder name that containerd knows for this host, and looks at first: `name_port_`.
    pub fn shadow(&self) -> Option<String> {
        self.0
            .split_once(':')
            .map(|(name, port)| format!("{name}_{port}_"))
    }
}

impl FromStr for Host {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let (name, port) = text
            .split_once(':')
            .map_or((text, None), |(name, port)| (name, Some(port)));
        let good = text.len() <= 253 && name.split('.').all(is_label) && port.is_none_or(is_port);
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(Refused::Host(text.to_owned()))
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// `10.0.0.1:5000`, `[fd00::1]:5000`, `name:5000`.
fn is_address(text: &str) -> bool {
    text.parse::<std::net::SocketAddr>().is_ok()
        || text
            .split_once(':')
            .is_some_and(|(_, port)| is_port(port) && Host::from_str(text).is_ok())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use roadstead_api::trust::RegistryReference;

    pub(crate) const CA: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

    pub(crate) fn spec(host: &str, server: Option<&str>) -> TrustBundleSpec {
        TrustBundleSpec {
            proof: Default::default(),
            installation: "roadstead-system/roadstead".into(),
            host: host.into(),
            ca: CA.into(),
            server: server.map(Into::into),
            registry: RegistryReference {
                namespace: "registry".into(),
                name: "images".into(),
                uid: "u".into(),
            },
        }
    }

    pub(crate) fn in_namespace(host: &str, namespace: &str) -> Bundle {
        let mut spec = spec(host, None);
        spec.registry.namespace = namespace.to_owned();
        Bundle::try_from(&spec).expect("a good bundle")
    }

    pub(crate) fn bundle(host: &str, server: &str) -> Bundle {
        Bundle::try_from(&spec(host, Some(server))).expect("a good bundle")
    }

    #[test]
    fn hosts_that_are_not_plain_names_are_refused() {
        for good in [
            "images.registry.svc:5000",
            "registry.example.com",
            "a",
            "a-b.c:1",
            "10.0.0.1:5000",
        ] {
            assert!(good.parse::<Host>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "_default",
            "..",
            "a/b",
            "a:b",
            "a:",
            "A.b",
            "a..b",
            "-a",
            "a-",
            "a:0",
            "a:65536",
            "a:+1",
            "a\nb",
            "[::1]:5000",
        ] {
            assert!(bad.parse::<Host>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn servers_that_could_break_out_of_toml_are_refused() {
        for good in ["10.96.0.1:5000", "[fd00::1]:5000", "registry.example.com:443"] {
            assert!(Bundle::try_from(&spec("a:5000", Some(good))).is_ok(), "{good}");
        }
        for bad in [
            "",
            "10.96.0.1",
            "a\"b:1",
            "fd00::1:5000x",
            "a:1\n[host]",
            "https://a:1",
        ] {
            assert_eq!(
                Bundle::try_from(&spec("a:5000", Some(bad))),
                Err(Refused::Server(bad.into()))
            );
        }
    }

    #[test]
    fn a_ca_without_certificate_or_with_a_key_is_refused() {
        let mut empty = spec("a:5000", None);
        empty.ca = "\n".into();
        assert_eq!(Bundle::try_from(&empty), Err(Refused::NoCertificate));
        let mut key = spec("a:5000", None);
        key.ca.push_str("-----BEGIN PRIVATE KEY-----\n");
        assert_eq!(Bundle::try_from(&key), Err(Refused::PrivateKey));
        let mut large = spec("a:5000", None);
        large.ca.push_str(&"x".repeat(MAX_CA));
        assert_eq!(Bundle::try_from(&large), Err(Refused::TooLarge(large.ca.len())));
    }

    #[test]
    fn the_shadow_of_a_host_is_containerds_other_spelling() {
        assert_eq!(
            "a.b:5000".parse::<Host>().expect("a host").shadow().as_deref(),
            Some("a.b_5000_")
        );
        assert_eq!("a.b".parse::<Host>().expect("a host").shadow(), None);
    }

    #[test]
    fn a_host_without_a_port_is_also_the_one_with_443() {
        let spellings = |host: &str| host.parse::<Host>().expect("a host").spellings();
        let names = |host: &str| {
            spellings(host)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(names("a.b"), ["a.b", "a.b:443"]);
        assert_eq!(names("a.b:5000"), ["a.b:5000"]);
    }
}
