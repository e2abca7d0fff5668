//! Which hosts are proved, and when the next canary is due. Pure: time is handed in.
//!
//! A proof holds for one content of one host and one start of the runtime, and nothing but a change of these takes
//! it away: that the registry is down later says nothing about the node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use roadstead_api::trust::{Problem, ProblemReason};
use tokio::time::Instant;

use crate::bundle::Bundle;
use crate::verdict::Verdict;

#[derive(Debug, Default)]
pub struct Prover {
    runtime: String,
    hosts: BTreeMap<String, Case>,
    /// When each namespace last had its turn.
    turns: BTreeMap<String, Instant>,
}

/// One host as far as it is proved.
#[derive(Debug)]
struct Case {
    bundle: Arc<Bundle>,
    state: State,
}

#[derive(Debug)]
enum State {
    Proved,
    Open {
        tries: u32,
        since: Instant,
        due: Instant,
        in_flight: bool,
        failure: Option<(ProblemReason, String)>,
    },
}

const FIRST_DELAY: Duration = Duration::from_millis(250);
/// The longest delay until an open case is so old. While a new registry comes up, someone is waiting; later, a
/// failed pull in the runtime's log every few seconds helps no one.
const PATIENCE: [(Duration, Duration); 2] = [
    (Duration::from_secs(60), Duration::from_secs(2)),
    (Duration::from_secs(180), Duration::from_secs(5)),
];
const PATIENT: Duration = Duration::from_secs(30);

impl Prover {
    /// Takes in what is in force now, for this start of the runtime. `known` are proofs from before this process.
    /// Where nothing serves, nothing is asked.
    pub fn update(
        &mut self,
        runtime: &str,
        in_force: &[Arc<Bundle>],
        known: impl Fn(&Bundle) -> bool,
        now: Instant,
    ) {
        if self.runtime != runtime {
            self.hosts.clear();
            runtime.clone_into(&mut self.runtime);
        }
        let asked = || in_force.iter().filter(|bundle| bundle.wants_proof());
        let wanted: BTreeMap<&str, &Arc<Bundle>> =
            asked().map(|bundle| (bundle.host().as_str(), bundle)).collect();
        self.hosts.retain(|host, case| {
            wanted
                .get(host.as_str())
                .is_some_and(|wanted| **wanted == case.bundle)
        });
        for bundle in asked() {
            self.hosts
                .entry(bundle.host().to_string())
                .or_insert_with(|| Case {
                    bundle: bundle.clone(),
                    state: if known(bundle) {
                        State::Proved
                    } else {
                        State::open(now)
                    },
                });
        }
    }

    /// At most `room` bundles to send a canary for now; each is in flight until [`Self::judged`]. A namespace has one
    /// in flight, and those that have waited longest for their turn go first: hosts that never answer keep no host of
    /// another namespace from being asked, however many they are.
    pub fn take_due(&mut self, now: Instant, room: usize) -> Vec<Arc<Bundle>> {
        let flying = self.flying();
        let mut next: BTreeMap<String, (bool, Instant, String)> = BTreeMap::new();
        for (host, Case { bundle, state }) in &self.hosts {
            let State::Open {
                tries,
                due,
                in_flight: false,
                ..
            } = state
            else {
                continue;
            };
            if *due > now || flying.contains(bundle.namespace()) {
                continue;
            }
            // One that was never asked goes before one that was.
            let this = (*tries > 0, *due, host.clone());
            let first = next
                .entry(bundle.namespace().to_owned())
                .or_insert_with(|| this.clone());
            if this < *first {
                *first = this;
            }
        }
        let hosts = &self.hosts;
        self.turns
            .retain(|namespace, _| hosts.values().any(|case| case.bundle.namespace() == namespace));
        let mut waiting: Vec<_> = next.into_iter().collect();
        waiting.sort_by_key(|(namespace, (_, due, _))| (self.turns.get(namespace).copied(), *due));
        let chosen = waiting.into_iter().take(room);
        chosen
            .filter_map(|(namespace, (.., host))| {
                self.turns.insert(namespace, now);
                let Case { bundle, state } = self.hosts.get_mut(&host)?;
                if let State::Open { in_flight, .. } = state {
                    *in_flight = true;
                }
                Some(bundle.clone())
            })
            .collect()
    }

    /// The namespaces that have a canary in flight.
    fn flying(&self) -> BTreeSet<String> {
        let flying = |case: &&Case| matches!(case.state, State::Open { in_flight: true, .. });
        let flying = self.hosts.values().filter(flying);
        flying.map(|case| case.bundle.namespace().to_owned()).collect()
    }

    /// When the next canary is due.
    pub fn next_due(&self) -> Option<Instant> {
        let flying = self.flying();
        let free = self
            .hosts
            .values()
            .filter(|case| !flying.contains(case.bundle.namespace()));
        let due = free.filter_map(|case| match &case.state {
            State::Open {
                due,
                in_flight: false,
                ..
            } => Some(*due),
            State::Open { .. } | State::Proved => None,
        });
        due.min()
    }

