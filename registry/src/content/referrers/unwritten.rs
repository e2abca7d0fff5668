//! Entries of referrers that the store did not take: it is full, or may not be written. A list without them would be
//! wrong, so this process remembers them, and makes them when they are asked for; the next one finds them again.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::storage::Key;

#[derive(Debug, Default)]
pub(super) struct Unwritten(Mutex<BTreeSet<String>>);

impl Unwritten {
    pub(super) fn remember(&self, key: &Key) {
        self.entries().insert(key.as_str().to_owned());
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.entries().contains(key.as_str())
    }

    /// Puts in what belongs between the names that the store has in this folder after `after`. If it may have `more`
    /// behind the last of them, the rest follows there.
    pub(super) fn add(&self, folder: &Key, after: Option<&str>, names: &mut Vec<String>, more: bool) {
        let entries = self.entries();
        if entries.is_empty() {
            return;
        }
        let folder = format!("{folder}/");
        let first = format!("{folder}{}", after.unwrap_or_default());
        let behind = entries.range((Bound::Excluded(first), Bound::Unbounded));
        let here = behind.map_while(|key| key.strip_prefix(&folder));
        let fitting = match names.last().cloned().filter(|_| more) {
            Some(last) => here
                .take_while(|name| **name <= *last)
                .map(str::to_owned)
                .collect::<Vec<_>>(),
            None => here.map(str::to_owned).collect(),
        };
        names.extend(fitting);
        names.sort();
        names.dedup();
    }

    fn entries(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    #[test]
    fn its_names_stand_between_those_of_the_store() {
        let unwritten = Unwritten::default();
        for name in ["a/b", "a/d", "a/f", "a-/c", "b/c"] {
            unwritten.remember(&key(name));
        }
        for (after, stored, more, expected) in [
            (None, &["c", "d", "e"][..], true, &["b", "c", "d", "e"][..]),
            (None, &["c", "d", "e"], false, &["b", "c", "d", "e", "f"]),
            (Some("b"), &["c"], true, &["c"]),
            (Some("e"), &[], false, &["f"]),
            (Some("f"), &[], false, &[]),
            (None, &[], false, &["b", "d", "f"]),
        ] {
            let mut names: Vec<String> = stored.iter().map(|&name| name.to_owned()).collect();
            unwritten.add(&key("a"), after, &mut names, more);
            assert_eq!(names, expected, "{after:?} {stored:?}");
        }
    }
}
