//! The sets of bundles that agents may be carrying.
//!
//! A node names all that it carries by one hash. To know what is behind the hash, the operator remembers the set as
//! it is now and the changes that led to it: a node that is some changes behind still counts for every host that
//! those left alone, however fast someone else changes theirs.

use roadstead_api::trust::{Proof, RegistryReference, TrustBundleSpec, set_hash};
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};

/// How many changes are remembered. An agent that is further behind counts again when it has caught up.
const REMEMBERED: usize = 1024;

/// What a set has for one host; `None`: nothing.
type Content = Option<String>;

/// What a bundle makes nodes carry, by its hashes.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "TrustBundleSpec")]
pub(super) struct Carried {
    pub(super) installation: String,
    pub(super) registry: RegistryReference,
    host: String,
    content: String,
    /// As agents name it that do not know yet that a host may be idle.
    proved: String,
}

impl From<TrustBundleSpec> for Carried {
    fn from(mut bundle: TrustBundleSpec) -> Self {
        let content = bundle.content_hash();
        bundle.proof = Proof::Required;
        Self {
            proved: bundle.content_hash(),
            content,
            installation: bundle.installation,
            registry: bundle.registry,
            host: bundle.host,
        }
    }
}

/// Recent sets of bundles.
#[derive(Debug, Default)]
pub(super) struct Sets {
    /// The newest one: hosts with their content, by host.
    now: Vec<(String, String)>,
    set: String,
    /// Those before it, the newest last.
    past: VecDeque<Past>,
    /// The newest one as agents name it that do not know yet that a host may be idle. They carry all of it, too.
    without_idle: String,
}

/// A set that was, as the difference from the one after it.
#[derive(Debug)]
struct Past {
    set: String,
    /// What it had where the next one has something else.
    had: BTreeMap<String, Content>,
}

/// One of the sets, to look into.
#[derive(Debug)]
pub(super) struct View<'a> {
    sets: &'a Sets,
    had: BTreeMap<&'a str, Option<&'a str>>,
}

impl Sets {
    /// Notes the bundles as they stand now.
    pub(super) fn record<'a>(&mut self, bundles: impl IntoIterator<Item = &'a Carried>) {
        let (mut contents, mut without_idle) = (BTreeMap::new(), BTreeMap::new());
        for bundle in bundles {
            contents.insert(bundle.host.clone(), bundle.content.clone());
            without_idle.insert(bundle.host.clone(), bundle.proved.clone());
        }
        self.without_idle = set_hash(&without_idle);
        let set = set_hash(&contents);
        if self.set == set {
            return;
        }
        let before = Past {
            set: std::mem::replace(&mut self.set, set),
            had: difference(&self.now, &contents),
        };
        self.now = contents.into_iter().collect();
        // Nothing was known before the first one.
        if !before.set.is_empty() {
            self.past.push_back(before);
        }
        if self.past.len() > REMEMBERED {
            self.past.pop_front();
        }
    }

    /// The set of that name; `None`: it is not remembered.
    pub(super) fn view(&self, set: &str) -> Option<View<'_>> {
        let mut view = View {
            sets: self,
            had: BTreeMap::new(),
        };
        if self.set == set || self.without_idle == set {
            return Some(view);
        }
        for past in self.past.iter().rev() {
            let had = past.had.iter();
            view.had
                .extend(had.map(|(host, content)| (host.as_str(), content.as_deref())));
            if past.set == set {
                return Some(view);
            }
        }
        None
    }

    fn content(&self, host: &str) -> Option<&str> {
        let at = self
            .now
            .binary_search_by(|(known, _)| known.as_str().cmp(host))
            .ok()?;
        Some(&self.now[at].1)
    }
}

impl View<'_> {
    /// Whether the set has this content for the host.
    pub(super) fn has(&self, host: &str, content: &str) -> bool {
        let held = match self.had.get(host) {
            Some(held) => *held,
            None => self.sets.content(host),
        };
        held == Some(content)
    }

    /// At which place of the set the host stands, in alphabetical order.
    pub(super) fn place(&self, host: &str) -> usize {
        let place = self.sets.now.partition_point(|(known, _)| known.as_str() < host);
        let earlier = self.had.iter().take_while(|(other, _)| **other < host);
        let (mut more, mut fewer) = (0, 0);
        for (other, held) in earlier {
            match (held.is_some(), self.sets.content(other).is_some()) {
                (true, false) => more += 1,
                (false, true) => fewer += 1,
                (true, true) | (false, false) => {}
            }
        }
        place + more - fewer
    }
}

