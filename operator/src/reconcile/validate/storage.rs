//! Where images are kept, as far as the cluster allows what is asked for.

use super::Finding;
use crate::reconcile::observe::{Keys, Observed, Source};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
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
        (Some(_), Some(source)) => existing(source, &observed.id.namespace, findings),
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

/// Whether the volume goes as soon as no pod holds it: images that are nowhere else go with it.
pub(super) fn is_going(observed: &Observed, keys: &Keys, findings: &mut Vec<Finding>) -> bool {
    let Some(wanted) = &observed.registry.spec.storage.persistent_volume_claim else {
        return false;
    };
    let own: Option<PersistentVolumeClaim>;
    let claim = match &observed.claim_source {
        Some(source) => source.object.as_ref(),
        None if wanted.size.is_some() => {
            own = observed.live.get(&keys.data);
            own.as_ref()
        }
        None => None,
    };
    let going = claim.is_some_and(|claim| claim.metadata.deletion_timestamp.is_some() && has_volume(claim));
    if going {
        let name = claim
            .and_then(|claim| claim.metadata.name.as_deref())
            .unwrap_or_default();
        findings.push(Finding::failure(
            ConditionType::StorageReady,
            "ClaimDeleting",
            format!(
                "volume claim {name} is being deleted, and goes with its images as soon as no pod uses it: copy the images to \
                 another registry now, and do not restart or delete the pods; the operator leaves them alone until then"
            ),
        ));
    }
    going
}

fn existing(source: &Source<PersistentVolumeClaim>, namespace: &str, findings: &mut Vec<Finding>) -> Storage {
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
                "volume claim {name} (spec.storage.persistentVolumeClaim.claimName) does not exist: create it in namespace \
                 {namespace}, or name another one"
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
    let Some(live) = live else {
        return Storage::Own(wanted);
    };
    let kept = kept(&wanted, &live);
    let class_differs =
        wanted.storage_class_name.is_some() && wanted.storage_class_name != kept.storage_class_name;
    if class_differs || kept.access_modes != wanted.access_modes {
        findings.push(mismatch(&kept, &live));
    }
    Storage::Own(kept)
}

fn mismatch(kept: &OwnClaim, live: &PersistentVolumeClaim) -> Finding {
    let ObjectMeta { name, namespace, .. } = &live.metadata;
    let (name, namespace) = (
        name.as_deref().unwrap_or_default(),
        namespace.as_deref().unwrap_or_default(),
    );
    let class = kept.storage_class_name.as_deref().unwrap_or("(none)");
    let modes = kept.access_modes.join(", ");
    // Nothing is lost with a claim that never had a volume.
    let way_out = if has_volume(live) {
        "or make another Registry and copy the images".to_owned()
    } else {
        format!(
            "or, as it has no volume yet, delete it to have it made anew: kubectl -n {namespace} delete pvc {name}"
        )
    };
    Finding::failure(
        ConditionType::StorageReady,
        "ClaimMismatch",
        format!(
            "volume claim {name} has storage class {class} and access modes [{modes}], which a claim cannot change: \
             ask for the same in spec.storage.persistentVolumeClaim, {way_out}"
        ),
    )
}

fn kept(wanted: &OwnClaim, live: &PersistentVolumeClaim) -> OwnClaim {
    let spec = live.spec.clone().unwrap_or_default();
    // A claim that waits without a class may still be given one.
    let may_choose = spec.storage_class_name.is_none() && !has_volume(live);
    OwnClaim {
        size: size(wanted, live).unwrap_or_else(|| wanted.size.clone()),
        // Even where it is not asked for: a field that is taken back is a change, and this one cannot change.
        storage_class_name: spec
            .storage_class_name
            .or_else(|| wanted.storage_class_name.clone().filter(|_| may_choose)),
        access_modes: spec.access_modes.unwrap_or_else(|| wanted.access_modes.clone()),
    }
}

/// What the claim is to request. It can only grow; what it requested in vain, it can take back, down to the volume's
/// own size.
fn size(wanted: &OwnClaim, live: &PersistentVolumeClaim) -> Option<Quantity> {
    let requested = live
        .spec
        .as_ref()?
        .resources
        .as_ref()?
        .requests
        .as_ref()?
        .get("storage")?;
    let volume = live
        .status
        .as_ref()
        .and_then(|status| status.capacity.as_ref()?.get("storage"));
    let Some(volume) = volume else {
        // Without a volume nothing of a claim can change.
        return Some(requested.clone());
    };
    let larger = if amount(&wanted.size) > amount(volume) {
        &wanted.size
    } else {
        volume
    };
    // Provisioners round up, so a volume may be larger than its claim: that is no reason to ask for anything.
    let is_there = amount(&wanted.size) <= amount(volume) && amount(requested) <= amount(volume);
    Some(if is_there {
        requested.clone()
    } else {
        larger.clone()
    })
}

fn has_volume(claim: &PersistentVolumeClaim) -> bool {
    claim.spec.as_ref().is_some_and(|spec| spec.volume_name.is_some())
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
    use k8s_openapi::api::core::v1::{
        PersistentVolumeClaimSpec, PersistentVolumeClaimStatus, VolumeResourceRequirements,
    };

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

    fn with_volume(size: &str, claim: Option<PersistentVolumeClaim>) -> Option<PersistentVolumeClaim> {
        Some(PersistentVolumeClaim {
            status: Some(PersistentVolumeClaimStatus {
                capacity: Some([("storage".to_owned(), Quantity(size.into()))].into()),
                ..PersistentVolumeClaimStatus::default()
            }),
            ..claim?
        })
    }

    fn wanted(size: &str) -> registry::PersistentVolumeClaim {
        registry::PersistentVolumeClaim {
            size: Some(Quantity(size.into())),
            ..registry::PersistentVolumeClaim::default()
        }
    }

    fn requested_by(storage: &Storage) -> &str {
        match storage {
            Storage::Own(claim) => &claim.size.0,
            other => panic!("not a claim of ours: {other:?}"),
        }
    }

    #[test]
    fn a_claim_grows_with_what_is_asked_and_goes_back_to_its_volume_and_no_further() {
        let table = [
            // requested, volume, asked for: requested then
            ("10Gi", Some("10Gi"), "10Gi", "10Gi"),
            ("10Gi", Some("10Gi"), "5Gi", "10Gi"),
            ("10Gi", Some("10Gi"), "20Gi", "20Gi"),
            ("20Gi", Some("10Gi"), "10Gi", "10Gi"),
            ("20Gi", Some("10Gi"), "5Gi", "10Gi"),
            ("20Gi", Some("10Gi"), "15Gi", "15Gi"),
            ("10G", Some("11Gi"), "10G", "10G"),
            ("10G", Some("11Gi"), "11G", "10G"),
            ("10Gi", None, "20Gi", "10Gi"),
            ("10Gi", None, "5Gi", "10Gi"),
        ];
        for (requested, volume, asked, then) in table {
            let claim = live(requested, "fast", "ReadWriteOnce");
            let claim = match volume {
                Some(volume) => with_volume(volume, claim),
                None => claim,
            };
            let mut findings = Vec::new();
            let storage = own(&wanted(asked), claim, &mut findings);
            assert_eq!(requested_by(&storage), then, "{requested} {volume:?} {asked}");
            assert!(findings.is_empty(), "{findings:?}");
        }
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
