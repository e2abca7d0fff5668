//! Watches that are broken: what is in the cache may have been true once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A watch that breaks off is usually taken up again within seconds.
const GRACE: Duration = Duration::from_secs(30);
/// As much of an error as people are told.
const LONGEST: usize = 300;

/// Watches that are broken, by kind: since when, and what was said last.
#[derive(Clone, Default)]
pub(super) struct Broken(Arc<Mutex<BTreeMap<String, (Instant, String)>>>);

impl Broken {
    pub(super) fn note(&self, kind: &str, error: &str) {
        let error = error[..error.floor_char_boundary(LONGEST)].to_owned();
        let mut broken = self.lock();
        let known = broken
            .entry(kind.to_owned())
            .or_insert_with(|| (Instant::now(), String::new()));
        known.1 = error;
    }

    pub(super) fn mend(&self, kind: &str) {
        self.lock().remove(kind);
    }

    /// What cannot be seen; `at_once`: also what broke only now.
    pub(super) fn told(&self, at_once: bool) -> Option<String> {
        let broken = self.lock();
        let (kind, (_, error)) = broken
            .iter()
            .find(|(_, (since, _))| at_once || since.elapsed() >= GRACE)?;
        Some(format!("the operator cannot watch {kind}s: {error}"))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_break_is_told_only_where_nothing_was_seen_before() {
        let broken = Broken::default();
        assert_eq!(broken.told(true), None);
        broken.note("Node", "no answer");
        broken.note("Node", "forbidden");
        assert_eq!(broken.told(false), None);
        let told = broken.told(true).expect("it is broken");
        assert!(told.contains("Nodes: forbidden"), "{told}");
        broken.mend("Node");
        assert_eq!(broken.told(true), None);
    }
}
