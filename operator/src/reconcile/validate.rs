//! Validate: from what was observed to what can be built.
//!
//! Nothing past this point looks at a spec, a person's Secret or an object's owner again. What is wrong with a
//! person's input becomes a [`Finding`] and leaves what runs as it is; only an object that stands in the way of a new
//! Registry stops everything ([`Refusal`]).

mod certificates;
mod hostname;
mod ownership;
mod storage;
mod users;

pub use certificates::{AuthorityState, Cas, Certificates, External, Previous, Serving};
pub(super) use certificates::{PREVIOUS_CA, PREVIOUS_UNTIL, content, proof};
pub use ownership::Refusal;
pub(super) use ownership::{Ownership, ownership};
pub use storage::{OwnClaim, Storage};
pub use users::{Account, Users};
pub(super) use users::{SEAL, seal};

use super::live::Key;
use super::observe::{Keys, Observed};
use crate::names::{Host, Hosts, RegistryId};
use crate::nodes::{HostContent, Tally};
use crate::settings::Settings;
use k8s_openapi::api::core::v1 as core;
use roadstead_api::registry::{ConditionStatus, ConditionType, DeletionPolicy, Pod, RegistrySpec, Service};
use std::net::IpAddr;

/// What can be built, and what is to be said about the rest.
pub struct Validated {
    pub id: RegistryId,
    pub keys: Keys,
    pub hosts: Hosts,
    pub replicas: i32,
    pub service: Service,
    pub addresses: Addresses,
    pub storage: Storage,
    /// The volume goes with the last pod that holds it, so no pod may be replaced.
    pub volume_is_going: bool,
    pub delete_data: bool,
    pub pod: Pod,
    pub users: Users,
    pub certificates: Certificates,
    /// Whether nodes are to trust it at all.
    pub node_trust: bool,
    /// The hosts that nodes are to trust, with what they dial.
    pub node_hosts: Vec<NodeHost>,
    /// Names under which somebody else's objects stand: nothing is written there.
    pub taken: Vec<Key>,
    /// What would be larger than the operator reads again: it stays as it is.
    pub oversized: Vec<Key>,
    pub findings: Vec<Finding>,
}

/// The addresses of the Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// As the Service has them now; empty before it is made.
    pub current: Vec<IpAddr>,
    /// What it had before somebody deleted it, to be asked for again.
    pub lost: Vec<String>,
}

/// A host that nodes are to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHost {
    pub host: Host,
    /// What the node dials; absent: the host's own name.
    pub server: Option<String>,
}

/// Something to tell about a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub condition: ConditionType,
    pub status: ConditionStatus,
    pub reason: &'static str,
    pub message: String,
}

impl Finding {
    pub fn failure(condition: ConditionType, reason: &'static str, message: String) -> Self {
        Self {
            condition,
            status: ConditionStatus::False,
            reason,
            message,
        }
    }
}

/// Asks how many nodes carry some content; `None` where there are no agents to ask.
pub type Acknowledged<'a> = &'a dyn Fn(&[HostContent]) -> Option<Tally>;

/// Checks everything that was observed.
pub fn validate(
    observed: &mut Observed,
    settings: &Settings,
    acknowledged: Acknowledged<'_>,
) -> Result<Validated, Refusal> {
    let keys = Keys::of(&observed.id, settings);
    let spec = &observed.registry.spec;
    let mut findings = Vec::new();

    let volume_is_going = storage::is_going(observed, &keys, &mut findings);
    let storage = storage::storage(observed, &keys, &mut findings);
    let hostname = hostname::hostname(observed, settings, &mut findings);
    let taken = ownership::taken(
        observed,
        settings,
        &keys,
        &storage,
        hostname.on_nodes,
        &mut findings,
    )?;
    // Nothing that somebody else's object holds is taken for ours.
    taken.iter().for_each(|key| observed.live.remove(key));

    let addresses = addresses(observed, &keys, &taken);
    let node_hosts = node_hosts(observed, &addresses, hostname.on_nodes);
    let users = users::users(observed, &keys, &taken, &mut findings);
    let certificates =
        certificates::certificates(observed, &keys, &addresses, hostname, acknowledged, &mut findings);
    Ok(Validated {
        id: observed.id.clone(),
        hosts: observed.hosts.clone(),
        replicas: storage.replicas(spec.replicas),
        service: spec.service.clone(),
        addresses,
        storage,
        volume_is_going,
        delete_data: spec.deletion_policy == DeletionPolicy::Delete,
        pod: spec.pod.clone().unwrap_or_default(),
        users,
        certificates,
        node_trust: spec.node_trust.enabled,
        node_hosts,
        oversized: oversized(spec, &keys, &mut findings),
        keys,
        taken,
        findings,
    })
}

