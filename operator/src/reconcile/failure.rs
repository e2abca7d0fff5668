//! What people are told when a round fails. Whatever stopped it, nothing stays True that was not seen in this round.

use super::Error;
use super::status::{failed, write};
use crate::context::Context;
use crate::names::RegistryId;
use kube::api::{Api, ApiResource, DynamicObject};
use roadstead_api::registry::{ConditionStatus, Registry, RegistrySpec};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

/// Telling goes to the API server that may not have answered the round.
const PATIENCE: Duration = Duration::from_secs(10);

/// Puts a failure into the Registry's conditions, if they can be written at all.
pub(super) async fn tell(context: &Context, namespace: &str, name: &str, error: &Error) {
    if error.is_lost_race() {
        return;
    }
    let told = async {
        let api: Api<Registry> = Api::namespaced(context.client.clone(), namespace);
        let registry = match api.get_opt(name).await {
            Ok(registry) => registry,
            // It cannot be read; perhaps it can be written.
            Err(_) => context.registry(namespace, name),
        };
        match registry {
            Some(registry) => {
                put(
                    context,
                    &registry,
                    error.ready(),
                    error.reason(),
                    error.to_string(),
                )
                .await
            }
            None => Ok(()),
        }
    };
    report(timeout(PATIENCE, told).await, namespace, name);
}

/// Tells of a Registry that is not one by the types of this version.
pub async fn tell_unreadable(context: &Context, namespace: &str, name: &str, problem: &str) {
    let told = async {
        let resource = ApiResource::erase::<Registry>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, &resource);
        let Some(object) = api.get_opt(name).await? else {
            return Ok(());
        };
        // Its status is told by means of a Registry of its name: nothing looks at the spec.
        let mut registry = Registry::new(name, empty_spec());
        registry.status = serde_json::from_value(object.data["status"].clone()).ok();
        registry.metadata = object.metadata;
        let message = format!(
            "this Registry cannot be read: {problem}; are the definitions (CRDs) of the operator's version installed?"
        );
        put(
            context,
            &registry,
            ConditionStatus::Unknown,
            "Unreadable",
            message,
        )
        .await
    };
    report(timeout(PATIENCE, told).await, namespace, name);
}

async fn put(
    context: &Context,
    registry: &Registry,
    ready: ConditionStatus,
    reason: &'static str,
    message: String,
) -> Result<(), kube::Error> {
    let status = failed(registry, ready, reason, message, context.now());
    write(context, registry, status).await.map(drop)
}

fn empty_spec() -> RegistrySpec {
    serde_json::from_value(json!({"storage": {}})).expect("everything else has a default")
}

fn report<E>(outcome: Result<Result<(), kube::Error>, E>, namespace: &str, name: &str) {
    let registry = RegistryId {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: String::new(),
    };
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%registry, error = super::plain(&error), "cannot tell in the status why a round failed");
        }
        Err(_) => tracing::warn!(%registry, "telling in the status why a round failed takes too long"),
    }
}
