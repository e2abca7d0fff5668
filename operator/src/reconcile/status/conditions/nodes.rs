//! Who trusts the registry.

use super::{Facts, Told, no, yes};
use crate::nodes::{Silence, Tally};
use crate::reconcile::validate::{Finding, some_of as some_names};
use roadstead_api::registry::ConditionStatus;

/// Of many reasons a few are enough to begin with.
const SHOWN: usize = 3;

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
    if validated.node_hosts.is_empty() || !facts.complete {
        return no("Pending", "there is nothing to bring to the nodes yet");
    }
    let Tally {
        desired,
        trusted,
        unsupported,
        ..
    } = tally;
    if *desired == 0 {
        return no("Pending", "no node has an agent yet");
    }
    let counts = counts(tally);
    let why = format!(
        "{}; see kubectl -n {} get nodetrusts,daemonsets,pods -o wide",
        some_of(tally, facts.causes.agents.as_deref()),
        facts.agent_namespace
    );
    if trusted + unsupported < *desired {
        no("Pending", format!("{counts}{why}"))
    } else if *unsupported > 0 {
        no(
            "UnsupportedNodes",
            format!("{counts}; {unsupported} need something done on them{why}"),
        )
    } else if tally.hosts.iter().any(|host| host.trusted < *desired) {
        no("HostnameNotTrusted", format!("{counts}{why}"))
    } else {
        yes("AllNodesTrust", format!("{counts}{}", without_agent(tally)))
    }
}

/// Every external name counts by itself: one that nodes cannot resolve takes nothing from the others.
fn counts(tally: &Tally) -> String {
    let Tally {
        desired,
        trusted,
        hosts,
        ..
    } = tally;
    let derived = hosts
        .iter()
        .filter(|host| !host.external)
        .map(|host| host.host.as_str());
    let derived: Vec<_> = derived.collect();
    let external = hosts.iter().filter(|host| host.external);
    let external = external.map(|host| format!("; {} of {desired} nodes trust {}", host.trusted, host.host));
    format!(
        "{trusted} of {desired} nodes trust {}{}",
        derived.join(", "),
        external.collect::<String>()
    )
}

fn without_agent(tally: &Tally) -> String {
    match tally.without_agent.is_empty() {
        true => String::new(),
        false => format!("; no agent can run on {}", some_names(&tally.without_agent)),
    }
}

/// What nodes say, and what is known of those that say nothing: the same words once, with the nodes that they hold for.
fn some_of(tally: &Tally, no_pods: Option<&str>) -> String {
    let said = tally.problems.iter().map(|problem| {
        (
            &problem.node,
            format!("{}: {}", problem.reason.as_str(), problem.message),
        )
    });
    let silent = tally.silent.iter().map(|silent| match (&silent.why, no_pods) {
        (why @ Silence::AgentMissing, Some(cause)) => (&silent.node, format!("{why}: {cause}")),
        (why, _) => (&silent.node, why.to_string()),
    });
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (node, why) in said.chain(silent) {
        match groups.iter_mut().find(|(known, _)| *known == why) {
            Some((_, nodes)) => nodes.push(node.clone()),
            None => groups.push((why, vec![node.clone()])),
        }
    }
    let told = groups
        .iter()
        .take(SHOWN)
        .map(|(why, nodes)| format!("; {}: {why}", some_names(nodes)));
    let more = match groups.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("; and {more} more reasons"),
    };
    told.chain([more, without_agent(tally)]).collect()
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
