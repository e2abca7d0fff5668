//! What a NodeTrust has room for: the gravest problems in words, all others by the place of their hosts. Pure.
//!
//! A host that is not named counts as trusted, so none may be left out; and none may suffer because others, of other
//! namespaces perhaps, fill the list.

use std::collections::BTreeMap;

use roadstead_api::trust::{FurtherHosts, MAX_PROBLEMS, Problem, ProblemReason, marks};

/// All problems of a node, as they fit.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub summary: String,
    pub problems: Vec<Problem>,
    pub further: Vec<FurtherHosts>,
}

/// How much a problem says about this node itself; the lowest goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    WholeNode,
    ThisNode,
    Registry,
    Waiting,
}

/// `hosts` are those of the set, in alphabetical order; `namespace` says whose a host is.
pub fn told(problems: Vec<Problem>, hosts: &[String], namespace: impl Fn(&str) -> String) -> Told {
    let summary = summary(&problems);
    let mut problems = in_turn(problems, namespace);
    let rest = problems.split_off(problems.len().min(MAX_PROBLEMS));
    let named: Vec<&str> = problems.iter().map(|problem| problem.host.as_str()).collect();
    let unnamed = rest
        .iter()
        .filter(|problem| !named.contains(&problem.host.as_str()));
    let mut places: BTreeMap<ProblemReason, Vec<usize>> = BTreeMap::new();
    for problem in unnamed {
        if let Ok(place) = hosts.binary_search(&problem.host) {
            places.entry(problem.reason).or_default().push(place);
        }
    }
    let further = places.into_iter().map(|(reason, places)| FurtherHosts {
        reason,
        count: u32::try_from(places.len()).unwrap_or(u32::MAX),
        hosts: marks(places),
    });
    Told {
        summary,
        further: further.collect(),
        problems,
    }
}

/// The gravest first, and among equals the first of every namespace, then the second of every namespace, …
fn in_turn(mut problems: Vec<Problem>, namespace: impl Fn(&str) -> String) -> Vec<Problem> {
    for problem in &mut problems {
        shorten(&mut problem.message);
        problem.path.iter_mut().for_each(shorten);
    }
    problems.sort_by(|one, other| (rank(one), &one.host).cmp(&(rank(other), &other.host)));
    let mut turns: BTreeMap<(Rank, String), usize> = BTreeMap::new();
    let mut ordered: Vec<(Rank, usize, Problem)> = problems
        .into_iter()
        .map(|problem| {
            let rank = rank(&problem);
            let turn = turns.entry((rank, namespace(&problem.host))).or_default();
            *turn += 1;
            (rank, *turn, problem)
        })
        .collect();
    ordered.sort_by(|(rank, turn, problem), (other_rank, other_turn, other)| {
        (rank, turn, &problem.host).cmp(&(other_rank, other_turn, &other.host))
    });
    ordered.into_iter().map(|(.., problem)| problem).collect()
}

fn rank(problem: &Problem) -> Rank {
    if problem.host.is_empty() {
        return Rank::WholeNode;
    }
    match problem.reason {
        ProblemReason::UnsupportedRuntime
        | ProblemReason::ConfigPathUnset
        | ProblemReason::ConfigNotRead
        | ProblemReason::ForeignFile
        | ProblemReason::InsecureOverride
        | ProblemReason::WriteFailed
        | ProblemReason::InstallationConflict => Rank::ThisNode,
        ProblemReason::CertificateRejected
        | ProblemReason::NameNotResolved
        | ProblemReason::ConnectionFailed
        | ProblemReason::ProxyAnswered
        | ProblemReason::NotTls
        | ProblemReason::TooManyProblems
        | ProblemReason::Unknown => Rank::Registry,
        ProblemReason::Unproved => Rank::Waiting,
    }
}

/// Each reason once, with how many hosts it concerns; what concerns the whole node has no number.
fn summary(problems: &[Problem]) -> String {
    let mut counts: BTreeMap<(Rank, ProblemReason), usize> = BTreeMap::new();
    for problem in problems {
        *counts.entry((rank(problem), problem.reason)).or_default() += 1;
    }
    let parts = counts
        .into_iter()
        .map(|((rank, reason), count)| match (rank, count) {
            (Rank::WholeNode, _) => reason.as_str().to_owned(),
            (_, 1) => format!("{} (1 host)", reason.as_str()),
            (_, count) => format!("{} ({count} hosts)", reason.as_str()),
        });
    parts.collect::<Vec<_>>().join(", ")
}

