//! What goes with a Registry and no owner reference reaches: bundles and the CA, in other namespaces.
//!
//! It never waits for a node: a Registry, and the namespace that it is in, can always be deleted.

use super::live::{Key, Kind};
use super::observe::Keys;
use super::set_finalizers;
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
    remove_bundles(context, &id).await?;
    remove(context, &Keys::of(&id, &context.settings).authority).await?;
    let left = finalizers
        .into_iter()
        .filter(|finalizer| finalizer != FINALIZER)
        .collect();
    set_finalizers(context, registry, left).await?;
    tracing::info!(registry = %id, "let a Registry go");
    Ok(())
}

/// Asks the API server, not the cache: what is overlooked here stays on nodes for good.
async fn remove_bundles(context: &Context, id: &RegistryId) -> Result<(), kube::Error> {
    let agents = &context.settings.agent_namespace;
    let selector = format!(
        "{OURS},{REGISTRY_LABEL}={},{REGISTRY_NAMESPACE_LABEL}={}",
        id.name, id.namespace
    );
    let api = Key::new(Kind::TrustBundle, agents, "").api(&context.client);
    for bundle in api.list(&ListParams::default().labels(&selector)).await? {
        let installation = &bundle.data["spec"]["installation"];
        if *installation != *context.settings.installation {
            continue;
        }
        let name = bundle.metadata.name.unwrap_or_default();
        remove(context, &Key::new(Kind::TrustBundle, agents, &name)).await?;
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
