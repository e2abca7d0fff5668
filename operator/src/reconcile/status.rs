//! Status: what people are told, and only when it is something new.

mod conditions;
mod report;
mod summary;
mod url;

pub use conditions::{Condition, conditions};
pub use report::{failed, standing_still, tell, with_conditions, write};
pub use summary::{look_again, summary};

use super::apply::ApplyError;
use super::causes::Causes;
use super::live::Live;
use super::observe::Keys;
use super::validate::Validated;
use crate::nodes::Tally;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use roadstead_api::registry::{
    CertificatePurpose, CertificateStatus, HostStatus, NodesStatus, RegistryStatus,
};
use roadstead_pki::certificate::parse_certificates;

/// As many names of a certificate as the definition allows.
const MOST_NAMES: usize = 128;

/// Everything that a status is made from.
pub struct Facts<'a> {
    pub validated: &'a Validated,
    /// The objects as they stand after this round.
    pub live: &'a Live,
    /// A volume claim that a person named.
    pub claim: Option<&'a k8s_openapi::api::core::v1::PersistentVolumeClaim>,
    /// Whether everything has been built and written.
    pub complete: bool,
    /// Nothing is done for it, whatever it lacks.
    pub paused: bool,
    /// What the API server would not have.
    pub refused: &'a [ApplyError],
    /// `None`: there are no agents.
    pub tally: Option<&'a Tally>,
    pub causes: &'a Causes,
    /// Where agents and what they say can be looked at.
    pub agent_namespace: &'a str,
    pub now: Timestamp,
}

/// The status less its conditions.
pub fn status(facts: &Facts<'_>) -> RegistryStatus {
    let Validated {
        id, keys, addresses, ..
    } = facts.validated;
    let certificates = certificates(facts.live, keys);
    let deployment: Option<Deployment> = facts.live.get(&keys.deployment);
    RegistryStatus {
        url: Some(url::url(facts)),
        summary: None,
        conditions: Vec::new(),
        certificate_expiry: certificates
            .iter()
            .map(|certificate| certificate.not_after.clone())
            .min(),
        certificates,
        nodes: facts.tally.filter(|tally| tally.unseen.is_none()).map(nodes),
        replicas: deployment
            .and_then(|deployment| deployment.status?.ready_replicas)
            .unwrap_or_default(),
        selector: Some(id.pod_selector()),
        cluster_ips: match addresses.current.is_empty() {
            true => addresses.lost.clone(),
            false => addresses.current.iter().map(ToString::to_string).collect(),
        },
    }
}

fn nodes(tally: &Tally) -> NodesStatus {
    NodesStatus {
        desired: tally.desired,
        trusted: tally.trusted,
        unsupported: tally.unsupported + i32::try_from(tally.without_agent.len()).unwrap_or(i32::MAX),
        summary: format!("{}/{}", tally.trusted, tally.desired),
        hosts: tally
            .hosts
            .iter()
            .filter(|host| host.external)
            .map(|host| HostStatus {
                host: host.host.clone(),
                trusted: host.trusted,
            })
            .collect(),
    }
}

fn certificates(live: &Live, keys: &Keys) -> Vec<CertificateStatus> {
    let served = [
        (CertificatePurpose::Internal, &keys.internal_tls),
        (CertificatePurpose::External, &keys.external_tls),
    ];
    served
        .into_iter()
        .filter_map(|(purpose, key)| {
            let secret: Secret = live.get(key)?;
            let leaf = parse_certificates(&secret.data?.get("tls.crt")?.0)
                .ok()?
                .swap_remove(0);
            Some(CertificateStatus {
                purpose,
                not_after: Time(leaf.not_after()),
                names: leaf.names().iter().take(MOST_NAMES).cloned().collect(),
                issuer: leaf.issuer().to_owned(),
            })
        })
        .collect()
}
