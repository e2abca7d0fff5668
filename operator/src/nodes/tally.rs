//! How many nodes trust each host of one Registry, and what stands in the way of the others.

use super::agents::Agent;
use super::judge::{Judgement, Standing, judge};
use super::sets::Sets;
use jiff::{SignedDuration, Timestamp};
use roadstead_api::trust::{NodeTrustSpec, ProblemReason};
use std::fmt;

/// A node that has not been ready for this long is gone as far as a change of certificates is concerned.
pub(super) const GONE_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// A host and what nodes have to carry for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostContent {
    pub host: String,
    pub content: String,
    /// Nodes dial it by its own name, which they may not be able to resolve.
    pub external: bool,
}

/// One node as it stands.
#[derive(Debug, Clone)]
pub(super) struct NodeState<'a> {
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
    /// Since when it has not been ready; `None`: it is ready.
    pub(super) not_ready_since: Option<Timestamp>,
    pub(super) leaving: bool,
    pub(super) agent: Agent,
    /// Its agent has been gone for so long that what it proved does not count any more.
    pub(super) lapsed: bool,
    pub(super) trust: Option<&'a NodeTrustSpec>,
}

/// What stands between one node and some hosts, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeProblem {
    pub node: String,
    /// The hosts of this Registry that it concerns.
    pub hosts: Vec<String>,
    pub reason: ProblemReason,
    pub message: String,
}

/// A node that does not trust and does not say why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentNode {
    pub node: String,
    pub why: Silence,
}

/// Why a node says nothing, as far as the cluster knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    NotReady,
    /// Its agent's pod does not run.
    AgentNotRunning {
        pod: String,
        why: String,
    },
    /// The DaemonSet wants an agent there, and there is no pod.
    AgentMissing,
    /// Its agent runs and has not acknowledged this content yet.
    NotYet,
}

/// How many nodes trust one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostTally {
    pub host: String,
    pub external: bool,
    pub trusted: i32,
}

/// How many nodes trust the hosts of one Registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// The nodes that have an agent or are to have one.
    pub desired: i32,
    /// The nodes that trust every name by which the cluster reaches the Registry; external names count apart.
    pub trusted: i32,
    /// Of `desired`: the nodes that trust nothing as they are set up.
    pub unsupported: i32,
    /// In the order in which they were asked for.
    pub hosts: Vec<HostTally>,
    /// The nodes beside `desired`: no agent is planned there, so they never trust anything.
    pub without_agent: Vec<String>,
    /// By node: what those that do not trust every host say, one for each reason.
    pub problems: Vec<NodeProblem>,
    /// Nodes of `desired` that do not trust every host and do not say why.
    pub silent: Vec<SilentNode>,
    /// Live nodes that do not carry the content yet, and hold up a change of certificates until they do.
    pub behind: Vec<String>,
    /// Why all of this may not be how the nodes are now.
    pub unseen: Option<String>,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("the node is NotReady"),
            Self::AgentNotRunning { pod, why } => write!(f, "its agent's pod {pod} does not run ({why})"),
            Self::AgentMissing => f.write_str("its agent's pod cannot be created"),
            Self::NotYet => f.write_str("its agent has not acknowledged yet"),
        }
    }
}

/// `planned`: on how many nodes an agent is to run, as the DaemonSet says.
pub(super) fn tally(
    nodes: &[NodeState<'_>],
    planned: i32,
    hosts: &[HostContent],
    sets: &Sets,
    now: Timestamp,
) -> Tally {
    let with_pod = nodes.iter().filter(|node| node.agent != Agent::Absent).count();
    let with_pod = i32::try_from(with_pod).unwrap_or(i32::MAX);
    // Which of the nodes without a pod the DaemonSet means is not said; while any is missing, all of them may be.
    let is_missing = planned > with_pod;
    let mut tally = Tally {
        desired: planned.max(with_pod),
        hosts: hosts.iter().map(HostTally::none).collect(),
        ..Tally::default()
    };
    for node in nodes {
        if node.agent == Agent::Absent && !is_missing {
            tally.without_agent.push(node.name.to_owned());
            continue;
        }
        tally.count(node, judge(node, hosts, sets), hosts, now);
    }
    // A node that has just lost its place in the plan may still stand there with its last word.
    tally.trusted = tally.trusted.min(tally.desired);
    for host in &mut tally.hosts {
        host.trusted = host.trusted.min(tally.desired);
    }
    tally
}

impl Tally {
    /// Whether the DaemonSet wants pods that are not there.
    pub fn lacks_agents(&self) -> bool {
        let mut silent = self.silent.iter();
        silent.any(|silent| silent.why == Silence::AgentMissing)
    }

    fn count(&mut self, node: &NodeState<'_>, judgement: Judgement, hosts: &[HostContent], now: Timestamp) {
        let Judgement { standings, problems } = judgement;
        let trusts = |standing: &Standing| *standing == Standing::Trusted && !node.lapsed;
        for (host, standing) in self.hosts.iter_mut().zip(&standings) {
            host.trusted += i32::from(trusts(standing));
        }
        // Where every name is external, they are what counts.
        let only_external = hosts.iter().all(|host| host.external);
        let mut counted = hosts
            .iter()
            .zip(&standings)
            .filter(|(host, _)| only_external || !host.external);
        self.trusted += i32::from(counted.all(|(_, standing)| trusts(standing)));
        self.unsupported += i32::from(standings.contains(&Standing::Unsupported));
        let silent = node.lapsed || (standings.contains(&Standing::Behind) && problems.is_empty());
        if silent {
            self.silent.push(SilentNode {
                node: node.name.to_owned(),
                why: silence(node),
            });
        } else {
            self.problems.extend(problems);
        }
        let live = !node.leaving && node.not_ready_since.is_none_or(|since| now < since + GONE_AFTER);
        if live && standings.contains(&Standing::Behind) {
            self.behind.push(node.name.to_owned());
        }
    }
}

impl HostTally {
    fn none(host: &HostContent) -> Self {
        Self {
            host: host.host.clone(),
            external: host.external,
            trusted: 0,
        }
    }
}

fn silence(node: &NodeState<'_>) -> Silence {
    match &node.agent {
        _ if node.not_ready_since.is_some() => Silence::NotReady,
        Agent::Absent => Silence::AgentMissing,
        Agent::NotRunning { pod, why } => Silence::AgentNotRunning {
            pod: pod.clone(),
            why: why.clone(),
        },
        Agent::Running => Silence::NotYet,
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
