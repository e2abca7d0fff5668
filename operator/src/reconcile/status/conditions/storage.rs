//! Whether there is a volume, and whether it takes images.

use super::{Facts, Told, no, yes};
use crate::reconcile::apply::ApplyError;
use crate::reconcile::live::Kind;
use crate::reconcile::validate::{OwnClaim, Storage};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

pub(super) fn storage(facts: &Facts<'_>) -> Told {
    let state = state(facts);
    match &facts.causes.store {
        Some(why) => no(
            "NotWritable",
            format!(
                "the registry cannot write its volume: {why}; pulls go on, pushes are refused: make room, mount it writable, or \
                 let user 65532 write it (fsGroup does nothing on hostPath and most NFS volumes)"
            ),
        ),
        None => state,
    }
}

/// The reason under which a claim that the API server refuses is told.
pub(super) fn refusal(facts: &Facts<'_>) -> &'static str {
    match facts.live.contains(&facts.validated.keys.data) {
        true => "ResizeRefused",
        false => "ClaimRefused",
    }
}

fn state(facts: &Facts<'_>) -> Told {
    let own: Option<PersistentVolumeClaim>;
    let claim = match &facts.validated.storage {
        Storage::EmptyDir { .. } => return yes("Ephemeral", "images go with the pod (storage.emptyDir)"),
        Storage::Own(wanted) => {
            own = facts.live.get(&facts.validated.keys.data);
            let refused = facts
                .refused
                .iter()
                .find(|error| error.key.kind == Kind::PersistentVolumeClaim);
            if let Some(error) = refused {
                return no(refusal(facts), refused_because(error, wanted, own.as_ref()));
            }
            own.as_ref()
        }
        Storage::Existing { .. } => facts.claim,
    };
    let Some(claim) = claim else {
        return no("ClaimPending", "the volume claim is being made");
    };
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    let namespace = &facts.validated.id.namespace;
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    match phase {
        Some("Bound") => yes(
            "Bound",
            format!("volume claim {name} has its volume{}", size_of(claim)),
        ),
        Some("Lost") => no(
            "ClaimLost",
            format!("volume claim {name} lost its volume: restore it, or delete the claim to start empty"),
        ),
        _ => {
            let why = match &facts.causes.claim {
                Some(why) => why.clone(),
                None => format!("see kubectl -n {namespace} describe pvc {name}"),
            };
            no(
                "ClaimPending",
                format!("volume claim {name} has no volume yet: {why}"),
            )
        }
    }
}

fn refused_because(error: &ApplyError, wanted: &OwnClaim, live: Option<&PersistentVolumeClaim>) -> String {
    let Some(claim) = live else {
        return format!("{error}; it is tried again");
    };
    let size = requested(claim).unwrap_or_default();
    format!(
        "{error}; it keeps {size}: set size back to {size}, or, where its class can grow, see that it may become {}",
        wanted.size.0
    )
}

fn requested(claim: &PersistentVolumeClaim) -> Option<&str> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    Some(requests.get("storage")?.0.as_str())
}

/// The volume's size, and that it is still to grow.
fn size_of(claim: &PersistentVolumeClaim) -> String {
    let volume = claim
        .status
        .as_ref()
        .and_then(|status| status.capacity.as_ref()?.get("storage"));
    match (volume, requested(claim)) {
        (Some(volume), Some(requested)) if volume.0 != requested => {
            format!(" of {} ({requested} asked for)", volume.0)
        }
        (Some(volume), _) => format!(" of {}", volume.0),
        (None, _) => String::new(),
    }
}
