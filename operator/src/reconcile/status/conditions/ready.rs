//! Whether pods serve, and why not.

use super::{Facts, Told, no, yes};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};

pub(super) fn ready(facts: &Facts<'_>) -> Told {
    let deployment: Option<Deployment> = facts.live.get(&facts.validated.keys.deployment);
    let Some(deployment) = deployment.filter(|_| facts.complete) else {
        return not_made(facts);
    };
    let status = deployment.status.unwrap_or_default();
    let wanted = facts.validated.replicas;
    if wanted == 0 {
        return no("ScaledToZero", "spec.replicas is 0: nothing serves");
    }
    if status.observed_generation < deployment.metadata.generation {
        return no("Progressing", "the Deployment has not been taken up yet");
    }
    let why = facts.causes.pods.clone().or_else(|| stuck(&status));
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let serving = status.ready_replicas.unwrap_or_default();
    if !holds(&status, "Available") || serving == 0 {
        return no(
            "PodsNotReady",
            format!("{serving} of {wanted} pods can serve{why}"),
        );
    }
    if status.updated_replicas.unwrap_or_default() < wanted {
        return yes(
            "RollingOut",
            format!("{serving} pods serve while a new version rolls out{why}"),
        );
    }
    if serving < wanted {
        return yes(
            "SomePodsNotReady",
            format!("{serving} of {wanted} pods serve{why}"),
        );
    }
    yes("Serving", format!("{serving} of {wanted} pods serve{why}"))
}

fn not_made(facts: &Facts<'_>) -> Told {
    match facts.refused.first() {
        Some(refused) => no("ApplyFailed", refused.to_string()),
        None => no("Progressing", "the objects of this Registry are being made"),
    }
}

/// What the Deployment itself says of a rollout that takes too long.
fn stuck(status: &DeploymentStatus) -> Option<String> {
    let condition = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "Progressing" && condition.status == "False")?;
    condition.message.clone()
}

fn holds(status: &DeploymentStatus, kind: &str) -> bool {
    status
        .conditions
        .iter()
        .flatten()
        .any(|condition| condition.type_ == kind && condition.status == "True")
}
