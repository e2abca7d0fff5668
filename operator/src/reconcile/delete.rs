//! What goes with a Registry and no owner reference reaches: bundles and the CA, in other namespaces.
//!
//! It never waits for a node: a Registry, and the namespace that it is in, can always be deleted.

use super::finalizer::set_finalizers;
use super::live::{Key, Kind};
use super::namespace;
use super::observe::Keys;
use super::validate::{Ownership, ownership};
use crate::context::Context;
use crate::names::{FINALIZER, OURS, REGISTRY_LABEL, REGISTRY_NAMESPACE_LABEL, RegistryId};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use roadstead_api::registry::{DeletionPolicy, Registry};
use serde_json::json;

/// Removes what is elsewhere, then lets the Registry go.
pub(super) async fn clean_up(context: &Context, registry: &Registry) -> Result<(), kube::Error> {
    let finalizers = registry.metadata.finalizers.clone().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(());
    }
    let id = RegistryId::of(registry);
    let keys = Keys::of(&id, &context.settings);
    // First: nodes must not go on trusting it because a later step is refused.
    let bundles = Key::new(Kind::TrustBundle, &context.settings.agent_namespace, "");
    remove_ours(context, &id, &bundles).await?;
    keep_data(context, registry, &id, &keys.data).await?;
    remove_ours(context, &id, &keys.authority).await?;
    let left = finalizers
        .into_iter()
        .filter(|finalizer| finalizer != FINALIZER)
        .collect();
    set_finalizers(context, registry, left).await?;
    context.forget(&id.namespace, &id.name);
    tracing::info!(registry = %id, "let a Registry go");
    Ok(())
}

/// An owner reference from the time of another `deletionPolicy` would take the images along. A round takes it off, but
/// the last round may have been before the policy changed: the Registry was paused, refused, or deleted at once.
async fn keep_data(
    context: &Context,
    registry: &Registry,
    id: &RegistryId,
    data: &Key,
) -> Result<(), kube::Error> {
    let spec = &registry.spec;
    let claim = spec.storage.persistent_volume_claim.as_ref();
    let made_by_us = claim.is_some_and(|claim| claim.claim_name.is_none());
    if made_by_us && spec.deletion_policy == DeletionPolicy::Delete {
        return Ok(());
    }
    let api = data.api(&context.client);
    let Some(claim) = api.get_opt(&data.name).await? else {
        return Ok(());
    };
    if !is_ours(context, id, data, &claim) {
        return Ok(());
    }
    let owners = claim.owner_references();
    let left: Vec<_> = owners
        .iter()
        .filter(|owner| Some(&owner.uid) != registry.metadata.uid.as_ref())
        .collect();
    if left.len() == owners.len() {
        return Ok(());
    }
    let patch =
        json!({"metadata": {"ownerReferences": left, "resourceVersion": claim.metadata.resource_version}});
    api.patch(&data.name, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    tracing::info!(object = %data, "the images stay: took the owner reference off their volume claim");
    context.metrics.wrote(data.kind);
    Ok(())
}

/// Removes what carries this Registry's labels in the namespace of `place`. It asks the API server, not a cache: what
/// is overlooked here stays on nodes for good.
async fn remove_ours(context: &Context, id: &RegistryId, place: &Key) -> Result<(), kube::Error> {
    let selector = format!(
        "{OURS},{REGISTRY_LABEL}={},{REGISTRY_NAMESPACE_LABEL}={}",
        id.name, id.namespace
    );
    let api = place.api(&context.client);
    let listed = match api.list(&ListParams::default().labels(&selector)).await {
        Ok(listed) => listed,
        // The definition is gone, and all objects with it.
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
        // So is the right to ask, where their namespace is.
        Err(kube::Error::Api(status))
            if status.is_forbidden() && namespace::is_gone(context, &place.namespace).await =>
        {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for object in listed {
        let name = object.metadata.name.clone().unwrap_or_default();
        let key = Key::new(place.kind, &place.namespace, &name);
        if is_ours(context, id, &key, &object) {
            remove(context, &key).await?;
        }
    }
    Ok(())
}

fn is_ours(context: &Context, id: &RegistryId, key: &Key, object: &DynamicObject) -> bool {
    let value = serde_json::to_value(object).expect("an object that was read as JSON is written as JSON");
    ownership(&value, key, id, &context.settings.installation) == Ownership::Ours
}

async fn remove(context: &Context, key: &Key) -> Result<(), kube::Error> {
    match key
        .api(&context.client)
        .delete(&key.name, &DeleteParams::background())
        .await
    {
        Ok(_) => {
            tracing::info!(object = %key, "deleted an object");
            context.metrics.wrote(key.kind);
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}