    /// Takes in what a canary showed, unless the world has moved on meanwhile. Says whether it is news.
    pub fn judged(&mut self, runtime: &str, bundle: &Arc<Bundle>, verdict: Verdict, now: Instant) -> bool {
        let case = self.hosts.get_mut(bundle.host().as_str());
        let Some(case) = case.filter(|case| case.bundle == *bundle && self.runtime == runtime) else {
            return false;
        };
        let State::Open {
            tries,
            since,
            due,
            in_flight,
            failure,
        } = &mut case.state
        else {
            return false;
        };
        match verdict {
            Verdict::Proved => {
                case.state = State::Proved;
                true
            }
            Verdict::NotProved { reason, message } => {
                *in_flight = false;
                *due = now + delay(*tries, now - *since);
                *tries += 1;
                // The first text of a kind stays: times and ports in it would make every try a news.
                let news = failure.as_ref().is_none_or(|(known, _)| *known != reason);
                if news {
                    *failure = Some((reason, message));
                }
                news
            }
        }
    }

    /// Whether a host waits for the answer to its first canary.
    pub fn is_undecided(&self) -> bool {
        self.hosts
            .values()
            .any(|case| matches!(case.state, State::Open { failure: None, .. }))
    }

    /// Proved hosts with the content and the start of the runtime that it holds for.
    pub fn proofs(&self) -> BTreeMap<String, (String, String)> {
        let proved = self
            .hosts
            .iter()
            .filter(|(_, case)| matches!(case.state, State::Proved));
        proved
            .map(|(host, case)| {
                (
                    host.clone(),
                    (case.bundle.content().to_owned(), self.runtime.clone()),
                )
            })
            .collect()
    }

    /// One for each host that is not proved.
    pub fn problems(&self) -> Vec<Problem> {
        let open = self.hosts.iter().filter_map(|(host, case)| match &case.state {
            State::Proved => None,
            State::Open { failure, .. } => Some((host, failure.as_ref())),
        });
        open.map(|(host, failure)| {
            let waiting = || {
                (
                    ProblemReason::Unproved,
                    "written; the first pull has not answered yet".to_owned(),
                )
            };
            let (reason, message) = failure.cloned().unwrap_or_else(waiting);
            Problem {
                host: host.clone(),
                reason,
                path: None,
                message,
            }
        })
        .collect()
    }
}

impl State {
    fn open(now: Instant) -> Self {
        Self::Open {
            tries: 0,
            since: now,
            due: now,
            in_flight: false,
            failure: None,
        }
    }
}

