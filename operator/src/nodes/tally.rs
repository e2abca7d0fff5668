//! How many nodes trust the hosts of one Registry, and what stands in the way of the others.

use super::sets::Sets;
use jiff::{SignedDuration, Timestamp};
use roadstead_api::trust::{NodeTrustSpec, ProblemReason};

/// A node that has not been ready for this long is gone as far as a change of certificates is concerned.
const GONE_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// A host and what nodes have to carry for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostContent {
    pub host: String,
    pub content: String,
}

/// One node as it stands.
#[derive(Debug, Clone)]
pub(super) struct NodeState<'a> {
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
    /// Since when it has not been ready; `None`: it is ready.
    pub(super) not_ready_since: Option<Timestamp>,
    pub(super) leaving: bool,
    pub(super) trust: Option<&'a NodeTrustSpec>,
}

/// What stands between one node and one host, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeProblem {
    pub node: String,
    pub reason: ProblemReason,
    pub message: String,
}

/// How many nodes trust the hosts of one Registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub desired: i32,
    pub trusted: i32,
    pub unsupported: i32,
    /// One per node that does not trust every host and says why.
    pub problems: Vec<NodeProblem>,
    /// Live nodes that do not carry the content yet, and hold up a change of certificates until they do.
    pub behind: Vec<String>,
}

enum Verdict {
    Trusted,
    /// The node carries the content, and something else is in the way, which another certificate may even mend.
    Carried(NodeProblem),
    /// The node will not carry it until a person acts there: no use in waiting.
    Refused(NodeProblem),
    Unsupported(NodeProblem),
    Behind(Option<NodeProblem>),
}

