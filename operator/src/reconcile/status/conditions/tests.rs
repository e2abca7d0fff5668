//! What is told, for clusters in all kinds of states.

use super::*;
use crate::nodes::{HostTally, NodeProblem, Silence, SilentNode, Tally};
use crate::reconcile::causes::Causes;
use crate::reconcile::examples::{Cluster, MINIMAL, NOW};
use roadstead_api::trust::ProblemReason;
use serde_json::{Value, json};

struct Scene {
    cluster: Cluster,
    tally: Option<Tally>,
}

fn scene() -> Scene {
    let mut cluster = Cluster::prepared(MINIMAL).built();
    let key = cluster.keys.deployment.clone();
    let mut deployment = cluster.observed.live.value(&key).expect("it was built").clone();
    deployment["metadata"]["generation"] = json!(2);
    deployment["status"] = json!({
        "observedGeneration": 2, "readyReplicas": 1, "updatedReplicas": 1,
        "conditions": [{"type": "Available", "status": "True"}],
    });
    cluster.put(&key, &deployment);
    Scene {
        cluster,
        tally: Some(Tally {
            desired: 2,
            trusted: 2,
            hosts: vec![host("images.registry.svc:5000", false, 2)],
            ..Tally::default()
        }),
    }
}

fn host(host: &str, external: bool, trusted: i32) -> HostTally {
    HostTally {
        host: host.into(),
        external,
        trusted,
    }
}

fn problem(node: &str, reason: ProblemReason, message: &str) -> NodeProblem {
    NodeProblem {
        node: node.into(),
        hosts: vec!["images.registry.svc:5000".into()],
        reason,
        message: message.into(),
    }
}

impl Scene {
    fn deployment(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let key = self.cluster.keys.deployment.clone();
        let mut deployment = self
            .cluster
            .observed
            .live
            .value(&key)
            .expect("it is there")
            .clone();
        change(&mut deployment);
        self.cluster.put(&key, &deployment);
        self
    }

    fn told(&self, kind: ConditionType) -> Told {
        let pods = Some("pod images-0: ErrImagePull".to_owned());
        self.told_with(
            kind,
            &Causes {
                pods,
                ..Causes::default()
            },
        )
    }

    fn told_with(&self, kind: ConditionType, causes: &Causes) -> Told {
        let validated = self.cluster.validate().expect("nothing stands in the way");
        let facts = Facts {
            validated: &validated,
            live: &self.cluster.observed.live,
            claim: None,
            complete: true,
            tally: self.tally.as_ref(),
            paused: false,
            refused: &[],
            causes,
            agent_namespace: "roadstead-system-nodes",
            now: NOW,
        };
        let condition = conditions(&facts)
            .into_iter()
            .find(|condition| condition.kind == kind)
            .expect("every condition is told");
        (condition.status, condition.reason, condition.message)
    }

    fn ready(&self) -> (ConditionStatus, &'static str) {
        let (status, reason, _) = self.told(ConditionType::Ready);
        (status, reason)
    }

    fn nodes(mut self, change: impl FnOnce(&mut Tally)) -> Told {
        change(self.tally.as_mut().expect("there are agents"));
        self.told(ConditionType::NodesTrusted)
    }
}

#[test]
fn ready_means_that_the_deployment_as_it_is_now_is_available() {
    assert_eq!(scene().ready(), (ConditionStatus::True, "Serving"));
    let not_seen = scene().deployment(|deployment| deployment["metadata"]["generation"] = json!(3));
    assert_eq!(not_seen.ready(), (ConditionStatus::False, "Progressing"));
    let rolling = scene().deployment(|deployment| deployment["status"]["updatedReplicas"] = json!(0));
    assert_eq!(rolling.ready(), (ConditionStatus::True, "RollingOut"));
}

#[test]
fn pods_that_do_not_run_say_why() {
    let scene = scene().deployment(|deployment| {
        deployment["status"] = json!({"observedGeneration": 2,
            "conditions": [{"type": "Available", "status": "False"}]});
    });
    let (status, reason, message) = scene.told(ConditionType::Ready);
    assert_eq!((status, reason), (ConditionStatus::False, "PodsNotReady"));
    assert_eq!(message, "0 of 1 pods can serve: pod images-0: ErrImagePull");
}

#[test]
fn ready_does_not_wait_for_nodes() {
    let mut scene = scene();
    scene.tally = None;
    assert_eq!(scene.ready(), (ConditionStatus::True, "Serving"));
    assert_eq!(scene.told(ConditionType::NodesTrusted).1, "AgentNotFound");
}

#[test]
fn all_nodes_or_not_all_of_them() {
    assert_eq!(scene().nodes(|_| ()).0, ConditionStatus::True);
    let (status, reason, message) = scene().nodes(|tally| tally.trusted = 1);
    assert_eq!((status, reason), (ConditionStatus::False, "Pending"));
    assert!(
        message.starts_with("1 of 2 nodes trust images.registry.svc:5000"),
        "{message}"
    );
}

#[test]
fn a_node_that_needs_somebody_is_named_with_what_to_do() {
    let (_, reason, message) = scene().nodes(|tally| {
        tally.trusted = 1;
        tally.unsupported = 1;
        tally.problems.push(problem(
            "node2",
            ProblemReason::ConfigPathUnset,
            "add config_path",
        ));
    });
    assert_eq!(reason, "UnsupportedNodes");
    assert!(
        message
            .contains("; node2: ConfigPathUnset: add config_path; see kubectl -n roadstead-system-nodes get"),
        "{message}"
    );
}

