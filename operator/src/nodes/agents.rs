//! The agents' pods: on which nodes one lives, and since when one does not.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// An agent that is replaced is away for less than this, its image included; its proofs hold meanwhile.
pub(super) const GRACE: SignedDuration = SignedDuration::from_mins(2);
/// The next pod is made at once, whatever it waits for then: where there is none, it cannot be made.
const GRACE_WITHOUT_POD: SignedDuration = SignedDuration::from_secs(30);

/// A pod of the agents, less all that is not read here.
#[derive(Resource, Clone, Debug, Deserialize)]
#[resource(inherit = Pod)]
pub(super) struct AgentPod {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Placement,
    #[serde(default)]
    status: PodState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Placement {
    node_name: Option<String>,
    #[serde(default)]
    affinity: serde_json::Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodState {
    phase: Option<String>,
    #[serde(default)]
    conditions: Vec<PodCondition>,
    #[serde(default)]
    container_statuses: Vec<ContainerState>,
}

#[derive(Clone, Debug, Deserialize)]
struct PodCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct ContainerState {
    #[serde(default)]
    ready: bool,
    #[serde(default)]
    state: serde_json::Value,
}

/// The agent of one node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Agent {
    Running,
    /// Its pod is there and does not run.
    NotRunning {
        pod: String,
        why: String,
    },
    /// It has no pod.
    Absent,
}

impl AgentPod {
    /// The node and its agent; `None`: not a pod of that DaemonSet, or one that is going.
    pub(super) fn agent(&self, daemon_set: &str) -> Option<(&str, Agent)> {
        let is_ours = |owner: &k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference| {
            owner.kind == "DaemonSet" && owner.name == daemon_set
        };
        let owners = self.metadata.owner_references.as_deref().unwrap_or_default();
        if !owners.iter().any(is_ours) || self.metadata.deletion_timestamp.is_some() {
            return None;
        }
        Some((self.node()?, self.state()))
    }

    /// A pod that no node has taken says only in its affinity for which one it is meant.
    fn node(&self) -> Option<&str> {
        const MEANT_FOR: &str = "/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
        let meant_for = || self.spec.affinity.pointer(MEANT_FOR)?.as_str();
        self.spec.node_name.as_deref().or_else(meant_for)
    }

    fn state(&self) -> Agent {
        let status = &self.status;
        let phase = status.phase.as_deref().unwrap_or("Pending");
        if phase == "Running" && status.container_statuses.iter().all(|container| container.ready) {
            return Agent::Running;
        }
        let waiting = status
            .container_statuses
            .iter()
            .find_map(|container| container.state.pointer("/waiting/reason")?.as_str());
        let unscheduled = status
            .conditions
            .iter()
            .find(|condition| condition.kind == "PodScheduled" && condition.status == "False")
            .and_then(|condition| condition.reason.as_deref());
        Agent::NotRunning {
            pod: self.metadata.name.clone().unwrap_or_default(),
            why: waiting.or(unscheduled).unwrap_or(phase).to_owned(),
        }
    }
}

/// Since when nodes have no living agent.
#[derive(Debug)]
pub(super) struct Lapses {
    started: Timestamp,
    alive: BTreeSet<String>,
    since: BTreeMap<String, Timestamp>,
}

impl Lapses {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            started: now,
            alive: BTreeSet::new(),
            since: BTreeMap::new(),
        }
    }

    /// Notes the nodes whose agents live now.
    pub(super) fn note(&mut self, alive: BTreeSet<String>, now: Timestamp) {
        for node in self.alive.difference(&alive) {
            self.since.insert(node.clone(), now);
        }
        // What lapsed long ago says the same as what never was.
        self.since
            .retain(|node, since| !alive.contains(node) && now < *since + GRACE * 2);
        self.alive = alive;
    }

    /// Whether a node's proofs have lapsed with its agent.
    pub(super) fn is_lapsed(&self, node: &str, agent: &Agent, now: Timestamp) -> bool {
        let grace = match agent {
            Agent::Absent => GRACE_WITHOUT_POD,
            Agent::Running | Agent::NotRunning { .. } => GRACE,
        };
        !self.alive.contains(node) && now >= *self.since.get(node).unwrap_or(&self.started) + grace
    }

    /// Whether something is about to lapse, which no watch will tell.
    pub(super) fn is_pending(&self, now: Timestamp) -> bool {
        let lapses = self.since.values().chain([&self.started]);
        lapses.into_iter().any(|since| now < *since + GRACE * 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(spec: serde_json::Value, status: serde_json::Value) -> AgentPod {
        let owner =
            json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "roadstead-agent", "uid": "u"});
        serde_json::from_value(json!({
            "metadata": {"name": "agent-x", "ownerReferences": [owner]}, "spec": spec, "status": status,
        }))
        .expect("it is a pod")
    }

    fn not_running(why: &str) -> Agent {
        Agent::NotRunning {
            pod: "agent-x".into(),
            why: why.into(),
        }
    }

    #[test]
    fn a_pod_lives_when_its_container_does() {
        let on = json!({"nodeName": "node1"});
        for (status, agent) in [
            (
                json!({"phase": "Running", "containerStatuses": [{"ready": true}]}),
                Agent::Running,
            ),
            (
                json!({"phase": "Running", "containerStatuses": [{"ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
                not_running("CrashLoopBackOff"),
            ),
            (json!({"phase": "Failed"}), not_running("Failed")),
        ] {
            assert_eq!(
                pod(on.clone(), status).agent("roadstead-agent"),
                Some(("node1", agent))
            );
        }
        assert_eq!(pod(on, json!({})).agent("another"), None);
    }

    #[test]
    fn a_pod_that_no_node_has_taken_says_for_which_one_it_is_meant() {
        let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms":
            [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["win1"]}]}]}}});
        let status = json!({"phase": "Pending", "conditions":
            [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]});
        let pod = pod(json!({"affinity": affinity}), status);
        assert_eq!(
            pod.agent("roadstead-agent"),
            Some(("win1", not_running("Unschedulable")))
        );
    }

    #[test]
    fn an_agent_that_is_replaced_in_time_loses_nothing() {
        let start = Timestamp::UNIX_EPOCH;
        let later = start + SignedDuration::from_hours(1);
        let nodes = |nodes: &[&str]| nodes.iter().map(ToString::to_string).collect();
        let away = not_running("ContainerCreating");
        let mut lapses = Lapses::new(start);
        assert!(!lapses.is_lapsed("node1", &away, start), "it may be coming up");
        lapses.note(nodes(&["node1", "node2"]), start);
        lapses.note(nodes(&["node2"]), later);
        assert!(!lapses.is_lapsed("node1", &away, later) && lapses.is_pending(later));
        assert!(lapses.is_lapsed("node1", &away, later + GRACE));
        assert!(!lapses.is_lapsed("node2", &away, later + GRACE));
        assert!(lapses.is_lapsed("node1", &Agent::Absent, later + GRACE_WITHOUT_POD));
        lapses.note(nodes(&["node1", "node2"]), later);
        assert!(!lapses.is_lapsed("node1", &away, later + GRACE * 3) && !lapses.is_pending(later));
        lapses.note(nodes(&["node1"]), later);
        lapses.note(nodes(&["node1"]), later + GRACE * 3);
        assert!(
            lapses.is_lapsed("node2", &away, later + GRACE * 3),
            "it stays lapsed when its time is forgotten"
        );
    }
}