fn shorten(text: &mut String) {
    const MAX_CHARACTERS: usize = 1024;
    if let Some((end, _)) = text.char_indices().nth(MAX_CHARACTERS - 1) {
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadstead_api::trust::is_marked;

    fn problem(host: &str, reason: ProblemReason) -> Problem {
        Problem {
            host: host.into(),
            reason,
            path: None,
            message: "m".into(),
        }
    }

    /// `evil7.evil:1` is of namespace `evil`.
    fn namespace(host: &str) -> String {
        host.split(['.', ':']).nth(1).unwrap_or_default().to_owned()
    }

    fn down(count: usize, namespace: &str) -> impl Iterator<Item = Problem> + use<'_> {
        (0..count).map(move |number| {
            problem(
                &format!("h{number:04}.{namespace}:1"),
                ProblemReason::ConnectionFailed,
            )
        })
    }

    #[test]
    fn no_host_is_left_out_and_none_is_named_that_has_no_problem() {
        let mut problems: Vec<Problem> = down(1800, "evil").collect();
        problems.extend(down(40, "mean").map(|down| Problem {
            reason: ProblemReason::CertificateRejected,
            ..down
        }));
        let mut hosts: Vec<String> = problems.iter().map(|problem| problem.host.clone()).collect();
        hosts.extend((0..160).map(|number| format!("good{number}.fine:5000")));
        hosts.sort();
        let told = told(problems.clone(), &hosts, namespace);
        assert_eq!(told.problems.len(), MAX_PROBLEMS);
        for (place, host) in hosts.iter().enumerate() {
            let named = told
                .problems
                .iter()
                .filter(|problem| problem.host == *host)
                .count();
            let marked = told
                .further
                .iter()
                .filter(|further| is_marked(&further.hosts, place))
                .count();
            let expected = usize::from(!host.contains("fine"));
            assert_eq!(named + marked, expected, "{host}");
        }
        let size = serde_json::to_string(&told.further).expect("JSON").len();
        assert!(size < 1500, "{size} bytes");
        assert_eq!(
            told.summary,
            "CertificateRejected (40 hosts), ConnectionFailed (1800 hosts)"
        );
    }

    #[test]
    fn what_is_wrong_on_this_node_goes_before_what_is_wrong_with_a_registry() {
        let problems = vec![
            problem("a.evil:1", ProblemReason::ConnectionFailed),
            problem("b.evil:1", ProblemReason::Unproved),
            problem("c.fine:1", ProblemReason::ForeignFile),
            problem("", ProblemReason::WriteFailed),
        ];
        let told = told(problems, &[], namespace);
        let order: Vec<&str> = told
            .problems
            .iter()
            .map(|problem| problem.host.as_str())
            .collect();
        assert_eq!(order, ["", "c.fine:1", "a.evil:1", "b.evil:1"]);
        assert_eq!(
            told.summary,
            "WriteFailed, ForeignFile (1 host), ConnectionFailed (1 host), Unproved (1 host)"
        );
    }

    #[test]
    fn every_namespace_gets_its_turn_in_words() {
        let mut problems: Vec<Problem> = down(40, "evil").collect();
        problems.extend(down(2, "zoo"));
        let told = told(problems, &[], namespace);
        let zoo = told
            .problems
            .iter()
            .filter(|problem| problem.host.contains("zoo"));
        assert_eq!(zoo.count(), 2);
    }

    #[test]
    fn a_node_without_problems_says_nothing() {
        assert_eq!(told(Vec::new(), &[], namespace), Told::default());
    }

    #[test]
    fn long_texts_are_cut_to_what_the_schema_takes() {
        let long = Problem {
            message: "ä".repeat(5000),
            ..problem("a", ProblemReason::Unproved)
        };
        let told = told(vec![long], &[], namespace);
        assert_eq!(told.problems[0].message.chars().count(), 1024);
    }
}
