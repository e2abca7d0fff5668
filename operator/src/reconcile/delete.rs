//! What goes with a Registry and no owner reference reaches: bundles and the CA, in other namespaces.
//!
//! It never waits for a node: a Registry, and the namespace that it is in, can always be deleted.

use super::finalizer::set_finalizers;
use super::live::{Key, Kind};
use super::observe::Keys;
use super::validate::{Ownership, ownership};
use crate::context::Context;
use crate::names::{FINALIZER, OURS, REGISTRY_LABEL, REGISTRY_NAMESPACE_LABEL, RegistryId};
use kube::api::{DeleteParams, ListParams};
use roadstead_api::registry::Registry;

/// Removes what is elsewhere, then lets the Registry go.
pub(super) async fn clean_up(context: &Context, registry: &Registry) -> Result<(), kube::Error> {
    let finalizers = registry.metadata.finalizers.clone().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(());
    }
    let id = RegistryId::of(registry);
    let bundles = Key::new(Kind::TrustBundle, &context.settings.agent_namespace, "");
    remove_ours(context, &id, &bundles).await?;
    remove_ours(context, &id, &Keys::of(&id, &context.settings).authority).await?;
    let left = finalizers
        .into_iter()
        .filter(|finalizer| finalizer != FINALIZER)
        .collect();
    set_finalizers(context, registry, left).await?;
    context.reports.forget(&id.namespace, &id.name);
    tracing::info!(registry = %id, "let a Registry go");
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
    for object in api.list(&ListParams::default().labels(&selector)).await? {
        let name = object.metadata.name.clone().unwrap_or_default();
        let key = Key::new(place.kind, &place.namespace, &name);
        let value = serde_json::to_value(object).expect("an object that was read as JSON is written as JSON");
        if ownership(&value, &key, id, &context.settings.installation) == Ownership::Ours {
            remove(context, &key).await?;
        }
    }
    Ok(())
}

async fn remove(context: &Context, key: &Key) -> Result<(), kube::Error> {
    match key
        .api(&context.client)
        .delete(&key.name, &DeleteParams::background())
        .await
    {
        Ok(_) => {
            tracing::info!(object = %key, "deleted an object");
            context.metrics.wrote(key);
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}