/// The definition bounds each list and text, but not what they come to together.
fn oversized(spec: &RegistrySpec, keys: &Keys, findings: &mut Vec<Finding>) -> Vec<Key> {
    // Twice as much is in the object, since the API server keeps who wrote what, and an object of ours is read up to
    // `bounded::OF_OURS`.
    const LARGEST: usize = 32 * 1024;
    let size = |part: Result<Vec<u8>, _>| part.map_or(usize::MAX, |json| json.len());
    let parts = [
        ("spec.pod", size(serde_json::to_vec(&spec.pod)), &keys.deployment),
        (
            "spec.service",
            size(serde_json::to_vec(&spec.service)),
            &keys.service,
        ),
    ];
    let mut oversized = Vec::new();
    for (part, size, key) in parts.into_iter().filter(|(_, size, _)| *size > LARGEST) {
        let message = format!(
            "{part} takes {size} bytes, and {LARGEST} are the most: make it smaller; until then {key} stays as it is"
        );
        findings.push(Finding::failure(ConditionType::Reconciled, "TooLarge", message));
        oversized.push(key.clone());
    }
    oversized
}

fn addresses(observed: &Observed, keys: &Keys, taken: &[Key]) -> Addresses {
    let service: Option<core::Service> = observed.live.get(&keys.service);
    let live = service
        .and_then(|service| service.spec)
        .and_then(|spec| spec.cluster_ips)
        .unwrap_or_default();
    let status = observed.registry.status.as_ref();
    let known = status
        .map(|status| status.cluster_ips.clone())
        .unwrap_or_default();
    // Certificates and bundles stay for those that its own Service had, which it gets back with luck.
    let current = if taken.contains(&keys.service) {
        &known
    } else {
        &live
    };
    Addresses {
        current: current
            .iter()
            .filter_map(|address| address.parse().ok())
            .collect(),
        lost: if live.is_empty() { known } else { Vec::new() },
    }
}

fn node_hosts(observed: &Observed, addresses: &Addresses, external_on_nodes: bool) -> Vec<NodeHost> {
    if !observed.registry.spec.node_trust.enabled {
        return Vec::new();
    }
    let hosts = &observed.hosts;
    // Nodes cannot resolve the names of Services: they dial the address, which the internal certificate carries.
    let mut on_nodes: Vec<_> = addresses
        .current
        .first()
        .map(|address| std::net::SocketAddr::new(*address, hosts.service.port).to_string())
        .into_iter()
        .flat_map(|server| {
            [&hosts.service, &hosts.qualified].map(|host| NodeHost {
                host: host.clone(),
                server: Some(server.clone()),
            })
        })
        .collect();
    on_nodes.extend(
        hosts
            .external
            .iter()
            .filter(|_| external_on_nodes)
            .map(|host| NodeHost {
                host: host.clone(),
                server: None,
            }),
    );
    on_nodes
}

/// Names are for people: a few of many are enough.
pub(in crate::reconcile) fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    match names.len() {
        0..=SHOWN => names.join(", "),
        many => format!("{} and {} more", names[..SHOWN].join(", "), many - SHOWN),
    }
}
