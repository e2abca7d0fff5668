//! Why pods do not run, in the words of the kubelet and the scheduler.

use super::live::Live;
use super::validate::Validated;
use crate::context::Context;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};

/// The first reason that some pod gives; asks only where a Deployment is short of pods.
pub(super) async fn why_not_ready(
    context: &Context,
    validated: &Validated,
    live: &Live,
) -> Result<Option<String>, kube::Error> {
    let deployment: Option<Deployment> = live.get(&validated.keys.deployment);
    let status = deployment
        .and_then(|deployment| deployment.status)
        .unwrap_or_default();
    let enough = status.ready_replicas.unwrap_or_default() >= validated.replicas
        && status.updated_replicas.unwrap_or_default() >= validated.replicas;
    if enough {
        return Ok(None);
    }
    let id = &validated.id;
    let labels: Vec<_> = id
        .pod_labels()
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &id.namespace);
    let mut pods = api
        .list(&ListParams::default().labels(&labels.join(",")))
        .await?
        .items;
    pods.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    Ok(pods.iter().find_map(complaint))
}

fn complaint(pod: &Pod) -> Option<String> {
    let name = pod.metadata.name.as_deref()?;
    let status = pod.status.as_ref()?;
    let waiting = status.container_statuses.iter().flatten().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        // Not ready within a second is no complaint.
        (reason != "ContainerCreating" && reason != "PodInitializing")
            .then(|| told(reason, waiting.message.as_deref()))
    });
    let unscheduled = status.conditions.iter().flatten().find_map(|condition| {
        let refused = condition.type_ == "PodScheduled" && condition.status == "False";
        let reason = condition.reason.as_deref().filter(|_| refused)?;
        Some(told(reason, condition.message.as_deref()))
    });
    waiting.or(unscheduled).map(|why| format!("pod {name}: {why}"))
}

fn told(reason: &str, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{reason}: {message}"),
        None => reason.to_owned(),
    }
}
