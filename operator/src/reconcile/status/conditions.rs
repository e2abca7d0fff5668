//! The five conditions of a Registry, as a plain function of what is known.

use super::Facts;
use crate::nodes::Tally;
use crate::reconcile::validate::{Finding, Storage};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use roadstead_api::registry::{ConditionStatus, ConditionType};
use roadstead_pki::certificate::parse_certificates;
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// One condition, before it is known since when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub kind: ConditionType,
    pub status: ConditionStatus,
    pub reason: &'static str,
    pub message: String,
}

type Told = (ConditionStatus, &'static str, String);

/// All conditions, in the order of [`ConditionType::ALL`].
pub fn conditions(facts: &Facts<'_>) -> Vec<Condition> {
    ConditionType::ALL
        .into_iter()
        .map(|kind| {
            let usual = match kind {
                ConditionType::Ready => ready(facts),
                ConditionType::CertificateValid => certificate(facts),
                ConditionType::StorageReady => storage(facts),
                ConditionType::AuthReady => auth(facts),
                ConditionType::NodesTrusted => nodes(facts),
            };
            let findings = &facts.validated.findings;
            let concerning = findings.iter().filter(|finding| finding.condition == kind);
            let (status, reason, message) = with_findings(usual, concerning);
            Condition {
                kind,
                status,
                reason,
                message,
            }
        })
        .collect()
}

/// A failure found in what people gave outweighs what runs; a note is told only where nothing is wrong.
fn with_findings<'a>(usual: Told, findings: impl Iterator<Item = &'a Finding>) -> Told {
    let mut findings: Vec<_> = findings.collect();
    findings.sort_by_key(|finding| finding.status != ConditionStatus::False);
    let Some(first) = findings.first() else {
        return usual;
    };
    let is_note = first.status == ConditionStatus::True;
    if is_note && usual.0 != ConditionStatus::True {
        return usual;
    }
    let mut messages: Vec<_> = findings
        .iter()
        .filter(|finding| finding.status == first.status)
        .map(|finding| finding.message.clone())
        .collect();
    if is_note {
        messages.insert(0, usual.2);
    }
    (first.status, first.reason, messages.join("; "))
}

fn yes(reason: &'static str, message: impl Into<String>) -> Told {
    (ConditionStatus::True, reason, message.into())
}

fn no(reason: &'static str, message: impl Into<String>) -> Told {
    (ConditionStatus::False, reason, message.into())
}

fn ready(facts: &Facts<'_>) -> Told {
    let deployment: Option<Deployment> = facts.live.get(&facts.validated.keys.deployment);
    let Some(deployment) = deployment.filter(|_| facts.complete) else {
        return no("Progressing", "the objects of this Registry are being made");
    };
    let status = deployment.status.unwrap_or_default();
    let wanted = facts.validated.replicas;
    if wanted == 0 {
        return no("ScaledToZero", "spec.replicas is 0: nothing serves");
    }
    if status.observed_generation < deployment.metadata.generation {
        return no("Progressing", "the Deployment has not been taken up yet");
    }
    let conditions: BTreeMap<_, _> = status
        .conditions
        .iter()
        .flatten()
        .map(|condition| (condition.type_.as_str(), condition))
        .collect();
    let stuck = conditions
        .get("Progressing")
        .filter(|condition| condition.status == "False")
        .and_then(|condition| condition.message.clone());
    let why = facts.pods.map(str::to_owned).or(stuck);
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let serving = status.ready_replicas.unwrap_or_default();
    let available = conditions
        .get("Available")
        .is_some_and(|condition| condition.status == "True");
    if !available || serving == 0 {
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
    yes("Serving", format!("{serving} of {wanted} pods serve"))
}

fn certificate(facts: &Facts<'_>) -> Told {
    let secret: Option<Secret> = facts.live.get(&facts.validated.keys.internal_tls);
    let leaf = secret
        .and_then(|secret| parse_certificates(&secret.data?.get("tls.crt")?.0).ok())
        .map(|mut chain| chain.swap_remove(0));
    match leaf {
        None => no("Issuing", "the first certificate is being issued"),
        Some(leaf) if leaf.not_after() < facts.now => no(
            "Expired",
            format!("the internal certificate ended at {}", leaf.not_after()),
        ),
        Some(_) => yes("Valid", "every certificate is valid"),
    }
}

fn storage(facts: &Facts<'_>) -> Told {
    let own: Option<PersistentVolumeClaim>;
    let claim = match &facts.validated.storage {
        Storage::EmptyDir { .. } => return yes("Ephemeral", "images go with the pod (storage.emptyDir)"),
        Storage::Own(_) => {
            own = facts.live.get(&facts.validated.keys.data);
            own.as_ref()
        }
        Storage::Existing { .. } => facts.claim,
    };
    let Some(claim) = claim else {
        return no("ClaimPending", "the volume claim is being made");
    };
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    match phase {
        Some("Bound") => yes("Bound", format!("volume claim {name} has its volume")),
        Some("Lost") => no(
            "ClaimLost",
            format!("volume claim {name} lost its volume: restore it, or delete the claim to start empty"),
        ),
        _ => no(
            "ClaimPending",
            format!("volume claim {name} has no volume yet: see kubectl describe pvc {name}"),
        ),
    }
}

fn auth(facts: &Facts<'_>) -> Told {
    let message = match facts.validated.users.people.len() {
        0 => "the two users that the operator makes may log in".to_owned(),
        1 => "1 user of yours and the two that the operator makes may log in".to_owned(),
        people => format!("{people} users of yours and the two that the operator makes may log in"),
    };
    yes("UsersReady", message)
}

fn nodes(facts: &Facts<'_>) -> Told {
    let validated = facts.validated;
    if !validated.node_trust {
        return no(
            "NodeTrustDisabled",
            "spec.nodeTrust.enabled is false: pods on nodes cannot pull from here",
        );
    }
    let Some(tally) = facts.tally else {
        return no(
            "AgentNotFound",
            "the DaemonSet of the node agents is not there: is Roadstead installed completely?",
        );
    };
    let hosts: Vec<_> = validated
        .node_hosts
        .iter()
        .map(|on| on.host.to_string())
        .collect();
    if hosts.is_empty() || !facts.complete {
        return no("Pending", "there is nothing to bring to the nodes yet");
    }
    let hosts = hosts.join(", ");
    let Tally {
        desired,
        trusted,
        unsupported,
        problems,
        behind: _,
    } = tally;
    if *desired == 0 {
        no("Pending", "no node has an agent yet")
    } else if trusted >= desired {
        yes(
            "AllNodesTrust",
            format!("{trusted} of {desired} nodes trust {hosts}"),
        )
    } else if trusted + unsupported >= *desired {
        let told = some_of(problems);
        no(
            "UnsupportedNodes",
            format!("{unsupported} of {desired} nodes need something done on them{told}"),
        )
    } else {
        let told = some_of(problems);
        no(
            "Pending",
            format!("{trusted} of {desired} nodes trust {hosts}{told}"),
        )
    }
}

fn some_of(problems: &[crate::nodes::NodeProblem]) -> String {
    let told = problems.iter().take(3).map(|problem| {
        let crate::nodes::NodeProblem {
            node,
            reason,
            message,
        } = problem;
        format!("; {node}: {}: {message}", reason.as_str())
    });
    told.collect()
}
