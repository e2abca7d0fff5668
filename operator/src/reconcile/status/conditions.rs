//! The conditions of a Registry, as a plain function of what is known.
//!
//! - this file: all of them, and what findings make of them
//! - `ready`: whether pods serve; `storage`: whether there is a volume that takes images; `nodes`: who trusts it

mod nodes;
mod ready;
mod storage;
#[cfg(test)]
mod tests;

use super::Facts;
use crate::reconcile::live::Kind;
use crate::reconcile::validate::Finding;
use k8s_openapi::api::core::v1::Secret;
use roadstead_api::registry::{ConditionStatus, ConditionType};
use roadstead_pki::certificate::parse_certificates;

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
                ConditionType::Ready => ready::ready(facts),
                ConditionType::Reconciled => reconciled(facts),
                ConditionType::CertificateValid => certificate(facts),
                ConditionType::StorageReady => storage::storage(facts),
                ConditionType::AuthReady => auth(facts),
                ConditionType::NodesTrusted => nodes::nodes(facts),
            };
            let findings = &facts.validated.findings;
            let concerning = findings.iter().filter(|finding| finding.condition == kind);
            let (status, reason, message) = match kind {
                // What is refused to one name says nothing of the others.
                ConditionType::NodesTrusted => nodes::with_findings(usual, concerning),
                _ => with_findings(usual, concerning),
            };
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

/// Whether the cluster has what the spec asks for, whatever comes of it.
fn reconciled(facts: &Facts<'_>) -> Told {
    if facts.paused {
        return (
            ConditionStatus::Unknown,
            "Paused",
            "spec.paused is true: the operator changes nothing, not even a certificate that has to be renewed".to_owned(),
        );
    }
    let Some(first) = facts.refused.first() else {
        return match facts.complete {
            true => yes(
                "UpToDate",
                "every object of this Registry is as the spec asks for it",
            ),
            false => no("Progressing", "the objects of this Registry are being made"),
        };
    };
    let messages: Vec<_> = facts.refused.iter().map(ToString::to_string).collect();
    let of_claim = first.key.kind == Kind::PersistentVolumeClaim && facts.refused.len() == 1;
    no(
        if of_claim {
            storage::refusal(facts)
        } else {
            "ApplyFailed"
        },
        format!("{}; everything else goes on", messages.join("; ")),
    )
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

fn auth(facts: &Facts<'_>) -> Told {
    let message = match facts.validated.users.people.len() {
        0 => "the two users that the operator makes may log in".to_owned(),
        1 => "1 user of yours and the two that the operator makes may log in".to_owned(),
        people => format!("{people} users of yours and the two that the operator makes may log in"),
    };
    yes("UsersReady", message)
}