/// `scheduled`: on how many nodes an agent runs, as the cluster plans it.
pub(super) fn tally(
    nodes: &[NodeState<'_>],
    scheduled: i32,
    hosts: &[HostContent],
    sets: &Sets,
    now: Timestamp,
) -> Tally {
    let mut tally = Tally {
        desired: scheduled,
        ..Tally::default()
    };
    // Nodes without an agent never acknowledge anything; as many as the plan has agents for are waited for.
    let mut silent_allowed = usize::try_from(scheduled)
        .unwrap_or_default()
        .saturating_sub(nodes.iter().filter(|node| node.trust.is_some()).count());
    for node in nodes {
        let live = !node.leaving && node.not_ready_since.is_none_or(|since| now < since + GONE_AFTER);
        match judge(node, hosts, sets) {
            Verdict::Trusted => tally.trusted += 1,
            Verdict::Carried(problem) | Verdict::Refused(problem) => tally.problems.push(problem),
            Verdict::Unsupported(problem) => {
                tally.unsupported += 1;
                tally.problems.push(problem);
            }
            Verdict::Behind(problem) => {
                tally.problems.extend(problem);
                if node.trust.is_none() {
                    if silent_allowed == 0 {
                        continue;
                    }
                    silent_allowed -= 1;
                }
                if live {
                    tally.behind.push(node.name.to_owned());
                }
            }
        }
    }
    // A node that lost its agent may still stand there with its last word.
    tally.trusted = tally.trusted.min(scheduled);
    tally
}

fn judge(node: &NodeState<'_>, hosts: &[HostContent], sets: &Sets) -> Verdict {
    let Some(trust) = node.trust.filter(|trust| trust.node_uid == node.uid) else {
        return Verdict::Behind(None);
    };
    let carries_all = hosts
        .iter()
        .all(|host| sets.has(&trust.set, &host.host, &host.content));
    let mut concerning: Vec<_> = trust
        .problems
        .iter()
        .filter(|problem| problem.host.is_empty() || hosts.iter().any(|host| host.host == problem.host))
        .collect();
    // The gravest first: a node that cannot be helped is not one that is merely late.
    concerning.sort_by_key(|problem| match effect(problem.reason) {
        Effect::Unsupported => 0,
        Effect::Refused => 1,
        Effect::NotWritten => 2,
        Effect::Written => 3,
    });
    let Some(problem) = concerning.first() else {
        return if carries_all {
            Verdict::Trusted
        } else {
            Verdict::Behind(None)
        };
    };
    let told = NodeProblem {
        node: node.name.to_owned(),
        reason: problem.reason,
        message: problem.message.clone(),
    };
    match effect(problem.reason) {
        Effect::Unsupported => Verdict::Unsupported(told),
        Effect::Refused => Verdict::Refused(told),
        Effect::Written if carries_all => Verdict::Carried(told),
        Effect::Written | Effect::NotWritten => Verdict::Behind(Some(told)),
    }
}

enum Effect {
    /// No bundle will ever help as the node is set up.
    Unsupported,
    /// Somebody else's files are in the way.
    Refused,
    NotWritten,
    /// Written, yet the pull that would prove it fails.
    Written,
}

fn effect(reason: ProblemReason) -> Effect {
    match reason {
        ProblemReason::UnsupportedRuntime | ProblemReason::ConfigPathUnset | ProblemReason::ConfigNotRead => {
            Effect::Unsupported
        }
        ProblemReason::ForeignFile | ProblemReason::InstallationConflict => Effect::Refused,
        // Not proved yet is not acknowledged: the proof comes within seconds or becomes another reason.
        ProblemReason::Unproved
        | ProblemReason::WriteFailed
        | ProblemReason::TooManyProblems
        | ProblemReason::Unknown => Effect::NotWritten,
        ProblemReason::CertificateRejected
        | ProblemReason::NameNotResolved
        | ProblemReason::ConnectionFailed
        | ProblemReason::ProxyAnswered
        | ProblemReason::NotTls
        | ProblemReason::InsecureOverride => Effect::Written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadstead_api::trust::{Problem, RegistryReference, TrustBundleSpec};

    fn bundle(host: &str) -> TrustBundleSpec {
        TrustBundleSpec {
            proof: Default::default(),
            installation: "roadstead-system/roadstead".into(),
            host: host.into(),
            ca: "pem".into(),
            server: None,
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
            problems: problems
                .iter()
                .map(|(host, reason)| Problem {
                    host: (*host).into(),
                    reason: *reason,
                    path: None,
                    message: "what to do".into(),
                })
                .collect(),
        }
    }

    fn node<'a>(name: &'a str, trust: Option<&'a NodeTrustSpec>) -> NodeState<'a> {
        NodeState {
            name,
            uid: name,
            not_ready_since: None,
            leaving: false,
            trust,
        }
    }

    struct Scene {
        sets: Sets,
        set: String,
        hosts: Vec<HostContent>,
    }

    fn scene() -> Scene {
        let bundle = bundle("a:5000");
        let mut sets = Sets::default();
        sets.record([&bundle]);
        let content = bundle.content_hash();
        Scene {
            sets,
            set: roadstead_api::trust::set_hash([("a:5000", &content)]),
            hosts: vec![HostContent {
                host: "a:5000".into(),
                content,
            }],
        }
    }

    fn count(scene: &Scene, nodes: &[NodeState<'_>]) -> Tally {
        let scheduled = i32::try_from(nodes.len()).expect("few nodes");
        tally(nodes, scheduled, &scene.hosts, &scene.sets, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_node_with_the_set_and_no_problem_trusts() {
        let scene = scene();
        let good = trust("n1", &scene.set, &[("other:5000", ProblemReason::WriteFailed)]);
        let tally = count(&scene, &[node("n1", Some(&good)), node("n2", None)]);
        assert_eq!((tally.desired, tally.trusted, tally.unsupported), (2, 1, 0));
        assert_eq!(tally.behind, ["n2"]);
        assert!(tally.problems.is_empty());
    }

    #[test]
    fn a_word_of_an_earlier_machine_of_that_name_does_not_count() {
        let scene = scene();
        let old = trust("another-uid", &scene.set, &[]);
        assert_eq!(count(&scene, &[node("n1", Some(&old))]).trusted, 0);
    }

    #[test]
    fn a_problem_of_every_host_concerns_this_one() {
        let scene = scene();
        let bad = trust("n1", &scene.set, &[("", ProblemReason::ConfigPathUnset)]);
        let tally = count(&scene, &[node("n1", Some(&bad))]);
        assert_eq!((tally.trusted, tally.unsupported), (0, 1));
        assert_eq!(tally.problems[0].node, "n1");
        assert!(tally.behind.is_empty(), "an unsupported node holds nothing up");
    }

    #[test]
    fn what_is_written_but_not_proved_is_not_trusted_and_holds_a_change_up() {
        let scene = scene();
        let unproved = trust("n1", &scene.set, &[("a:5000", ProblemReason::Unproved)]);
        let tally = count(&scene, &[node("n1", Some(&unproved))]);
        assert_eq!(tally.trusted, 0);
        assert_eq!(tally.behind, ["n1"]);
    }

    #[test]
    fn a_node_that_carries_the_ca_but_cannot_reach_the_host_holds_nothing_up() {
        let scene = scene();
        let cut_off = trust("n1", &scene.set, &[("a:5000", ProblemReason::NameNotResolved)]);
        let tally = count(&scene, &[node("n1", Some(&cut_off))]);
        assert_eq!(tally.trusted, 0);
        assert!(tally.behind.is_empty());
    }

    #[test]
    fn a_node_with_files_of_somebody_else_is_told_and_holds_nothing_up() {
        let scene = scene();
        let foreign = trust("n1", &scene.set, &[("a:5000", ProblemReason::ForeignFile)]);
        let tally = count(&scene, &[node("n1", Some(&foreign))]);
        assert_eq!(
            (tally.trusted, tally.unsupported, tally.problems.len()),
            (0, 0, 1)
        );
        assert!(tally.behind.is_empty());
    }

    #[test]
    fn a_node_not_ready_for_two_minutes_holds_nothing_up() {
        let scene = scene();
        let mut gone = node("n1", None);
        gone.not_ready_since = Some(Timestamp::UNIX_EPOCH - SignedDuration::from_mins(3));
        assert!(count(&scene, &[gone.clone()]).behind.is_empty());
        gone.not_ready_since = Some(Timestamp::UNIX_EPOCH - SignedDuration::from_secs(30));
        assert_eq!(count(&scene, &[gone]).behind, ["n1"]);
    }

    #[test]
    fn a_node_that_gets_no_agent_is_not_waited_for() {
        let scene = scene();
        let good = trust("n1", &scene.set, &[]);
        let nodes = [node("n1", Some(&good)), node("virtual", None)];
        let tally = tally(&nodes, 1, &scene.hosts, &scene.sets, Timestamp::UNIX_EPOCH);
        assert_eq!((tally.desired, tally.trusted), (1, 1));
        assert!(tally.behind.is_empty());
    }
}
