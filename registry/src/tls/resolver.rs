//! Which certificate a connection gets.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::material::Served;

/// Certificates by the names in them. A name that none has, and no name at all, get the primary one.
#[derive(Debug)]
pub(super) struct ByName {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// `*.example.com` stands here as `example.com`.
    wildcards: HashMap<String, Arc<CertifiedKey>>,
    primary: Arc<CertifiedKey>,
}

impl ByName {
    /// Of two certificates for one name the earlier of `others` is served, and the primary last: the others are
    /// there to be found by name.
    pub(super) fn new<'a>(primary: &'a Served, others: impl Iterator<Item = &'a Served>) -> Self {
        let (mut exact, mut wildcards) = (HashMap::new(), HashMap::new());
        for served in others.chain(std::iter::once(primary)) {
            for name in &served.names {
                let name = name.to_ascii_lowercase();
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut wildcards, parent.to_owned()),
                    None => (&mut exact, name),
                };
                map.entry(name).or_insert_with(|| Arc::clone(&served.key));
            }
        }
        ByName {
            exact,
            wildcards,
            primary: Arc::clone(&primary.key),
        }
    }

    pub(super) fn for_name(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        name.and_then(|name| self.find(&name.to_ascii_lowercase()))
            .unwrap_or(&self.primary)
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let parent = || name.split_once('.').map(|(_, parent)| parent);
        self.exact.get(name).or_else(|| self.wildcards.get(parent()?))
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.for_name(hello.server_name())))
    }
}
