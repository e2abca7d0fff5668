//! The people's certificate.
//!
//! Pods mount a copy that the operator wrote, so that a source that is missing or broken changes nothing. The copy
//! also carries the CA that came with it. A source whose CA the nodes do not know yet waits until they do; the CA
//! before it stays in the bundle for a while, for pods and clients that are slower.

use super::super::{Finding, some_of};
use crate::reconcile::observe::{Observed, Source};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use roadstead_api::registry::{ConditionStatus, ConditionType};
use roadstead_api::trust::MAX_CA;
use roadstead_pki::certificate::{Certificate, bundle};
use roadstead_pki::problem::Problem;
use roadstead_pki::server::ServerCertificate;

mod read;
#[cfg(test)]
mod tests;

/// How long the CA before stays trusted. The kubelet brings a changed Secret to a pod within two minutes.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// What nodes carry for one Registry, less the operator's own CAs.
const ROOM: usize = MAX_CA - 2048;
/// How often nodes that hold up a change are looked at again without a word from them.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// On the copy: until when the CA before stays trusted.
pub(in crate::reconcile) const PREVIOUS_UNTIL: &str = "roadstead.dev/previous-ca-until";
/// In the copy: the CA before.
pub(in crate::reconcile) const PREVIOUS_CA: &str = "previous-ca.crt";

/// What becomes of the copy of the people's certificate.
pub enum External {
    /// None is asked for.
    Remove,
    /// It stays as it is, or stays away.
    Keep,
    Serve(Box<Serving>),
}

/// What pods are to serve.
#[derive(Debug)]
pub struct Serving {
    pub certificate: ServerCertificate,
    pub ca: Vec<Certificate>,
    pub previous: Option<Previous>,
}

/// A CA that was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    pub ca: Vec<Certificate>,
    pub until: Timestamp,
}

pub(super) struct Outcome {
    pub(super) action: External,
    pub(super) trusted: Vec<Certificate>,
    pub(super) next_change: Option<Timestamp>,
}

/// `copy`: what pods serve now. `behind`: the live nodes that do not trust these CAs yet.
pub(super) fn external(
    observed: &Observed,
    copy: Option<Secret>,
    behind: &dyn Fn(&[Certificate]) -> Vec<String>,
    findings: &mut Vec<Finding>,
) -> Outcome {
    let Some(source) = &observed.tls_source else {
        return Outcome {
            action: External::Remove,
            trusted: Vec::new(),
            next_change: None,
        };
    };
    let now = observed.now;
    let current = copy.as_ref().and_then(|copy| read::copy(copy, now));
    let candidate = match read::read(source, &observed.id.namespace) {
        Ok(candidate) => candidate,
        Err((reason, message)) => {
            findings.push(failure(reason, message));
            return keep(current, now);
        }
    };
    let problems = problems(source, &candidate, observed);
    let refused = problems
        .iter()
        .any(|finding| finding.status == ConditionStatus::False);
    findings.extend(problems);
    if refused {
        return keep(current, now);
    }
    let (candidate, unrelated) = read::without_unrelated(candidate);
    if !unrelated.is_empty() {
        findings.push(Finding {
            condition: ConditionType::CertificateValid,
            status: ConditionStatus::True,
            reason: "UnrelatedCA",
            message: format!(
                "Secret {}, key ca.crt: these CAs do not vouch for tls.crt and are left out: {}",
                source.name,
                some_of(&unrelated)
            ),
        });
    }
    take_effect(source, candidate, current, now, behind, findings)
}

/// What is wrong with a certificate that can be read. Whatever some client would stumble over is refused: what runs
/// is better. A weak key or signature is for its owner to judge.
fn problems(source: &Source<Secret>, candidate: &Serving, observed: &Observed) -> Vec<Finding> {
    let name = &source.name;
    let mut findings: Vec<_> = candidate
        .certificate
        .findings(&candidate.ca, observed.now)
        .into_iter()
        .map(|problem| {
            let told = failure(problem.reason(), format!("Secret {name}: {problem}"));
            match problem {
                Problem::Weak { .. } => Finding {
                    status: ConditionStatus::True,
                    ..told
                },
                _ => told,
            }
        })
        .collect();
    let leaf = candidate.certificate.leaf();
    if let Some(host) = &observed.hosts.external
        && !leaf.covers(&host.name)
    {
        let names = leaf.names().join(", ");
        let message = format!(
            "Secret {name}: the certificate covers {names}, not spec.hostname {}: issue it for that name as well",
            host.name
        );
        findings.push(failure("HostnameNotCovered", message));
    }
    findings
}