/// What `before` has where `after` has something else.
fn difference(before: &[(String, String)], after: &BTreeMap<String, String>) -> BTreeMap<String, Content> {
    let before: BTreeMap<&String, &String> = before.iter().map(|(host, content)| (host, content)).collect();
    let lost = before
        .iter()
        .filter(|(host, content)| after.get(**host) != Some(**content))
        .map(|(host, content)| ((*host).clone(), Some((*content).clone())));
    let new = after
        .keys()
        .filter(|host| !before.contains_key(*host))
        .map(|host| (host.clone(), None));
    lost.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(host: &str, ca: &str) -> TrustBundleSpec {
        TrustBundleSpec {
            installation: "a/b".into(),
            host: host.into(),
            ca: ca.into(),
            server: None,
            proof: Proof::default(),
            registry: RegistryReference {
                namespace: "n".into(),
                name: "r".into(),
                uid: "u".into(),
            },
        }
    }

    fn record(sets: &mut Sets, bundles: &[&TrustBundleSpec]) {
        let carried = bundles.iter().map(|bundle| Carried::from((*bundle).clone()));
        sets.record(&carried.collect::<Vec<_>>());
    }

    fn hash(bundles: &[&TrustBundleSpec]) -> String {
        set_hash(
            bundles
                .iter()
                .map(|bundle| (bundle.host.clone(), bundle.content_hash())),
        )
    }

    fn has(sets: &Sets, set: &str, bundle: &TrustBundleSpec) -> bool {
        sets.view(set)
            .is_some_and(|view| view.has(&bundle.host, &bundle.content_hash()))
    }

    #[test]
    fn a_node_one_change_behind_still_has_what_the_change_left_alone() {
        let (a, b, new_b) = (bundle("a", "1"), bundle("b", "1"), bundle("b", "2"));
        let mut sets = Sets::default();
        record(&mut sets, &[&a, &b]);
        record(&mut sets, &[&a, &new_b]);
        let old = hash(&[&a, &b]);
        assert!(has(&sets, &old, &a));
        assert!(has(&sets, &old, &b));
        assert!(!has(&sets, &old, &new_b));
        assert!(has(&sets, &hash(&[&a, &new_b]), &new_b));
    }

    #[test]
    fn an_agent_that_does_not_know_idle_hosts_carries_the_newest_set() {
        let (serving, idle) = (bundle("a", "1"), bundle("b", "1"));
        let told = TrustBundleSpec {
            proof: Proof::NotExpected,
            ..idle.clone()
        };
        let mut sets = Sets::default();
        record(&mut sets, &[&serving, &told]);
        for set in [hash(&[&serving, &told]), hash(&[&serving, &idle])] {
            assert!(has(&sets, &set, &serving) && has(&sets, &set, &told));
        }
        record(&mut sets, &[&bundle("a", "2"), &told]);
        assert!(!has(&sets, &hash(&[&serving, &idle]), &told));
    }

    #[test]
    fn a_set_that_was_never_seen_says_nothing() {
        let a = bundle("a", "1");
        let mut sets = Sets::default();
        assert!(sets.view("").is_some_and(|view| !view.has("a", "1")));
        record(&mut sets, &[&a]);
        assert!(!has(&sets, "0000", &a));
    }

    #[test]
    fn a_tenant_that_changes_its_bundle_all_the_time_hides_no_other_host() {
        let good = bundle("good", "1");
        let mut sets = Sets::default();
        let first = bundle("evil", "0");
        record(&mut sets, &[&first, &good]);
        for round in 1..REMEMBERED {
            record(&mut sets, &[&bundle("evil", &round.to_string()), &good]);
        }
        assert!(has(&sets, &hash(&[&first, &good]), &good));
    }

    #[test]
    fn only_so_many_changes_are_remembered() {
        let mut sets = Sets::default();
        let first = bundle("a", "0");
        record(&mut sets, &[&first]);
        for round in 1..=REMEMBERED + 1 {
            record(&mut sets, &[&bundle("a", &round.to_string())]);
        }
        assert_eq!(sets.past.len(), REMEMBERED);
        assert!(sets.view(&hash(&[&first])).is_none());
    }

    #[test]
    fn every_remembered_set_keeps_its_contents_and_places() {
        // A walk without chance: each round adds, changes or takes away other hosts.
        let mut sets = Sets::default();
        let mut all: Vec<BTreeMap<String, String>> = Vec::new();
        let mut now = BTreeMap::new();
        let mut state = 7_u64;
        for _ in 0..200 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (host, change) = (format!("h{}", (state >> 33) % 12), (state >> 50) % 3);
            match change {
                0 => drop(now.remove(&host)),
                version => drop(now.insert(host, version.to_string())),
            }
            let bundles: Vec<_> = now.iter().map(|(host, ca)| bundle(host, ca)).collect();
            record(&mut sets, &bundles.iter().collect::<Vec<_>>());
            all.push(now.clone());
        }
        for contents in all {
            let bundles: Vec<_> = contents.iter().map(|(host, ca)| bundle(host, ca)).collect();
            let view = sets
                .view(&hash(&bundles.iter().collect::<Vec<_>>()))
                .expect("it is remembered");
            for (place, bundle) in bundles.iter().enumerate() {
                assert!(view.has(&bundle.host, &bundle.content_hash()));
                assert_eq!(view.place(&bundle.host), place);
            }
            assert!((0..12).map(|host| format!("h{host}")).all(|host| {
                contents.contains_key(&host)
                    || !["1", "2"]
                        .iter()
                        .any(|ca| view.has(&host, &bundle(&host, ca).content_hash()))
            }));
        }
    }
}
