//! How long to wait before a failed round is tried again: longer each time, for each Registry by itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(120);

/// Failures in a row, by namespace and name.
#[derive(Default)]
pub(super) struct Backoff(Mutex<HashMap<(String, String), u32>>);

impl Backoff {
    pub(super) fn next(&self, namespace: &str, name: &str) -> Duration {
        let mut failures = self.lock();
        let count = failures
            .entry((namespace.to_owned(), name.to_owned()))
            .or_default();
        let pause = FIRST * 2u32.saturating_pow((*count).min(10));
        *count += 1;
        pause.min(LONGEST)
    }

    pub(super) fn reset(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_registry_waits_for_itself_and_no_longer_than_the_longest() {
        let backoff = Backoff::default();
        assert_eq!(backoff.next("a", "x"), Duration::from_secs(1));
        assert_eq!(backoff.next("a", "x"), Duration::from_secs(2));
        assert_eq!(backoff.next("b", "x"), Duration::from_secs(1));
        for _ in 0..20 {
            backoff.next("a", "x");
        }
        assert_eq!(backoff.next("a", "x"), LONGEST);
        backoff.reset("a", "x");
        assert_eq!(backoff.next("a", "x"), FIRST);
    }
}