fn delay(tries: u32, age: Duration) -> Duration {
    let longest = PATIENCE.iter().find(|(until, _)| age < *until);
    let longest = longest.map_or(PATIENT, |(_, longest)| *longest);
    longest.min(FIRST_DELAY * 2u32.saturating_pow(tries.min(10)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::tests::{in_namespace, spec};

    fn bundle(host: &str, server: &str) -> Arc<Bundle> {
        crate::bundle::tests::bundle(host, server).into()
    }

    fn refused() -> Verdict {
        Verdict::NotProved {
            reason: ProblemReason::ConnectionFailed,
            message: "port 1".into(),
        }
    }

    fn prover(bundles: &[Arc<Bundle>], now: Instant) -> Prover {
        let mut prover = Prover::default();
        prover.update("start", bundles, |_| false, now);
        prover
    }

    #[test]
    fn a_new_host_is_tried_at_once_and_a_proof_ends_it() {
        let (now, bundle) = (Instant::now(), bundle("a:1", "10.0.0.1:1"));
        let mut prover = prover(std::slice::from_ref(&bundle), now);
        assert!(prover.is_undecided());
        assert_eq!(prover.take_due(now, 8), std::slice::from_ref(&bundle));
        assert_eq!(prover.take_due(now, 8), [], "one canary at a time");
        assert!(prover.judged("start", &bundle, Verdict::Proved, now));
        assert_eq!(prover.problems(), []);
        assert_eq!(prover.next_due(), None);
        assert_eq!(
            prover.proofs()["a:1"],
            (bundle.content().to_owned(), "start".to_owned())
        );
    }

    #[test]
    fn failures_are_tried_again_quickly_at_first() {
        let (now, bundle) = (Instant::now(), bundle("a:1", "10.0.0.1:1"));
        let mut prover = prover(std::slice::from_ref(&bundle), now);
        let (mut at, mut tries) = (now, 0);
        while at < now + Duration::from_secs(20) {
            assert_eq!(prover.take_due(at, 8).len(), 1);
            prover.judged("start", &bundle, refused(), at);
            at = prover.next_due().expect("another try");
            tries += 1;
        }
        assert!((11..=14).contains(&tries), "{tries} tries in 20 s");
        at += Duration::from_secs(300);
        prover.take_due(at, 8);
        prover.judged("start", &bundle, refused(), at);
        assert_eq!(prover.next_due(), Some(at + PATIENT));
    }

    #[test]
    fn the_same_failure_is_no_news_and_another_one_is() {
        let (now, bundle) = (Instant::now(), bundle("a:1", "10.0.0.1:1"));
        let mut prover = prover(std::slice::from_ref(&bundle), now);
        assert!(prover.judged("start", &bundle, refused(), now));
        let same = Verdict::NotProved {
            reason: ProblemReason::ConnectionFailed,
            message: "port 2".into(),
        };
        assert!(!prover.judged("start", &bundle, same, now));
        assert_eq!(prover.problems()[0].message, "port 1");
        let other = Verdict::NotProved {
            reason: ProblemReason::CertificateRejected,
            message: "x509".into(),
        };
        assert!(prover.judged("start", &bundle, other, now));
    }

    #[test]
    fn another_content_or_another_start_of_the_runtime_wants_another_proof() {
        let (now, old) = (Instant::now(), bundle("a:1", "10.0.0.1:1"));
        let mut prover = prover(std::slice::from_ref(&old), now);
        prover.judged("start", &old, Verdict::Proved, now);
        let new = bundle("a:1", "10.0.0.2:1");
        prover.update("start", std::slice::from_ref(&new), |_| false, now);
        assert_eq!(prover.problems().len(), 1);
        assert!(
            !prover.judged("start", &old, Verdict::Proved, now),
            "an answer that came late proves nothing"
        );
        prover.judged("start", &new, Verdict::Proved, now);
        prover.update("start", std::slice::from_ref(&new), |_| false, now);
        assert_eq!(prover.problems(), [], "nothing has changed");
        prover.update("restart", &[new], |_| false, now);
        assert_eq!(prover.problems().len(), 1);
    }

    #[test]
    fn a_proof_from_before_this_process_holds() {
        let (now, bundle) = (Instant::now(), bundle("a:1", "10.0.0.1:1"));
        let mut prover = Prover::default();
        prover.update("start", &[bundle], |_| true, now);
        assert_eq!(prover.problems(), []);
        assert_eq!(prover.take_due(now, 8), []);
    }

    fn many(count: usize, namespace: &str) -> Vec<Arc<Bundle>> {
        (0..count)
            .map(|number| in_namespace(&format!("h{number:03}.{namespace}:1"), namespace).into())
            .collect()
    }

    #[test]
    fn a_namespace_has_one_canary_in_flight() {
        let now = Instant::now();
        let mut prover = prover(&many(20, "a"), now);
        let first = prover.take_due(now, 8);
        assert_eq!(first.len(), 1);
        assert_eq!(prover.take_due(now, 8), []);
        assert_eq!(prover.next_due(), None, "nothing to wake up for");
        prover.judged("start", &first[0], Verdict::Proved, now);
        assert_eq!(prover.next_due(), Some(now));
        assert_ne!(prover.take_due(now, 8), first);
    }

    #[test]
    fn hosts_that_never_answer_keep_no_other_namespace_waiting() {
        let now = Instant::now();
        let mut all = Vec::new();
        for namespace in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
            all.extend(many(40, namespace));
        }
        let mut prover = prover(&all, now);
        // All slots are taken by hosts that do not answer.
        let stuck = prover.take_due(now, 8);
        assert_eq!(stuck.len(), 8);
        all.push(in_namespace("late.z:1", "z").into());
        prover.update("start", &all, |_| false, now + Duration::from_secs(1));
        let (mut at, mut flying) = (now + Duration::from_secs(12), stuck);
        for round in 0.. {
            assert!(round < 2, "others go first, again and again");
            for bundle in &flying {
                prover.judged("start", bundle, refused(), at);
            }
            flying = prover.take_due(at, 8);
            if flying.iter().any(|bundle| bundle.namespace() == "z") {
                return;
            }
            at += Duration::from_secs(12);
        }
    }

    #[test]
    fn a_new_host_goes_before_one_that_failed() {
        let now = Instant::now();
        let (silent, late) = (bundle("a:1", "10.0.0.1:1"), bundle("b:1", "10.0.0.2:1"));
        let mut prover = prover(&[silent.clone(), late.clone()], now);
        assert_eq!(prover.take_due(now, 1), std::slice::from_ref(&silent));
        let later = now + Duration::from_secs(12);
        prover.judged("start", &silent, refused(), now);
        assert_eq!(prover.take_due(later, 1), [late]);
    }

    #[test]
    fn a_host_that_nothing_serves_is_not_asked_and_is_no_problem() {
        let now = Instant::now();
        let mut idle = spec("a:1", Some("10.0.0.1:1"));
        idle.proof = roadstead_api::trust::Proof::NotExpected;
        let idle = Arc::new(Bundle::try_from(&idle).expect("a bundle"));
        let mut prover = prover(&[idle], now);
        assert_eq!((prover.take_due(now, 8), prover.next_due()), (vec![], None));
        assert_eq!(prover.problems(), []);
        assert!(!prover.is_undecided());
        let serving = bundle("a:1", "10.0.0.1:1");
        prover.update("start", std::slice::from_ref(&serving), |_| false, now);
        assert_eq!(prover.take_due(now, 8), [serving]);
    }
}
