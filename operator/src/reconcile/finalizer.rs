//! The finalizer: a Registry stays until what it has in other namespaces is gone.

use crate::context::Context;
use crate::names::{FINALIZER, RegistryId};
use kube::api::{Api, Patch, PatchParams};
use roadstead_api::registry::Registry;
use serde_json::json;

/// The Registry, with the finalizer on it.
pub(super) async fn with_finalizer(context: &Context, registry: Registry) -> Result<Registry, kube::Error> {
    let mut finalizers = registry.metadata.finalizers.clone().unwrap_or_default();
    if finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(registry);
    }
    finalizers.push(FINALIZER.to_owned());
    set_finalizers(context, &registry, finalizers).await
}

/// The list is one value, so the version that it was read at goes along: nobody else's entry is lost.
pub(super) async fn set_finalizers(
    context: &Context,
    registry: &Registry,
    finalizers: Vec<String>,
) -> Result<Registry, kube::Error> {
    let id = RegistryId::of(registry);
    let api: Api<Registry> = Api::namespaced(context.client.clone(), &id.namespace);
    let patch = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": registry.metadata.resource_version,
        "uid": id.uid,
    }});
    api.patch(&id.name, &PatchParams::default(), &Patch::Merge(patch))
        .await
}
