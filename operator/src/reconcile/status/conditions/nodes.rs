//! Who trusts the registry.

use super::{Facts, Told, no, yes};
use crate::nodes::Tally;
use crate::reconcile::validate::Finding;
use roadstead_api::registry::ConditionStatus;

pub(super) fn nodes(facts: &Facts<'_>) -> Told {
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
    if let Some(why) = &tally.unseen {
        let message = format!("which nodes trust it is not known: {why}");
        return (ConditionStatus::Unknown, "NodesUnseen", message);
    }
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
        hosts: _,
        without_agent,
        problems: _,
        silent: _,
        behind: _,
        unseen: _,
    } = tally;
    let told = some_of(tally);
    if *desired == 0 {
        no("Pending", "no node has an agent yet")
    } else if trusted >= desired {
        let beside = match without_agent.len() {
            0 => String::new(),
            _ => format!("; no agent can run on {}", without_agent.join(", ")),
        };
        yes(
            "AllNodesTrust",
            format!("{trusted} of {desired} nodes trust {hosts}{told}{beside}"),
        )
    } else if trusted + unsupported >= *desired {
        no(
            "UnsupportedNodes",
            format!("{unsupported} of {desired} nodes need something done on them{told}"),
        )
    } else {
        no(
            "Pending",
            format!("{trusted} of {desired} nodes trust {hosts}{told}"),
        )
    }
}

fn some_of(tally: &Tally) -> String {
    let problems = tally.problems.iter().map(|problem| {
        format!(
            "; {}: {}: {}",
            problem.node,
            problem.reason.as_str(),
            problem.message
        )
    });
    let silent = tally
        .silent
        .iter()
        .map(|silent| format!("; {}: {}", silent.node, silent.why));
    problems.chain(silent).take(3).collect()
}

/// What is refused to one name is told beside what is true of the others; the condition does not hold while anything is
/// refused, so that whoever waits for it does not wait for half of what was asked for.
pub(super) fn with_findings<'a>(usual: Told, findings: impl Iterator<Item = &'a Finding>) -> Told {
    let findings: Vec<_> = findings.collect();
    let Some(first) = findings.first() else {
        return usual;
    };
    let (status, reason, message) = usual;
    let told: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
    let message = format!("{message}; {}", told.join("; "));
    match status {
        ConditionStatus::True => (first.status, first.reason, message),
        _ => (status, reason, message),
    }
}
