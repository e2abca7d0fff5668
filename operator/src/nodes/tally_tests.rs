//! Nodes in all kinds of states, and how they are counted.

use super::*;
use roadstead_api::trust::{
    FurtherHosts, Problem, Proof, RegistryReference, TrustBundleSpec, marks, set_hash,
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn bundle(host: &str) -> TrustBundleSpec {
    TrustBundleSpec {
        installation: "roadstead-system/roadstead".into(),
        host: host.into(),
        ca: "pem".into(),
        server: None,
        proof: Proof::default(),
        registry: RegistryReference {
            namespace: "registry".into(),
            name: "images".into(),
            uid: "u".into(),
        },
    }
}

fn trust(uid: &str, set: &str, problems: &[(&str, ProblemReason)]) -> NodeTrustSpec {
    NodeTrustSpec {
        installation: "roadstead-system/roadstead".into(),
        node_uid: uid.into(),
        boot_id: "b".into(),
        set: set.into(),
        runtime: None,
        summary: String::new(),
        problems: problems
            .iter()
            .map(|(host, reason)| Problem {
                host: (*host).into(),
                reason: *reason,
                path: None,
                message: "what to do".into(),
            })
            .collect(),
        further: Vec::new(),
    }
}

fn node<'a>(name: &'a str, trust: Option<&'a NodeTrustSpec>) -> NodeState<'a> {
    NodeState {
        name,
        uid: name,
        not_ready_since: None,
        leaving: false,
        agent: Agent::Running,
        lapsed: false,
        trust,
    }
}

/// Two names of one Registry, and others' hosts beside them.
struct Scene {
    sets: Sets,
    set: String,
    hosts: Vec<HostContent>,
}

const INTERNAL: &str = "a:5000";
const EXTERNAL: &str = "registry.example.com";

fn scene() -> Scene {
    let mut bundles = vec![bundle(INTERNAL), bundle(EXTERNAL)];
    bundles.extend((0..40).map(|number| bundle(&format!("evil{number}:5000"))));
    let mut sets = Sets::default();
    let carried = bundles.iter().cloned().map(super::super::sets::Carried::from);
    sets.record(&carried.collect::<Vec<_>>());
    let contents = bundles
        .iter()
        .map(|bundle| (bundle.host.clone(), bundle.content_hash()));
    let hosts = bundles[..2].iter().map(|bundle| HostContent {
        host: bundle.host.clone(),
        content: bundle.content_hash(),
        external: bundle.host == EXTERNAL,
    });
    Scene {
        set: set_hash(contents),
        hosts: hosts.collect(),
        sets,
    }
}

impl Scene {
    fn count(&self, nodes: &[NodeState<'_>]) -> Tally {
        self.planned(nodes, i32::try_from(nodes.len()).expect("few nodes"))
    }

    fn planned(&self, nodes: &[NodeState<'_>], planned: i32) -> Tally {
        tally(nodes, planned, &self.hosts, &self.sets, NOW)
    }

    fn good(&self, node: &str) -> NodeTrustSpec {
        trust(node, &self.set, &[])
    }
}

fn silences(tally: &Tally) -> Vec<(&str, String)> {
    let silent = tally.silent.iter();
    silent
        .map(|silent| (silent.node.as_str(), silent.why.to_string()))
        .collect()
}

#[test]
fn a_node_with_the_set_and_no_problem_trusts() {
    let scene = scene();
    let good = trust("n1", &scene.set, &[("evil1:5000", ProblemReason::WriteFailed)]);
    let tally = scene.count(&[node("n1", Some(&good)), node("n2", None)]);
    assert_eq!((tally.desired, tally.trusted, tally.unsupported), (2, 1, 0));
    assert_eq!(tally.behind, ["n2"]);
    assert_eq!(
        tally.hosts.iter().map(|host| host.trusted).collect::<Vec<_>>(),
        [1, 1]
    );
    assert_eq!(
        silences(&tally),
        [("n2", "its agent has not acknowledged yet".to_owned())]
    );
}

#[test]
fn an_external_name_that_no_node_resolves_takes_no_internal_one_away() {
    let scene = scene();
    let unresolved = |node| trust(node, &scene.set, &[(EXTERNAL, ProblemReason::NameNotResolved)]);
    let (one, two) = (unresolved("n1"), unresolved("n2"));
    let tally = scene.count(&[node("n1", Some(&one)), node("n2", Some(&two))]);
    assert_eq!((tally.desired, tally.trusted), (2, 2));
    assert_eq!(
        tally.hosts.iter().map(|host| host.trusted).collect::<Vec<_>>(),
        [2, 0]
    );
    assert_eq!(tally.problems.len(), 2);
    assert_eq!(tally.problems[0].hosts, [EXTERNAL]);
}

#[test]
fn a_word_of_an_earlier_machine_of_that_name_does_not_count() {
    let scene = scene();
    let old = scene.good("another-uid");
    assert_eq!(scene.count(&[node("n1", Some(&old))]).trusted, 0);
}

#[test]
fn a_problem_of_every_host_concerns_all_of_them_and_is_told_once() {
    let scene = scene();
    let bad = trust("n1", &scene.set, &[("", ProblemReason::ConfigPathUnset)]);
    let tally = scene.count(&[node("n1", Some(&bad))]);
    assert_eq!(
        (tally.trusted, tally.unsupported, tally.problems.len()),
        (0, 1, 1)
    );
    assert_eq!(tally.problems[0].hosts, [INTERNAL, EXTERNAL]);
    assert!(tally.behind.is_empty(), "an unsupported node holds nothing up");
}

#[test]
fn hosts_beyond_the_list_are_told_by_their_place_and_no_other_host_suffers() {
    let scene = scene();
    let mut crowded = trust(
        "n1",
        &scene.set,
        &[("evil1:5000", ProblemReason::ConnectionFailed)],
    );
    let mut hosts: Vec<String> = (0..40).map(|number| format!("evil{number}:5000")).collect();
    hosts.extend([INTERNAL.to_owned(), EXTERNAL.to_owned()]);
    hosts.sort();
    let places = |marked: &dyn Fn(&str) -> bool| {
        marks(
            hosts
                .iter()
                .enumerate()
                .filter(|(_, host)| marked(host))
                .map(|(place, _)| place),
        )
    };
    let further = |hosts: String| {
        vec![FurtherHosts {
            reason: ProblemReason::ConnectionFailed,
            count: 40,
            hosts,
        }]
    };
    crowded.further = further(places(&|host| host.starts_with("evil")));
    let tally = scene.count(&[node("n1", Some(&crowded))]);
    assert_eq!(
        (tally.trusted, tally.problems.len(), tally.behind.len()),
        (1, 0, 0)
    );
    crowded.further = further(places(&|host| host == INTERNAL));
    let tally = scene.count(&[node("n1", Some(&crowded))]);
    assert_eq!(
        (tally.trusted, tally.behind.len()),
        (0, 0),
        "written, and not proved"
    );
    assert_eq!(tally.problems[0].hosts, [INTERNAL]);
}

#[test]
fn an_overflow_of_an_older_agent_stands_for_nobody() {
    let scene = scene();
    let old = trust("n1", &scene.set, &[("", ProblemReason::TooManyProblems)]);
    assert_eq!(scene.count(&[node("n1", Some(&old))]).trusted, 1);
}

#[test]
fn what_is_written_but_not_proved_is_not_trusted_and_holds_a_change_up() {
    let scene = scene();
    let unproved = trust("n1", &scene.set, &[(INTERNAL, ProblemReason::Unproved)]);
    let tally = scene.count(&[node("n1", Some(&unproved))]);
    assert_eq!(tally.trusted, 0);
    assert_eq!(tally.behind, ["n1"]);
}

#[test]
fn a_node_that_carries_the_ca_but_cannot_reach_the_host_holds_nothing_up() {
    let scene = scene();
    let cut_off = trust("n1", &scene.set, &[(INTERNAL, ProblemReason::ConnectionFailed)]);
    let tally = scene.count(&[node("n1", Some(&cut_off))]);
    assert_eq!(tally.trusted, 0);
    assert!(tally.behind.is_empty());
}

#[test]
fn a_node_with_files_of_somebody_else_is_told_and_holds_nothing_up() {
    let scene = scene();
    let foreign = trust("n1", &scene.set, &[(INTERNAL, ProblemReason::ForeignFile)]);
    let tally = scene.count(&[node("n1", Some(&foreign))]);
    assert_eq!(
        (tally.trusted, tally.unsupported, tally.problems.len()),
        (0, 0, 1)
    );
    assert!(tally.behind.is_empty());
}

#[test]
fn a_node_not_ready_for_two_minutes_is_named_and_holds_nothing_up() {
    let scene = scene();
    let mut gone = node("n1", None);
    gone.not_ready_since = Some(NOW - SignedDuration::from_mins(3));
    let tally = scene.count(&[gone.clone()]);
    assert!(tally.behind.is_empty());
    assert_eq!(silences(&tally), [("n1", "the node is NotReady".to_owned())]);
    gone.not_ready_since = Some(NOW - SignedDuration::from_secs(30));
    assert_eq!(scene.count(&[gone]).behind, ["n1"]);
}

#[test]
fn a_node_that_can_have_no_agent_is_named_and_not_waited_for() {
    let scene = scene();
    let good = scene.good("n1");
    let mut windows = node("win1", None);
    windows.agent = Agent::Absent;
    let tally = scene.planned(&[node("n1", Some(&good)), windows], 1);
    assert_eq!((tally.desired, tally.trusted), (1, 1));
    assert_eq!(tally.without_agent, ["win1"]);
    assert!(tally.behind.is_empty() && tally.silent.is_empty());
}

#[test]
fn an_agent_that_is_planned_and_not_there_is_named() {
    let scene = scene();
    let good = scene.good("n1");
    let mut denied = node("n2", None);
    denied.agent = Agent::Absent;
    let tally = scene.planned(&[node("n1", Some(&good)), denied], 2);
    assert_eq!((tally.desired, tally.trusted), (2, 1));
    assert_eq!(
        silences(&tally),
        [("n2", "its agent's pod cannot be created".to_owned())]
    );
    assert_eq!(tally.behind, ["n2"]);
}

#[test]
fn a_proof_counts_only_while_its_agent_lives() {
    let scene = scene();
    let good = scene.good("n1");
    let mut orphan = node("n1", Some(&good));
    orphan.agent = Agent::NotRunning {
        pod: "agent-x".into(),
        why: "CrashLoopBackOff".into(),
    };
    assert_eq!(scene.count(&[orphan.clone()]).trusted, 1, "it may come back");
    orphan.lapsed = true;
    let tally = scene.count(&[orphan]);
    assert_eq!((tally.desired, tally.trusted, tally.hosts[0].trusted), (1, 0, 0));
    assert!(tally.behind.is_empty(), "what it wrote is still there");
    assert_eq!(
        silences(&tally),
        [(
            "n1",
            "its agent's pod agent-x does not run (CrashLoopBackOff)".to_owned()
        )]
    );
}
