//! Build: from validated types to the objects that shall exist.
//!
//! No I/O and no looking at the cluster. Chance enters in three places only: a new CA, a new certificate, a new
//! password; each is made only where validation found none that can stay.

mod certificates;
mod claim;
mod config;
mod deployment;
mod network;
mod trust;
mod users;

#[cfg(test)]
mod tests;

pub use trust::node_contents;

use super::live::{Key, Kind};
use super::validate::{AuthorityState, External, Storage, Validated};
use crate::settings::Settings;
use jiff::Timestamp;
use roadstead_pki::authority::IssueError;
use roadstead_pki::htpasswd::HashError;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What shall be, and what shall not.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order in which it is written.
    pub desired: Vec<Desired>,
    pub absent: Vec<Key>,
    /// Labels of the installation, on everything.
    pub common_labels: BTreeMap<String, String>,
    /// Whether this is all: the rest needs what is written now (an address, a CA).
    pub complete: bool,
}

/// One object that shall exist.
#[derive(Debug, Clone)]
pub struct Desired {
    pub key: Key,
    pub object: Value,
    pub how: How,
    /// Running pods have it mounted.
    pub mounted: bool,
    /// It waits until the CA that vouches for it has been published.
    pub after_trust: bool,
}

/// How an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Apply,
    /// Made once, and never by two: whoever comes second takes what is there.
    Create,
}

/// Why something could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Builds everything that can be built now, and may be written.
pub fn build(validated: &Validated, settings: &Settings, now: Timestamp) -> Result<Plan, BuildError> {
    let mut plan = everything(validated, settings, now)?;
    let keys = &validated.keys;
    // Pods that are replaced now would lose their volume, or get somebody else's, or somebody else's users.
    let mounted = [
        &keys.data,
        &keys.config,
        &keys.htpasswd,
        &keys.internal_tls,
        &keys.external_tls,
    ];
    let pods_stay = validated.volume_is_going || mounted.iter().any(|key| validated.taken.contains(key));
    let is_held_back = |key: &Key| {
        let mut left_alone = validated.taken.iter().chain(&validated.oversized);
        left_alone.any(|left| left == key) || (pods_stay && *key == keys.deployment)
    };
    plan.desired.retain(|desired| !is_held_back(&desired.key));
    plan.absent.retain(|key| !is_held_back(key));
    Ok(plan)
}

fn everything(validated: &Validated, settings: &Settings, now: Timestamp) -> Result<Plan, BuildError> {
    let keys = &validated.keys;
    let mut plan = Plan {
        common_labels: settings.common_labels.clone(),
        ..Plan::default()
    };
    plan.apply(&keys.service_account, &network::service_account(validated));
    plan.apply(&keys.service, &network::service(validated));
    if let Storage::Own(claim) = &validated.storage {
        plan.apply(&keys.data, &claim::claim(validated, claim));
    }
    let config = config::config(validated);
    plan.apply(&keys.config, &config);

    let users = users::users(validated)?;
    plan.apply(&keys.push, &users.push);
    plan.apply(&keys.pull, &users.pull);
    plan.mount(&keys.htpasswd, &users.htpasswd);

    let have_address = !validated.addresses.current.is_empty();
    match &validated.certificates.authority {
        AuthorityState::Missing => {
            plan.create(&keys.authority, &certificates::authority(validated, now)?);
            return Ok(plan);
        }
        AuthorityState::Former => {
            plan.absent.push(keys.authority.clone());
            return Ok(plan);
        }
        AuthorityState::Usable(authority) if have_address => {
            plan.mount(
                &keys.internal_tls,
                &certificates::internal(validated, authority, now)?,
            );
        }
        AuthorityState::Usable(_) => return Ok(plan),
        AuthorityState::Broken => {}
    }
    trust_and_external(&mut plan, validated, settings);
    plan.apply(
        &keys.deployment,
        &deployment::deployment(validated, settings, &config),
    );
    if validated.replicas > 1 {
        plan.apply(&keys.disruption_budget, &network::disruption_budget(validated));
    } else {
        plan.absent.push(keys.disruption_budget.clone());
    }
    plan.complete = true;
    Ok(plan)
}

/// What makes clients and nodes trust it, and the certificate that is served only when they do.
fn trust_and_external(plan: &mut Plan, validated: &Validated, settings: &Settings) {
    let keys = &validated.keys;
    if let Some(ca) = &validated.certificates.ca {
        plan.apply(&keys.ca_bundle, &trust::config_map(validated, ca));
        for bundle in trust::bundles(validated, &ca.all, settings) {
            let name = bundle.metadata.name.clone().unwrap_or_default();
            plan.apply(
                &Key::new(Kind::TrustBundle, &settings.agent_namespace, &name),
                &bundle,
            );
        }
    }
    match &validated.certificates.external {
        External::Serve(serving) => {
            plan.mount(&keys.external_tls, &certificates::external(validated, serving));
            plan.desired
                .iter_mut()
                .for_each(|desired| desired.after_trust = desired.key == keys.external_tls);
        }
        External::Remove => plan.absent.push(keys.external_tls.clone()),
        External::Keep => {}
    }
}

impl Plan {
    fn apply<T: Serialize>(&mut self, key: &Key, object: &T) {
        self.push(key, object, How::Apply, false);
    }

    fn mount<T: Serialize>(&mut self, key: &Key, object: &T) {
        self.push(key, object, How::Apply, true);
    }

    fn create<T: Serialize>(&mut self, key: &Key, object: &T) {
        self.push(key, object, How::Create, false);
    }

    fn push<T: Serialize>(&mut self, key: &Key, object: &T, how: How, mounted: bool) {
        let mut object = serde_json::to_value(object).expect("objects of Kubernetes are JSON");
        for (label, value) in &self.common_labels {
            let labels = &mut object["metadata"]["labels"];
            if labels[label].is_null() {
                labels[label] = Value::from(value.as_str());
            }
        }
        self.desired.push(Desired {
            key: key.clone(),
            object,
            how,
            mounted,
            after_trust: false,
        });
    }
}
