//! Why pods do not run: refused before there were any, or in the words of scheduler and kubelet.

use super::events::newest_warning;
use crate::context::Context;
use crate::names::RegistryId;
use crate::reconcile::validate::Validated;
use crate::stores::ADMIN_PORT;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodSpec};
use kube::api::ObjectMeta;
use std::net::SocketAddr;

/// The first reason that there is.
pub(super) async fn why_not_ready(
    context: &Context,
    validated: &Validated,
    deployment: &Deployment,
    pods: &[Pod],
) -> Result<Option<String>, kube::Error> {
    let status = deployment.status.clone().unwrap_or_default();
    let enough = status.ready_replicas.unwrap_or_default() >= validated.replicas
        && status.updated_replicas.unwrap_or_default() >= validated.replicas;
    if enough {
        return Ok(pods.iter().find_map(ended));
    }
    if let Some(why) = not_created(&validated.id, deployment) {
        return Ok(Some(why));
    }
    for pod in pods.iter().filter(|pod| !is_ready(pod)) {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        if let Some(node) = node.filter(|node| context.nodes.is_not_ready(node)) {
            return Ok(Some(about(pod, &format!("its node {node} is not ready"))));
        }
        if let Some(why) = complaint(pod) {
            return Ok(Some(about(pod, &why)));
        }
        let namespace = &validated.id.namespace;
        if let Some(why) = newest_warning(context, namespace, pod.metadata.uid.as_ref()).await? {
            return Ok(Some(about(pod, &why)));
        }
    }
    Ok(None)
}

/// What is asked about a pod. Of the rest, people decide how much it is.
pub(super) fn stripped(pod: Pod) -> Pod {
    let metadata = ObjectMeta {
        name: pod.metadata.name,
        uid: pod.metadata.uid,
        owner_references: pod.metadata.owner_references,
        ..ObjectMeta::default()
    };
    let spec = pod.spec.map(|spec| PodSpec {
        node_name: spec.node_name,
        host_network: spec.host_network,
        ..PodSpec::default()
    });
    Pod {
        metadata,
        spec,
        status: pod.status,
    }
}

/// Where pods that serve say whether they can write. Only those of our Deployment: whoever may make pods may label them.
pub(super) fn addresses(pods: &[Pod]) -> Vec<SocketAddr> {
    let mut addresses: Vec<_> = pods
        .iter()
        .filter(|pod| is_ready(pod) && is_of_deployment(pod))
        .filter_map(|pod| pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok())
        .map(|address| SocketAddr::new(address, ADMIN_PORT))
        .collect();
    addresses.sort();
    addresses
}

fn is_of_deployment(pod: &Pod) -> bool {
    let owners = pod.metadata.owner_references.iter().flatten();
    let on_host = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.host_network)
        .unwrap_or_default();
    !on_host
        && owners
            .into_iter()
            .any(|owner| owner.kind == "ReplicaSet" && owner.controller == Some(true))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let mut conditions = conditions.into_iter();
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Quota, limits, Pod Security, a policy or a webhook keep a pod from being made at all: only the Deployment tells.
fn not_created(id: &RegistryId, deployment: &Deployment) -> Option<String> {
    let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
    let refused = conditions
        .iter()
        .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")?;
    let message = refused.message.as_deref().unwrap_or("pods cannot be made");
    let RegistryId { namespace, .. } = id;
    let advice = if message.contains("quota")
        || message.contains("per Container")
        || message.contains("per Pod")
    {
        format!(
            "set spec.pod.resources so that it fits, or have the limit changed: kubectl -n {namespace} describe quota,limitrange"
        )
    } else {
        format!(
            "kubectl -n {namespace} describe replicaset -l {}",
            id.pod_selector()
        )
    };
    Some(format!("{message}; {advice}"))
}

fn about(pod: &Pod, why: &str) -> String {
    format!("pod {}: {why}", pod.metadata.name.as_deref().unwrap_or_default())
}

fn complaint(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() == Some("Failed") {
        let reason = status.reason.as_deref().unwrap_or("Failed");
        return Some(told(reason, status.message.as_deref()));
    }
    let mut containers = status.container_statuses.iter().flatten();
    let of_container = containers.find_map(of_container);
    let unscheduled = status.conditions.iter().flatten().find_map(|condition| {
        let refused = condition.type_ == "PodScheduled" && condition.status == "False";
        let reason = condition.reason.as_deref().filter(|_| refused)?;
        Some(told(reason, condition.message.as_deref()))
    });
    of_container.or(unscheduled)
}

/// Why the container waits, and how it ended last.
fn of_container(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    let waiting = state.waiting.as_ref().and_then(|waiting| {
        let reason = waiting.reason.as_deref()?;
        // Not ready within a second is no complaint.
        (reason != "ContainerCreating" && reason != "PodInitializing")
            .then(|| told(reason, waiting.message.as_deref()))
    });
    let last = container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    let ended = state.terminated.as_ref().or(last).and_then(ending);
    match (waiting, ended) {
        (Some(waiting), Some(ended)) => Some(format!("{waiting}; {ended}")),
        (waiting, ended) => waiting.or(ended),
    }
}

