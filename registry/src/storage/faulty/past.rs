//! What a machine sees that learns late of what others did, as with a network share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt;

use super::super::{Answer, Entry, Error, Key, Page, Stat, Storage};

/// What objects were before they were changed, and by which view's machine.
#[derive(Debug, Default)]
pub(super) struct Past {
    changes: Mutex<BTreeMap<Key, Vec<Change>>>,
    machines: Mutex<usize>,
}

#[derive(Debug)]
struct Change {
    when: Instant,
    machine: usize,
    before: Option<Then>,
}

/// An object as it was.
#[derive(Clone, Debug)]
pub(super) struct Then {
    pub(super) stat: Stat,
    pub(super) bytes: Bytes,
}

#[derive(Clone, Debug)]
pub(super) struct View {
    past: Arc<Past>,
    machine: usize,
    late: Duration,
}

impl Past {
    /// The view of the first machine, which sees everything at once.
    pub(super) fn of_nobody() -> View {
        View {
            past: Arc::default(),
            machine: 0,
            late: Duration::ZERO,
        }
    }
}

impl View {
    pub(super) fn of_another(&self, late: Duration) -> View {
        let mut machines = self.past.machines.lock().unwrap_or_else(PoisonError::into_inner);
        *machines += 1;
        View {
            past: Arc::clone(&self.past),
            machine: *machines,
            late,
        }
    }

    pub(super) fn is_of_the_past(&self) -> bool {
        !self.late.is_zero()
    }

    /// Before this machine changes the object.
    pub(super) async fn remember(&self, inner: &dyn Storage, key: &Key) -> Result<(), Error> {
        let before = match (inner.stat(key).await?, inner.read(key, usize::MAX).await?) {
            (Some(stat), Some(bytes)) => Some(Then { stat, bytes }),
            _ => None,
        };
        let change = Change {
            when: Instant::now(),
            machine: self.machine,
            before,
        };
        let mut changes = self.past.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.entry(key.clone()).or_default().push(change);
        Ok(())
    }

    /// What this machine still takes the object for, if that is not what it is: it was not there, or it was this.
    #[allow(clippy::option_option)]
    pub(super) fn before(&self, key: &Key) -> Option<Option<Then>> {
        let changes = self.past.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let of_others = changes.get(key)?.iter().rev();
        // What it did itself it knows, and with that all that came before.
        let unseen = of_others
            .take_while(|change| change.machine != self.machine && change.when.elapsed() < self.late);
        unseen.last().map(|change| change.before.clone())
    }

    /// A page of the folder as it was.
    pub(super) fn list<'a>(
        &'a self,
        inner: &'a dyn Storage,
        folder: &'a Key,
        after: Option<&'a str>,
        limit: usize,
    ) -> Answer<'a, Page> {
        Box::pin(async move {
            let mut entries = Vec::new();
            for entry in all(inner, folder).await? {
                let key = folder.join(&entry.name).unwrap();
                let was_there = match entry.is_folder {
                    true => self.had_objects(inner, &key).await?,
                    false => !matches!(self.before(&key), Some(None)),
                };
                entries.extend(was_there.then_some(entry));
            }
            let changed: Vec<Key> = {
                let changes = self.past.changes.lock().unwrap_or_else(PoisonError::into_inner);
                changes.keys().cloned().collect()
            };
            for key in changed {
                let rest = key
                    .as_str()
                    .strip_prefix(folder.as_str())
                    .and_then(|rest| rest.strip_prefix('/'));
                let (Some(rest), Some(Some(_))) = (rest, self.before(&key)) else {
                    continue;
                };
                let (name, is_folder) = rest
                    .split_once('/')
                    .map_or((rest, false), |(name, _)| (name, true));
                entries.push(Entry {
                    name: name.to_owned(),
                    is_folder,
                });
            }
            entries.sort_unstable();
            entries.dedup();
            entries.retain(|entry| after.is_none_or(|after| entry.name.as_str() > after));
            let more = entries.len() > limit;
            entries.truncate(limit);
            Ok(Page { entries, more })
        })
    }

    /// All objects below the folder as they were.
    pub(super) async fn walk(&self, inner: &dyn Storage, folder: &Key) -> Result<Vec<(Key, Stat)>, Error> {
        let mut found: BTreeMap<Key, Stat> = inner.walk(folder).try_concat().await?.into_iter().collect();
        let changed: Vec<Key> = {
            let changes = self.past.changes.lock().unwrap_or_else(PoisonError::into_inner);
            changes.keys().cloned().collect()
        };
        let below = format!("{folder}/");
        for key in changed.into_iter().filter(|key| key.as_str().starts_with(&below)) {
            match self.before(&key) {
                Some(Some(then)) => drop(found.insert(key, then.stat)),
                Some(None) => drop(found.remove(&key)),
                None => {}
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Whether anything that is in this folder now was there then.
    fn had_objects<'a>(&'a self, inner: &'a dyn Storage, folder: &'a Key) -> Answer<'a, bool> {
        Box::pin(async move {
            for entry in all(inner, folder).await? {
                let key = folder.join(&entry.name).unwrap();
                let was_there = match entry.is_folder {
                    true => self.had_objects(inner, &key).await?,
                    false => !matches!(self.before(&key), Some(None)),
                };
                if was_there {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }
}

async fn all(inner: &dyn Storage, folder: &Key) -> Result<Vec<Entry>, Error> {
    Ok(inner.list(folder, None, usize::MAX).await?.entries)
}