#[test]
fn an_external_name_that_nodes_cannot_resolve_takes_nothing_from_the_others() {
    let (status, reason, message) = scene().nodes(|tally| {
        tally.hosts.push(host("registry.example.com:5000", true, 0));
        for node in ["node1", "node2"] {
            let problem = problem(node, ProblemReason::NameNotResolved, "no such host");
            tally.problems.push(problem);
        }
    });
    assert_eq!((status, reason), (ConditionStatus::False, "HostnameNotTrusted"));
    assert!(
        message.starts_with(
            "2 of 2 nodes trust images.registry.svc:5000; 0 of 2 nodes trust registry.example.com:5000; \
             node1, node2: NameNotResolved: no such host"
        ),
        "{message}"
    );
}

#[test]
fn nodes_that_say_nothing_are_named_with_what_is_known_of_them() {
    let (_, reason, message) = scene().nodes(|tally| {
        tally.trusted = 0;
        let silent = |number| SilentNode {
            node: format!("node{number}"),
            why: Silence::NotReady,
        };
        tally.silent = (1..=9).map(silent).collect();
        tally.without_agent = vec!["virtual".into()];
    });
    assert_eq!(reason, "Pending");
    assert!(
        message.contains("; node1, node2, node3, node4, node5 and 4 more: the node is NotReady"),
        "{message}"
    );
    assert!(message.contains("no agent can run on virtual"), "{message}");
}

#[test]
fn a_volume_claim_is_told_by_its_phase() {
    let phase = |phase: &str| {
        let mut scene = scene();
        let key = scene.cluster.keys.data.clone();
        let mut claim = scene
            .cluster
            .observed
            .live
            .value(&key)
            .expect("it was built")
            .clone();
        claim["status"]["phase"] = json!(phase);
        scene.cluster.put(&key, &claim);
        let (status, reason, _) = scene.told(ConditionType::StorageReady);
        (status, reason)
    };
    assert_eq!(phase("Bound"), (ConditionStatus::True, "Bound"));
    assert_eq!(phase("Pending"), (ConditionStatus::False, "ClaimPending"));
    assert_eq!(phase("Lost"), (ConditionStatus::False, "ClaimLost"));
}

#[test]
fn a_note_is_told_beside_what_holds_and_a_failure_instead_of_it() {
    let finding = |status| Finding {
        condition: ConditionType::NodesTrusted,
        status,
        reason: "Told",
        message: "a finding".into(),
    };
    let holds = || yes("Usual", "as usual");
    let told = |usual, status| with_findings(usual, [finding(status)].iter());
    let (status, reason, message) = told(holds(), ConditionStatus::True);
    assert_eq!(
        (status, reason, message.as_str()),
        (ConditionStatus::True, "Told", "as usual; a finding")
    );
    let (status, reason, message) = told(holds(), ConditionStatus::False);
    assert_eq!(
        (status, reason, message.as_str()),
        (ConditionStatus::False, "Told", "a finding")
    );
    assert_eq!(told(no("Usual", "not yet"), ConditionStatus::True).1, "Usual");
}

#[test]
fn a_volume_that_takes_nothing_is_not_ready_though_it_is_bound() {
    let mut scene = scene();
    let key = scene.cluster.keys.data.clone();
    let mut claim = scene
        .cluster
        .observed
        .live
        .value(&key)
        .expect("it was built")
        .clone();
    claim["status"] = json!({"phase": "Bound", "capacity": {"storage": "1Gi"}});
    scene.cluster.put(&key, &claim);
    let bound = scene.told(ConditionType::StorageReady);
    assert_eq!(bound.2, "volume claim images-data has its volume of 1Gi");
    let causes = Causes {
        store: Some("permission denied".into()),
        ..Causes::default()
    };
    let (status, reason, message) = scene.told_with(ConditionType::StorageReady, &causes);
    assert_eq!((status, reason), (ConditionStatus::False, "NotWritable"));
    assert!(message.contains("permission denied; pulls go on"), "{message}");
    assert_eq!(scene.told_with(ConditionType::Ready, &causes).1, "Serving");
}

#[test]
fn a_refused_name_does_not_hide_what_is_true_of_the_others() {
    let refused = Finding::failure(
        ConditionType::NodesTrusted,
        "HostnameNotAllowed",
        "x is not brought".into(),
    );
    let with = |usual| nodes::with_findings(usual, [refused.clone()].iter());
    let (status, reason, message) = with(yes("AllNodesTrust", "2 of 2 nodes trust y"));
    assert_eq!((status, reason), (ConditionStatus::False, "HostnameNotAllowed"));
    assert_eq!(message, "2 of 2 nodes trust y; x is not brought");
    let (_, reason, _) = with(no("Pending", "1 of 2 nodes trust y"));
    assert_eq!(reason, "Pending");
}

#[test]
fn nodes_that_cannot_be_seen_are_not_said_to_trust_anything() {
    let mut scene = scene();
    let tally = scene.tally.as_mut().expect("there are agents");
    tally.unseen = Some("the operator cannot watch NodeTrusts: forbidden".into());
    let (status, reason, message) = scene.told(ConditionType::NodesTrusted);
    assert_eq!((status, reason), (ConditionStatus::Unknown, "NodesUnseen"));
    assert!(message.contains("NodeTrusts: forbidden"), "{message}");
}