fn failure(reason: &'static str, message: String) -> Finding {
    Finding::failure(ConditionType::CertificateValid, reason, message)
}

fn take_effect(
    source: &Source<Secret>,
    candidate: Serving,
    current: Option<Serving>,
    now: Timestamp,
    behind: &dyn Fn(&[Certificate]) -> Vec<String>,
    findings: &mut Vec<Finding>,
) -> Outcome {
    let known: Vec<Certificate> = current.iter().flat_map(Serving::trusted).cloned().collect();
    let mut both = known.clone();
    both.extend(candidate.ca.iter().filter(|ca| !known.contains(ca)).cloned());
    if bundle(&both).len() > ROOM {
        findings.push(failure(
            "TooLarge",
            format!(
                "Secret {}: its CA and those served until now are more than the {ROOM} bytes that every node carries for \
                 one Registry: leave only the root that vouches for tls.crt",
                source.name
            ),
        ));
        return keep(current, now);
    }
    if both.len() > known.len() {
        let behind = behind(&both);
        let forced = current.as_ref().is_some_and(|current| now > current.last_call());
        if !behind.is_empty() {
            findings.push(rotation(source, &behind, forced));
        }
        if !behind.is_empty() && !forced {
            return Outcome {
                action: External::Keep,
                trusted: both,
                next_change: now.checked_add(PATIENCE).ok(),
            };
        }
    }
    let serving = Serving {
        previous: previous(&candidate, current.as_ref(), now),
        ..candidate
    };
    let changes = [
        serving.previous.as_ref().map(|previous| previous.until),
        Some(serving.certificate.leaf().not_after()),
    ];
    Outcome {
        trusted: serving.trusted().cloned().collect(),
        next_change: changes.into_iter().flatten().filter(|at| *at > now).min(),
        action: External::Serve(Box::new(serving)),
    }
}

/// What is told while nodes are behind: they are waited for, or not any longer.
fn rotation(source: &Source<Secret>, behind: &[String], forced: bool) -> Finding {
    let (name, nodes) = (&source.name, some_of(behind));
    let (reason, message) = match forced {
        false => (
            "WaitingForNodes",
            format!("Secret {name} has a new CA; it is served when these nodes trust it: {nodes}"),
        ),
        true => (
            "RotationForced",
            format!(
                "Secret {name} is served although these nodes do not trust its CA yet, because the certificate before it nears its end: {nodes}"
            ),
        ),
    };
    Finding {
        condition: ConditionType::CertificateValid,
        status: ConditionStatus::True,
        reason,
        message,
    }
}

fn keep(current: Option<Serving>, now: Timestamp) -> Outcome {
    Outcome {
        action: External::Keep,
        next_change: current
            .as_ref()
            .map(|current| current.certificate.leaf().not_after())
            .filter(|end| *end > now),
        trusted: current.iter().flat_map(Serving::trusted).cloned().collect(),
    }
}

/// The CA before, while it still counts or when it is just being replaced.
fn previous(candidate: &Serving, current: Option<&Serving>, now: Timestamp) -> Option<Previous> {
    let current = current?;
    let lost: Vec<_> = current
        .ca
        .iter()
        .filter(|ca| !candidate.ca.contains(ca))
        .cloned()
        .collect();
    if lost.is_empty() {
        return current.previous.clone().filter(|previous| now < previous.until);
    }
    Some(Previous {
        ca: lost,
        // Whole seconds, as the annotation has it.
        until: Timestamp::from_second((now + OVERLAP).as_second()).unwrap_or(now),
    })
}

impl Serving {
    fn trusted(&self) -> impl Iterator<Item = &Certificate> {
        self.ca
            .iter()
            .chain(self.previous.iter().flat_map(|previous| &previous.ca))
    }

    /// After 80 % of its life nobody is waited for.
    fn last_call(&self) -> Timestamp {
        let leaf = self.certificate.leaf();
        leaf.not_before() + leaf.not_after().duration_since(leaf.not_before()) / 5 * 4
    }
}
