//! The volume claim that images are kept on.

use crate::reconcile::validate::{OwnClaim, Validated};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};

pub(super) fn claim(validated: &Validated, claim: &OwnClaim) -> PersistentVolumeClaim {
    let id = &validated.id;
    PersistentVolumeClaim {
        // An owner reference would take the images with the Registry.
        metadata: if validated.delete_data {
            id.owned(&id.data())
        } else {
            id.beside(&id.data())
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(claim.access_modes.clone()),
            storage_class_name: claim.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), claim.size.clone())].into()),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
