//! Where images are kept, as far as the cluster allows what is asked for.

use super::Finding;
use crate::reconcile::observe::{Keys, Observed, Source};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use roadstead_api::registry::{self, AccessMode, ConditionType};

/// Where images are kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Storage {
    /// A volume claim that the operator makes.
    Own(OwnClaim),
    /// A volume claim that exists.
    Existing {
        name: String,
        shared: bool,
    },
    EmptyDir {
        size_limit: Option<Quantity>,
    },
}

/// A volume claim that the operator makes.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnClaim {
    pub size: Quantity,
    pub storage_class_name: Option<String>,
    pub access_modes: Vec<String>,
}

impl Storage {
    /// Whether several pods can have it at once.
    pub fn is_shared(&self) -> bool {
        match self {
            Self::Own(claim) => shared(&claim.access_modes),
            Self::Existing { shared, .. } => *shared,
            Self::EmptyDir { .. } => false,
        }
    }

    /// As many pods as the storage bears.
    pub(super) fn replicas(&self, wanted: i32) -> i32 {
        if self.is_shared() { wanted } else { wanted.min(1) }
    }
}

pub(super) fn storage(observed: &Observed, keys: &Keys, findings: &mut Vec<Finding>) -> Storage {
    let spec = &observed.registry.spec;
    let storage = match (&spec.storage.persistent_volume_claim, &observed.claim_source) {
        (Some(_), Some(source)) => existing(source, findings),
        (Some(claim), None) => own(claim, observed.live.get(&keys.data), findings),
        (None, _) => Storage::EmptyDir {
            size_limit: spec
                .storage
                .empty_dir
                .as_ref()
                .and_then(|dir| dir.size_limit.clone()),
        },
    };
    let told = findings
        .iter()
        .any(|finding| finding.condition == ConditionType::StorageReady);
    if spec.replicas > 1 && !storage.is_shared() && !told {
        findings.push(Finding::failure(
            ConditionType::StorageReady,
            "AccessModeMismatch",
            format!(
                "{} replicas need a volume claim with access mode ReadWriteMany; one pod runs until then",
                spec.replicas
            ),
        ));
    }
    storage
}

fn existing(source: &Source<PersistentVolumeClaim>, findings: &mut Vec<Finding>) -> Storage {
    let name = source.name.clone();
    let modes = source
        .object
        .as_ref()
        .and_then(|claim| claim.spec.as_ref()?.access_modes.clone());
    if source.object.is_none() {
        findings.push(Finding::failure(
            ConditionType::StorageReady,
            "ClaimNotFound",
            format!(
                "volume claim {name} (spec.storage.persistentVolumeClaim.claimName) does not exist: create it"
            ),
        ));
    }
    Storage::Existing {
        name,
        shared: shared(&modes.unwrap_or_default()),
    }
}

/// A claim that is there already, perhaps of an earlier Registry, keeps what no claim can change.
fn own(
    wanted: &registry::PersistentVolumeClaim,
    live: Option<PersistentVolumeClaim>,
    findings: &mut Vec<Finding>,
) -> Storage {
    let modes = wanted
        .access_modes
        .clone()
        .unwrap_or(vec![AccessMode::ReadWriteOnce]);
    let wanted = OwnClaim {
        size: wanted.size.clone().unwrap_or_default(),
        storage_class_name: wanted
            .storage_class_name
            .as_ref()
            .map(|name| name.as_written().to_owned()),
        access_modes: modes.iter().map(|mode| mode.as_str().to_owned()).collect(),
    };
    let Some(live) = live.and_then(|claim| claim.spec) else {
        return Storage::Own(wanted);
    };
    let kept = kept(&wanted, &live);
    let class_differs =
        wanted.storage_class_name.is_some() && wanted.storage_class_name != kept.storage_class_name;
    if class_differs || kept.access_modes != wanted.access_modes {
        findings.push(Finding::failure(
            ConditionType::StorageReady,
            "ClaimMismatch",
            format!(
                "the volume claim that is there already has storage class {} and access modes [{}], which cannot change: \
                 ask for the same, or make another Registry",
                kept.storage_class_name.as_deref().unwrap_or("(none)"),
                kept.access_modes.join(", ")
            ),
        ));
    }
    Storage::Own(kept)
}

fn kept(wanted: &OwnClaim, live: &PersistentVolumeClaimSpec) -> OwnClaim {
    let has = live
        .resources
        .as_ref()
        .and_then(|resources| resources.requests.as_ref()?.get("storage").cloned());
    let size = match has {
        Some(has) if amount(&has) > amount(&wanted.size) => has,
        _ => wanted.size.clone(),
    };
    OwnClaim {
        size,
        // Even where it is not asked for: a field that is taken back is a change, and this one cannot change.
        storage_class_name: live.storage_class_name.clone(),
        access_modes: live
            .access_modes
            .clone()
            .unwrap_or_else(|| wanted.access_modes.clone()),
    }
}

fn shared(modes: &[String]) -> bool {
    modes
        .iter()
        .any(|mode| mode == AccessMode::ReadWriteMany.as_str())
}

fn amount(quantity: &Quantity) -> f64 {
    crate::reconcile::quantity::parse(&quantity.0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::VolumeResourceRequirements;

    fn live(size: &str, class: &str, mode: &str) -> Option<PersistentVolumeClaim> {
        Some(PersistentVolumeClaim {
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(vec![mode.into()]),
                storage_class_name: Some(class.into()),
                resources: Some(VolumeResourceRequirements {
                    requests: Some([("storage".to_owned(), Quantity(size.into()))].into()),
                    ..VolumeResourceRequirements::default()
                }),
                ..PersistentVolumeClaimSpec::default()
            }),
            ..PersistentVolumeClaim::default()
        })
    }

    fn wanted(size: &str) -> registry::PersistentVolumeClaim {
        registry::PersistentVolumeClaim {
            size: Some(Quantity(size.into())),
            ..registry::PersistentVolumeClaim::default()
        }
    }

    fn size(storage: &Storage) -> &str {
        match storage {
            Storage::Own(claim) => &claim.size.0,
            other => panic!("not a claim of ours: {other:?}"),
        }
    }

    #[test]
    fn a_claim_that_is_taken_up_never_shrinks() {
        let mut findings = Vec::new();
        let storage = own(
            &wanted("5Gi"),
            live("10Gi", "fast", "ReadWriteOnce"),
            &mut findings,
        );
        assert_eq!(size(&storage), "10Gi");
        assert!(findings.is_empty(), "{findings:?}");
        let storage = own(
            &wanted("20Gi"),
            live("10Gi", "fast", "ReadWriteOnce"),
            &mut findings,
        );
        assert_eq!(size(&storage), "20Gi");
    }

    #[test]
    fn a_claim_that_cannot_become_what_is_asked_for_is_kept_and_told() {
        let mut findings = Vec::new();
        let mut wanted = wanted("5Gi");
        wanted.storage_class_name = Some("slow".into());
        let storage = own(&wanted, live("5Gi", "fast", "ReadWriteOnce"), &mut findings);
        assert_eq!(findings[0].reason, "ClaimMismatch");
        assert!(
            matches!(storage, Storage::Own(OwnClaim { storage_class_name: Some(class), .. }) if class == "fast")
        );
    }

    #[test]
    fn a_claim_of_one_node_bears_one_pod() {
        let existing = |shared| Storage::Existing {
            name: "disk".into(),
            shared,
        };
        assert_eq!(existing(false).replicas(3), 1);
        assert_eq!(existing(true).replicas(3), 3);
        assert_eq!(existing(false).replicas(0), 0);
    }
}
