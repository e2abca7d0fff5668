//! What the word of one node means for the hosts of one Registry. Pure.

use super::sets::Sets;
use super::tally::{HostContent, NodeProblem, NodeState};
use roadstead_api::trust::{NodeTrustSpec, Problem, ProblemReason, is_marked};

/// How one node stands to one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Trusted,
    /// The node carries the content, and something else is in the way, which another certificate may even mend.
    Carried,
    /// The node will not carry it until a person acts there: no use in waiting.
    Refused,
    /// No bundle will ever help as the node is set up.
    Unsupported,
    Behind,
}

/// One node and all the hosts.
#[derive(Debug)]
pub(super) struct Judgement {
    /// In the order of the hosts.
    pub(super) standings: Vec<Standing>,
    /// One for each reason.
    pub(super) problems: Vec<NodeProblem>,
}

pub(super) fn judge(node: &NodeState<'_>, hosts: &[HostContent], sets: &Sets) -> Judgement {
    let mut judgement = Judgement {
        standings: vec![Standing::Behind; hosts.len()],
        problems: Vec::new(),
    };
    // A word of an earlier machine under this name says nothing.
    let Some(trust) = node.trust.filter(|trust| trust.node_uid == node.uid) else {
        return judgement;
    };
    let view = sets.view(&trust.set);
    for (host, standing) in hosts.iter().zip(&mut judgement.standings) {
        let carries = view
            .as_ref()
            .is_some_and(|view| view.has(&host.host, &host.content));
        let marked = || {
            let place = view.as_ref()?.place(&host.host);
            trust
                .further
                .iter()
                .find(|further| is_marked(&further.hosts, place))
        };
        let told = told(trust, &host.host).map(|problem| (problem.reason, problem.message.as_str()));
        let told = told.or_else(|| {
            marked()
                .filter(|_| carries)
                .map(|further| (further.reason, "the log of the agent on this node says more"))
        });
        *standing = match told {
            None if carries => Standing::Trusted,
            None => Standing::Behind,
            Some((reason, _)) => standing_of(reason, carries),
        };
        if let Some((reason, message)) = told {
            add(&mut judgement.problems, node.name, &host.host, reason, message);
        }
    }
    judgement
}

/// The gravest problem of the node with this host: a node that cannot be helped is not one that is merely late.
fn told<'a>(trust: &'a NodeTrustSpec, host: &str) -> Option<&'a Problem> {
    let concerning = trust
        .problems
        .iter()
        .filter(|problem| problem.host.is_empty() || problem.host == host)
        // Of agents before `further`: it stood for hosts that it did not name, which must not suffer from others'.
        .filter(|problem| problem.reason != ProblemReason::TooManyProblems);
    concerning.min_by_key(|problem| match standing_of(problem.reason, true) {
        Standing::Unsupported => 0,
        Standing::Refused => 1,
        Standing::Behind => 2,
        Standing::Carried | Standing::Trusted => 3,
    })
}

fn standing_of(reason: ProblemReason, carries: bool) -> Standing {
    match reason {
        ProblemReason::UnsupportedRuntime | ProblemReason::ConfigPathUnset | ProblemReason::ConfigNotRead => {
            Standing::Unsupported
        }
        ProblemReason::ForeignFile | ProblemReason::InstallationConflict => Standing::Refused,
        // Not proved yet is not acknowledged: the proof comes within seconds or becomes another reason.
        ProblemReason::Unproved | ProblemReason::WriteFailed | ProblemReason::Unknown => Standing::Behind,
        ProblemReason::CertificateRejected
        | ProblemReason::NameNotResolved
        | ProblemReason::ConnectionFailed
        | ProblemReason::ProxyAnswered
        | ProblemReason::NotTls
        | ProblemReason::TooManyProblems
        | ProblemReason::InsecureOverride => match carries {
            true => Standing::Carried,
            false => Standing::Behind,
        },
    }
}

fn add(problems: &mut Vec<NodeProblem>, node: &str, host: &str, reason: ProblemReason, message: &str) {
    match problems.iter_mut().find(|problem| problem.reason == reason) {
        Some(known) => known.hosts.push(host.to_owned()),
        None => problems.push(NodeProblem {
            node: node.to_owned(),
            hosts: vec![host.to_owned()],
            reason,
            message: message.to_owned(),
        }),
    }
}
