//! Apply: make the cluster's objects what was built, and write nothing that is so already.
//!
//! Server-side apply under one field manager. An apply that changes nothing is still a write, with an audit entry
//! and a round through etcd, so what is there is compared first.

mod compare;

use super::build::{Desired, How, Plan};
use super::hash::{hash, short_hash};
use super::live::{Key, Kind, Live};
use crate::context::Context;
use crate::names::{APPLIED_HASH, FIELD_MANAGER, RegistryId};
use compare::needs_write;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use serde_json::{Value, json};
use std::time::Duration;

/// What was done.
#[derive(Debug, Default)]
pub struct Applied {
    /// Objects that were written or deleted.
    pub writes: Vec<Key>,
    /// What the API server would not have. Everything else was written all the same.
    pub refused: Vec<ApplyError>,
}

/// A write that the API server did not do.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {key}: {}", super::plain::plain(source))]
pub struct ApplyError {
    pub key: Key,
    pub source: kube::Error,
}

impl ApplyError {
    /// Whether the API server judged this one object. Otherwise it could not be asked, or has too much to do, and the
    /// next write would fare no better.
    fn concerns_the_object(&self) -> bool {
        match &self.source {
            kube::Error::Api(status) => !matches!(status.code, 401 | 429 | 502..=504),
            _ => false,
        }
    }
}

/// The kubelet learns of a Secret and of a pod by two watches: the Secret goes first by this much.
const HEAD_START: Duration = Duration::from_millis(500);
/// Others may put a Registry's labels on pods of theirs.
const MOST_PODS: u32 = 64;
/// Annotation of pods that makes the kubelet look at what they have mounted at once, not within two minutes.
const MOUNTED: &str = "roadstead.dev/mounted";

/// Carries out a plan; `live` follows what is written.
pub async fn apply(
    context: &Context,
    id: &RegistryId,
    live: &mut Live,
    plan: Plan,
) -> Result<Applied, ApplyError> {
    let mut applied = Applied::default();
    // Also a Secret that is new: pods mount the people's certificate before there is one.
    let running = live.iter().any(|(key, _)| key.kind == Kind::Deployment);
    let mut replaced = Vec::new();
    for desired in plan.desired {
        if desired.after_trust && applied.refused.iter().any(carries_trust) {
            continue;
        }
        let (key, mounted) = (desired.key.clone(), desired.mounted);
        let content = short_hash(&desired.object);
        if applied.note(key, write(context, live, desired).await)? && mounted && running {
            replaced.push(content);
        }
    }
    for key in plan.absent {
        if key.kind == Kind::Secret && running && live.contains(&key) {
            replaced.push(key.name.clone());
        }
        let outcome = delete(context, live, &key).await;
        applied.note(key, outcome)?;
    }
    if !replaced.is_empty() {
        refresh(context, id, &replaced).await;
    }
    Ok(applied)
}

impl Applied {
    /// Whether anything was written.
    fn note(&mut self, key: Key, outcome: Result<bool, ApplyError>) -> Result<bool, ApplyError> {
        match outcome {
            Ok(true) => self.writes.push(key),
            Ok(false) => return Ok(false),
            Err(error) if error.concerns_the_object() => {
                tracing::warn!(object = %key, %error, "the API server refuses an object");
                self.refused.push(error);
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

/// A CA that did not reach those who are to trust it.
fn carries_trust(refused: &ApplyError) -> bool {
    matches!(refused.key.kind, Kind::ConfigMap | Kind::TrustBundle)
}

/// Whether anything was written.
async fn write(context: &Context, live: &mut Live, desired: Desired) -> Result<bool, ApplyError> {
    let Desired {
        key,
        mut object,
        how,
        mounted: _,
        after_trust: _,
    } = desired;
    let content = hash(&object);
    if how == How::Create && live.contains(&key) {
        return Ok(false);
    }
    object["metadata"]["annotations"][APPLIED_HASH] = json!(content);
    if !needs_write(live.value(&key), &object) {
        return Ok(false);
    }
    let fail = |source| ApplyError {
        key: key.clone(),
        source,
    };
    let answer = match how {
        How::Apply => server_side_apply(context, &key, object).await.map_err(fail)?,
        How::Create => match create(context, &key, object).await.map_err(fail)? {
            Some(answer) => answer,
            // Another one was faster: what it made is read in the next round.
            None => return Ok(true),
        },
    };
    tracing::info!(object = %key, "wrote an object");
    context.metrics.wrote(key.kind);
    live.put(key, answer);
    Ok(true)
}

async fn server_side_apply(
    context: &Context,
    key: &Key,
    mut object: Value,
) -> Result<DynamicObject, kube::Error> {
    let api = key.api(&context.client);
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let first = api.patch(&key.name, &parameters, &Patch::Apply(&object)).await;
    match first {
        Err(kube::Error::Api(status))
            if key.kind == Kind::Service && status.code == 422 && takes_address(&object) =>
        {
            // The address that it had before belongs to somebody else by now.
            tracing::warn!(object = %key, reason = %status.message, "the Service cannot have its address back");
            let spec = object["spec"]
                .as_object_mut()
                .expect("a Service that was built has a spec");
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
            api.patch(&key.name, &parameters, &Patch::Apply(&object)).await
        }
        other => other,
    }
}

fn takes_address(object: &Value) -> bool {
    object["spec"]["clusterIP"].is_string()
}

async fn create(context: &Context, key: &Key, object: Value) -> Result<Option<DynamicObject>, kube::Error> {
    let object: DynamicObject = serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
    let parameters = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    match key.api(&context.client).create(&parameters, &object).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
        other => other.map(Some),
    }
}

async fn delete(context: &Context, live: &mut Live, key: &Key) -> Result<bool, ApplyError> {
    let Some(object) = live.value(key) else {
        return Ok(false);
    };
    let parameters = DeleteParams::background().preconditions(Preconditions {
        // What was judged to be ours, and nothing that took its place meanwhile.
        uid: object["metadata"]["uid"].as_str().map(str::to_owned),
        resource_version: None,
    });
    match key.api(&context.client).delete(&key.name, &parameters).await {
        Ok(_) => {
            tracing::info!(object = %key, "deleted an object");
            context.metrics.wrote(key.kind);
            live.remove(key);
            Ok(true)
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            live.remove(key);
            Ok(false)
        }
        Err(source) => Err(ApplyError {
            key: key.clone(),
            source,
        }),
    }
}

/// Without this the pods see the change all the same, only later; so a failure here is no failure.
async fn refresh(context: &Context, id: &RegistryId, replaced: &[String]) {
    tokio::time::sleep(HEAD_START).await;
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &id.namespace);
    let selector = ListParams::default().labels(&id.pod_selector()).limit(MOST_PODS);
    let found = match pods.list_metadata(&selector).await {
        Ok(found) => found.items,
        Err(error) => {
            tracing::warn!(registry = %id, %error, "cannot list pods; they read the changed Secrets within two minutes");
            return;
        }
    };
    let patch = json!({"metadata": {"annotations": {MOUNTED: short_hash(&replaced)}}});
    for name in found.into_iter().filter_map(|pod| pod.metadata.name) {
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        if let Err(error) = pods
            .patch_metadata(&name, &parameters, &Patch::Merge(&patch))
            .await
        {
            tracing::warn!(registry = %id, pod = name, %error, "cannot hurry a pod; it reads the changed Secrets within two minutes");
        }
    }
}
