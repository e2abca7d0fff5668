//! Which certificates the registry serves, and which CAs its clients need.
//!
//! - `internal`: the operator's own CA and the certificate that nodes and pods rely on
//! - `external`: the people's certificate, which takes effect when it is valid and the nodes are ready for it

mod external;
mod internal;

pub use external::{External, Previous, Serving};
pub(in crate::reconcile) use external::{PREVIOUS_CA, PREVIOUS_UNTIL};
pub use internal::AuthorityState;

use super::hostname::Hostname;
use super::{Acknowledged, Addresses, Finding};
use crate::nodes::HostContent;
use crate::reconcile::observe::{Keys, Observed};
use jiff::{SignedDuration, Timestamp};
use roadstead_api::trust::{Proof, RegistryReference, TrustBundleSpec};
use roadstead_pki::certificate::{Certificate, bundle};
use roadstead_pki::server::ServerCertificate;

/// The certificates of a registry.
pub struct Certificates {
    pub authority: AuthorityState,
    /// The internal certificate as it is, if it can stay.
    pub leaf: Option<ServerCertificate>,
    /// What the internal certificate has to cover.
    pub names: Vec<String>,
    pub leaf_lifetime: SignedDuration,
    pub external: External,
    /// The CAs that clients need, in PEM; `None`: there is none yet.
    pub ca: Option<Cas>,
    /// When time alone changes something here: a renewal, an end of life.
    pub next_change: Option<Timestamp>,
}

/// CAs in PEM, by who vouches for whom.
pub struct Cas {
    /// The operator's own: for the names that every Registry has, and those that the installation allows it.
    pub internal: String,
    /// What came with the people's certificate, whose reach the operator does not know.
    pub external: Option<String>,
    /// Both, for nodes, which trust them for the hosts of this Registry alone.
    pub all: String,
}

pub(super) fn certificates(
    observed: &Observed,
    keys: &Keys,
    addresses: &Addresses,
    hostname: Hostname,
    acknowledged: Acknowledged<'_>,
    findings: &mut Vec<Finding>,
) -> Certificates {
    let internal = internal::internal(observed, keys, addresses, hostname.is_signed, findings);
    let bundle_of = |own: &[Certificate]| {
        let all: Vec<_> = internal.trusted.iter().chain(own).collect();
        (!all.is_empty()).then(|| bundle(all))
    };
    // Nodes that carry the internal CA but not yet the people's new one would refuse the new certificate.
    let proof = proof(observed.registry.spec.replicas);
    let behind = |own: &[Certificate]| {
        let host = observed.hosts.external.as_ref().filter(|_| hostname.on_nodes);
        match (host, bundle_of(own)) {
            (Some(host), Some(ca)) => acknowledged(&[content(&host.to_string(), ca, None, proof)])
                .map(|tally| tally.behind)
                .unwrap_or_default(),
            _ => Vec::new(),
        }
    };
    let copy = observed.live.get(&keys.external_tls);
    let external = external::external(observed, copy, &behind, findings);
    let changes = [internal.next_change, external.next_change];
    Certificates {
        authority: internal.authority,
        leaf: internal.leaf,
        names: internal.names,
        leaf_lifetime: internal.leaf_lifetime,
        ca: bundle_of(&external.trusted).map(|all| Cas {
            internal: bundle(&internal.trusted),
            external: (!external.trusted.is_empty()).then(|| bundle(&external.trusted)),
            all,
        }),
        external: external.action,
        next_change: changes.into_iter().flatten().min(),
    }
}

/// Where nothing serves there is nobody to prove it.
pub(in crate::reconcile) fn proof(replicas: i32) -> Proof {
    match replicas {
        0 => Proof::NotExpected,
        _ => Proof::Required,
    }
}

/// What a node has to carry for a host. Who asks for it is no part of that.
pub(in crate::reconcile) fn content(
    host: &str,
    ca: String,
    server: Option<String>,
    proof: Proof,
) -> HostContent {
    let nobody = RegistryReference {
        namespace: String::new(),
        name: String::new(),
        uid: String::new(),
    };
    let spec = TrustBundleSpec {
        proof,
        installation: String::new(),
        host: host.to_owned(),
        ca,
        server,
        registry: nobody,
    };
    HostContent {
        host: spec.host.clone(),
        content: spec.content_hash(),
        external: spec.server.is_none(),
    }
}