/// How a pod that serves again came to restart.
fn ended(pod: &Pod) -> Option<String> {
    let mut containers = pod.status.as_ref()?.container_statuses.iter().flatten();
    let why = containers.find_map(|container| ending(container.last_state.as_ref()?.terminated.as_ref()?))?;
    Some(about(pod, &why))
}

fn ending(terminated: &ContainerStateTerminated) -> Option<String> {
    if terminated.exit_code == 0 {
        return None;
    }
    let reason = terminated.reason.as_deref().unwrap_or("Error");
    let advice = match reason {
        "OOMKilled" => ": raise spec.pod.resources.limits.memory",
        _ => "",
    };
    let last_words = terminated
        .message
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty());
    let last_words = last_words.map(|text| format!(": {text}")).unwrap_or_default();
    Some(format!(
        "its container ended by {reason} (exit code {}){advice}{last_words}",
        terminated.exit_code
    ))
}

pub(super) fn told(reason: &str, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{reason}: {message}"),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(status: Value) -> Pod {
        let pod = json!({"metadata": {"name": "images-0"}, "status": status});
        serde_json::from_value(pod).expect("it is a pod")
    }

    fn with_container(state: Value, last: Value) -> Pod {
        pod(
            json!({"containerStatuses": [{"name": "registry", "image": "", "imageID": "", "ready": false,
            "restartCount": 1, "state": state, "lastState": last}]}),
        )
    }

    #[test]
    fn a_pod_says_why_it_waits_and_how_it_ended() {
        let ended = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}});
        let waits = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}});
        let oom = "its container ended by OOMKilled (exit code 137): raise spec.pod.resources.limits.memory";
        for (state, last, said) in [
            (
                waits.clone(),
                json!({}),
                Some("CrashLoopBackOff: back-off 10s".to_owned()),
            ),
            (
                waits,
                ended.clone(),
                Some(format!("CrashLoopBackOff: back-off 10s; {oom}")),
            ),
            (json!({"running": {}}), ended.clone(), Some(oom.to_owned())),
            (ended, json!({}), Some(oom.to_owned())),
            (
                json!({"waiting": {"reason": "ContainerCreating"}}),
                json!({}),
                None,
            ),
            (
                json!({"running": {}}),
                json!({"terminated": {"exitCode": 0}}),
                None,
            ),
        ] {
            assert_eq!(complaint(&with_container(state, last)), said);
        }
    }

    #[test]
    fn a_pod_that_was_evicted_or_finds_no_node_says_so() {
        let evicted = pod(json!({"phase": "Failed", "reason": "Evicted", "message": "low on disk"}));
        assert_eq!(complaint(&evicted).as_deref(), Some("Evicted: low on disk"));
        let unscheduled = pod(json!({"conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/2 nodes"}]}));
        assert_eq!(
            complaint(&unscheduled).as_deref(),
            Some("Unschedulable: 0/2 nodes")
        );
    }

    #[test]
    fn pods_that_could_not_be_made_are_explained_by_the_deployment() {
        let id = RegistryId {
            namespace: "registry".into(),
            name: "images".into(),
            uid: "u".into(),
        };
        let told = |message: &str| {
            let deployment = json!({"metadata": {}, "status": {"conditions": [
                {"type": "ReplicaFailure", "status": "True", "message": message}]}});
            let deployment = serde_json::from_value(deployment).expect("it is a Deployment");
            not_created(&id, &deployment).expect("it says why")
        };
        let quota = told("pods \"images-x\" is forbidden: failed quota: compute: must specify limits.cpu");
        assert!(
            quota.contains("failed quota: compute") && quota.contains("spec.pod.resources"),
            "{quota}"
        );
        let policy =
            told("pods \"images-x\" is forbidden: ValidatingAdmissionPolicy 'labels' denied request");
        assert!(
            policy.contains("kubectl -n registry describe replicaset -l"),
            "{policy}"
        );
    }

    #[test]
    fn only_pods_of_the_deployment_that_serve_are_asked() {
        let owned = json!([{"kind": "ReplicaSet", "controller": true, "name": "r", "uid": "u", "apiVersion": "apps/v1"}]);
        let make = |owners: &Value, host: bool, ready: &str| -> Pod {
            let pod = json!({"metadata": {"ownerReferences": owners}, "spec": {"containers": [], "hostNetwork": host},
                "status": {"podIP": "10.0.0.9", "conditions": [{"type": "Ready", "status": ready}]}});
            serde_json::from_value(pod).expect("it is a pod")
        };
        let pods = [
            make(&owned, false, "True"),
            make(&json!([]), false, "True"),
            make(&owned, true, "True"),
            make(&owned, false, "False"),
        ]
        .map(stripped);
        assert_eq!(addresses(&pods), [SocketAddr::from(([10, 0, 0, 9], ADMIN_PORT))]);
    }
}
