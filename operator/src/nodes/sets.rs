//! The sets of bundles that agents may be carrying.
//!
//! A node names all that it carries by one hash. To know what is behind the hash, the operator remembers the
//! recent sets: a node that is one change behind still counts for every host that the change left alone.

use roadstead_api::trust::{TrustBundleSpec, set_hash};
use std::collections::{BTreeMap, VecDeque};

/// How many sets are remembered. An agent that is further behind counts again when it has caught up.
const REMEMBERED: usize = 16;

/// Recent sets of bundles, the newest last.
#[derive(Debug, Default)]
pub(super) struct Sets {
    recent: VecDeque<(String, BTreeMap<String, String>)>,
}

impl Sets {
    /// Notes the bundles as they stand now.
    pub(super) fn record<'a>(&mut self, bundles: impl IntoIterator<Item = &'a TrustBundleSpec>) {
        let contents: BTreeMap<String, String> = bundles
            .into_iter()
            .map(|bundle| (bundle.host.clone(), bundle.content_hash()))
            .collect();
        let set = set_hash(&contents);
        if self.recent.back().is_some_and(|(newest, _)| *newest == set) {
            return;
        }
        self.recent.retain(|(known, _)| *known != set);
        self.recent.push_back((set, contents));
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
    }

    /// Whether a node that carries `set` has this content for the host.
    pub(super) fn has(&self, set: &str, host: &str, content: &str) -> bool {
        self.recent
            .iter()
            .find(|(known, _)| known == set)
            .and_then(|(_, contents)| contents.get(host))
            .is_some_and(|held| held == content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadstead_api::trust::RegistryReference;

    fn bundle(host: &str, ca: &str) -> TrustBundleSpec {
        TrustBundleSpec {
            proof: Default::default(),
            installation: "a/b".into(),
            host: host.into(),
            ca: ca.into(),
            server: None,
            registry: RegistryReference {
                namespace: "n".into(),
                name: "r".into(),
                uid: "u".into(),
            },
        }
    }

    fn hash(bundles: &[&TrustBundleSpec]) -> String {
        set_hash(
            bundles
                .iter()
                .map(|bundle| (bundle.host.clone(), bundle.content_hash())),
        )
    }

    #[test]
    fn a_node_one_change_behind_still_has_what_the_change_left_alone() {
        let (a, b, new_b) = (bundle("a", "1"), bundle("b", "1"), bundle("b", "2"));
        let mut sets = Sets::default();
        sets.record([&a, &b]);
        sets.record([&a, &new_b]);
        let old = hash(&[&a, &b]);
        assert!(sets.has(&old, "a", &a.content_hash()));
        assert!(!sets.has(&old, "b", &new_b.content_hash()));
        assert!(sets.has(&hash(&[&a, &new_b]), "b", &new_b.content_hash()));
    }

    #[test]
    fn a_set_that_was_never_seen_says_nothing() {
        let a = bundle("a", "1");
        let mut sets = Sets::default();
        sets.record([&a]);
        assert!(!sets.has("0000", "a", &a.content_hash()));
    }

    #[test]
    fn only_so_many_sets_are_remembered() {
        let mut sets = Sets::default();
        let first = bundle("a", "0");
        for round in 0..=REMEMBERED {
            sets.record([&bundle("a", &round.to_string())]);
        }
        assert_eq!(sets.recent.len(), REMEMBERED);
        assert!(!sets.has(&hash(&[&first]), "a", &first.content_hash()));
    }
}
