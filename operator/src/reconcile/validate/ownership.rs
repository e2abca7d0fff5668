//! Whether an object that stands under one of our names is this Registry's.

use super::Finding;
use super::storage::Storage;
use crate::names::{FIELD_MANAGER, MANAGED_BY_LABEL, REGISTRY_LABEL, REGISTRY_NAMESPACE_LABEL, RegistryId};
use crate::reconcile::live::{Key, Kind};
use crate::reconcile::observe::{Keys, Observed, Unusable};
use crate::settings::Settings;
use roadstead_api::registry::ConditionType;
use serde_json::Value;

/// Why nothing at all is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "{0} exists and is not this Registry's: rename one of the two, or delete the other if nothing needs it"
    )]
    NameConflict(Key),
    /// Without its claim a Registry has nowhere to keep anything.
    #[error("spec.storage.persistentVolumeClaim.claimName {0}")]
    Unusable(Unusable),
    #[error(
        "{0} is larger than anything that Roadstead writes there, and was not read: delete it, and it is made anew"
    )]
    TooLarge(Key),
    /// Of an earlier Registry of this name: the garbage collector is about to remove it.
    #[error("waiting for {0} of an earlier Registry of this name to be gone")]
    Leaving(Key),
}

impl Refusal {
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NameConflict(_) => "NameConflict",
            Self::Unusable(unusable) => unusable.reason(),
            Self::TooLarge(_) => "TooLarge",
            Self::Leaving(_) => "WaitingForCleanup",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(in crate::reconcile) enum Ownership {
    Ours,
    Foreign,
    Leaving,
}

/// The objects of somebody else that stand where this Registry would put its own. Before it has made anything, any of
/// them stops it. Later a name is left to its owner and told, and all else goes on.
pub(super) fn taken(
    observed: &Observed,
    settings: &Settings,
    keys: &Keys,
    storage: &Storage,
    external_on_nodes: bool,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Key>, Refusal> {
    if let Some(unusable) = observed
        .claim_source
        .as_ref()
        .and_then(|source| source.unusable.clone())
    {
        return Err(Refusal::Unusable(unusable));
    }
    let external_bundle = observed.hosts.external.as_ref().map(|host| host.bundle_name());
    let written = |key: &Key| match key.kind {
        // An external host that is not ours to bring to nodes is a finding of its own, and no reason to stop.
        Kind::TrustBundle if Some(&key.name) == external_bundle.as_ref() => external_on_nodes,
        Kind::PersistentVolumeClaim => *key == keys.data && matches!(storage, Storage::Own(_)),
        _ => true,
    };
    let judge = |key: &Key, object| ownership(object, key, &observed.id, &settings.installation);
    // A claim outlives Registries, and what stands elsewhere may be of an earlier one of this name.
    let is_of_this_one = |key: &Key| key.namespace == observed.id.namespace && *key != keys.data;
    let mut own = observed.live.iter().filter(|(key, _)| is_of_this_one(key));
    let established = own.any(|(key, object)| judge(key, object) == Ownership::Ours);
    let mut taken = Vec::new();
    for key in observed.live.too_large().iter().filter(|key| written(key)) {
        let refusal = Refusal::TooLarge(key.clone());
        let Some(condition) = needed_by(key, keys).filter(|_| established) else {
            return Err(refusal);
        };
        findings.push(Finding::failure(condition, refusal.reason(), refusal.to_string()));
        taken.push(key.clone());
    }
    for (key, object) in observed.live.iter().filter(|(key, _)| written(key)) {
        match (judge(key, object), needed_by(key, keys).filter(|_| established)) {
            (Ownership::Ours, _) => {}
            (Ownership::Foreign, Some(condition)) => {
                // Of a budget nothing is needed for one pod.
                if *key != keys.disruption_budget || observed.registry.spec.replicas > 1 {
                    let refusal = Refusal::NameConflict(key.clone());
                    findings.push(Finding::failure(condition, refusal.reason(), refusal.to_string()));
                }
                taken.push(key.clone());
            }
            (Ownership::Foreign, None) => return Err(Refusal::NameConflict(key.clone())),
            (Ownership::Leaving, _) => return Err(Refusal::Leaving(key.clone())),
        }
    }
    Ok(taken)
}

/// The condition of what is missed where somebody else's object stands; `None`: without it nothing else can be made.
fn needed_by(key: &Key, keys: &Keys) -> Option<ConditionType> {
    match key.kind {
        Kind::Service | Kind::Deployment => Some(ConditionType::Ready),
        Kind::ServiceAccount | Kind::PodDisruptionBudget => Some(ConditionType::Reconciled),
        Kind::ConfigMap if *key == keys.config => Some(ConditionType::Reconciled),
        Kind::ConfigMap => Some(ConditionType::CertificateValid),
        Kind::Secret if *key == keys.authority => None,
        Kind::Secret if [&keys.internal_tls, &keys.external_tls].contains(&key) => {
            Some(ConditionType::CertificateValid)
        }
        Kind::Secret => Some(ConditionType::AuthReady),
        Kind::PersistentVolumeClaim => Some(ConditionType::StorageReady),
        Kind::TrustBundle => Some(ConditionType::NodesTrusted),
    }
}

pub(in crate::reconcile) fn ownership(
    object: &Value,
    key: &Key,
    id: &RegistryId,
    installation: &str,
) -> Ownership {
    let metadata = &object["metadata"];
    let label = |name: &str| metadata["labels"][name].as_str();
    let labelled = label(MANAGED_BY_LABEL) == Some(FIELD_MANAGER)
        && label(REGISTRY_LABEL) == Some(&id.name)
        && (key.namespace == id.namespace || label(REGISTRY_NAMESPACE_LABEL) == Some(&id.namespace));
    let bundle_of_another = key.kind == Kind::TrustBundle
        && (object["spec"]["installation"] != *installation
            || object["spec"]["registry"]["namespace"] != *id.namespace
            || object["spec"]["registry"]["name"] != *id.name);
    if !labelled || bundle_of_another {
        return Ownership::Foreign;
    }
    let owners = metadata["ownerReferences"].as_array();
    let controller = owners
        .into_iter()
        .flatten()
        .find(|owner| owner["controller"] == true);
    match controller {
        Some(owner) if owner["uid"] == *id.uid => Ownership::Ours,
        Some(owner) if owner["kind"] == "Registry" => Ownership::Leaving,
        Some(_) => Ownership::Foreign,
        // A claim of ours outlives Registries, so one that goes may well hold this one's images.
        None if key.kind == Kind::PersistentVolumeClaim => Ownership::Ours,
        None if metadata["deletionTimestamp"].is_string() => Ownership::Leaving,
        None => Ownership::Ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id() -> RegistryId {
        RegistryId {
            namespace: "registry".into(),
            name: "images".into(),
            uid: "u".into(),
        }
    }

    fn judge(object: &Value) -> Ownership {
        let key = Key::new(Kind::Service, "registry", "images");
        ownership(object, &key, &id(), "a/b")
    }

    fn labels() -> Value {
        json!({MANAGED_BY_LABEL: FIELD_MANAGER, REGISTRY_LABEL: "images"})
    }

    #[test]
    fn an_object_without_our_labels_is_foreign() {
        assert_eq!(
            judge(&json!({"metadata": {"name": "images"}})),
            Ownership::Foreign
        );
    }

    #[test]
    fn an_object_of_an_earlier_registry_of_that_name_is_waited_for() {
        let object = json!({"metadata": {"labels": labels(),
            "ownerReferences": [{"kind": "Registry", "uid": "old", "controller": true}]}});
        assert_eq!(judge(&object), Ownership::Leaving);
    }

    #[test]
    fn an_object_that_lost_its_owner_is_taken_up() {
        assert_eq!(judge(&json!({"metadata": {"labels": labels()}})), Ownership::Ours);
    }

    #[test]
    fn an_object_under_another_controller_is_foreign() {
        let object = json!({"metadata": {"labels": labels(),
            "ownerReferences": [{"kind": "Certificate", "uid": "x", "controller": true}]}});
        assert_eq!(judge(&object), Ownership::Foreign);
    }

    #[test]
    fn an_object_elsewhere_must_name_our_namespace() {
        let key = Key::new(Kind::Secret, "roadstead-system", "ca.registry.images");
        let mut object = json!({"metadata": {"labels": labels()}});
        assert_eq!(ownership(&object, &key, &id(), "a/b"), Ownership::Foreign);
        object["metadata"]["labels"][REGISTRY_NAMESPACE_LABEL] = json!("registry");
        assert_eq!(ownership(&object, &key, &id(), "a/b"), Ownership::Ours);
    }

    #[test]
    fn a_bundle_of_another_installation_is_foreign() {
        let key = Key::new(Kind::TrustBundle, "nodes", "images.registry.svc.5000");
        let mut object = json!({"metadata": {"labels": labels()}, "spec": {"installation": "other/one",
            "registry": {"namespace": "registry", "name": "images"}}});
        object["metadata"]["labels"][REGISTRY_NAMESPACE_LABEL] = json!("registry");
        assert_eq!(ownership(&object, &key, &id(), "a/b"), Ownership::Foreign);
        object["spec"]["installation"] = json!("a/b");
        assert_eq!(ownership(&object, &key, &id(), "a/b"), Ownership::Ours);
    }
}
