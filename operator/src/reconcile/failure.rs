//! What people are told when a round fails. Whatever stopped it, nothing stays True that was not seen in this round.

use super::bounded;
use super::error::Error;
use super::namespace;
use super::plain::plain;
use super::read::read;
use super::status::{failed, write};
use crate::context::Context;
use crate::lean;
use crate::names::RegistryId;
use kube::Resource as _;
use kube::api::ObjectMeta;
use roadstead_api::registry::{ConditionStatus, Registry, RegistrySpec};
use serde::Deserialize;
use serde_json::{Value, json};
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
        let registry = match read(context, namespace, name).await {
            Ok(registry) => registry,
            Err(_) => without_spec(context, namespace, name).await?,
        };
        let Some(registry) = registry else {
            return Ok(());
        };
        let (ready, reason) = (error.ready(), error.reason());
        let message = explained(context, error).await;
        put(context, &registry, ready, reason, message).await
    };
    report(timeout(PATIENCE, told).await, namespace, name);
}

/// What can be read of any Registry. Nothing looks at its spec.
async fn without_spec(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Option<Registry>, kube::Error> {
    #[derive(Deserialize)]
    struct Rest {
        #[serde(deserialize_with = "lean::metadata")]
        metadata: ObjectMeta,
        #[serde(default)]
        status: Value,
    }
    let url = Registry::url_path(&(), Some(namespace));
    let rest: Option<Rest> = bounded::part(&context.client, &url, name).await?;
    Ok(rest.map(|rest| Registry {
        metadata: rest.metadata,
        spec: empty_spec(),
        // Whatever an older version may have told.
        status: serde_json::from_value(rest.status).ok(),
    }))
}

/// A right that is missing may have gone with its namespace.
async fn explained(context: &Context, error: &Error) -> String {
    let agents = &context.settings.agent_namespace;
    match error.is_forbidden() && namespace::is_gone(context, agents).await {
        true => format!(
            "namespace {agents} of the node agents was deleted, run helm upgrade to make it again: {error}"
        ),
        false => error.to_string(),
    }
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
            tracing::warn!(%registry, error = plain(&error), "cannot tell in the status why a round failed");
        }
        Err(_) => tracing::warn!(%registry, "telling in the status why a round failed takes too long"),
    }
}
