//! A store in memory, for tests: one lock makes every call atomic, and nothing outlives the process.

mod uploads;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use futures::{FutureExt, future};

use super::{
    Answer, Buffers, Clock, Entry, Error, Key, Objects, Opened, Page, Reading, Removal, Stat, Version,
    Walked, Wanted,
};
use uploads::Upload;

/// Clones are the same store.
#[derive(Clone, Debug)]
pub(crate) struct MemoryStorage {
    kept: Arc<Mutex<Kept>>,
    buffers: Arc<Buffers>,
}

#[derive(Debug, Default)]
struct Kept {
    objects: BTreeMap<Key, Stored>,
    uploads: BTreeMap<Key, Upload>,
    writes: u64,
}

#[derive(Clone, Debug)]
struct Stored {
    bytes: Bytes,
    modified: SystemTime,
    version: u64,
}

/// A piece of what is read: more than one, of all but small objects.
const PIECE: usize = 64 << 10;

impl MemoryStorage {
    pub(crate) fn new() -> Self {
        MemoryStorage {
            kept: Arc::default(),
            buffers: Buffers::new(12 << 20),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it is polled, as with other stores.
    fn answer<'a, T: Send + 'a>(
        &'a self,
        job: impl FnOnce(&mut Kept) -> Result<T, Error> + Send + 'a,
    ) -> Answer<'a, T> {
        future::lazy(move |_| job(&mut self.kept())).boxed()
    }
}

impl Kept {
    fn write(&mut self, key: &Key, bytes: Bytes) -> Version {
        self.writes += 1;
        let stored = Stored {
            bytes,
            modified: SystemTime::now(),
            version: self.writes,
        };
        let version = stored.version();
        self.objects.insert(key.clone(), stored);
        version
    }

    fn read(&self, key: &Key, limit: usize) -> Option<Bytes> {
        let stored = self.objects.get(key)?;
        Some(stored.bytes.slice(..stored.bytes.len().min(limit)))
    }

    fn below(&self, folder: &Key) -> Vec<Key> {
        let is_below = |key: &&Key| name_below(key, folder).is_some();
        self.objects.keys().filter(is_below).cloned().collect()
    }
}

/// What follows the folder in the key.
fn name_below<'a>(key: &'a Key, folder: &Key) -> Option<&'a str> {
    key.as_str().strip_prefix(folder.as_str())?.strip_prefix('/')
}

impl Stored {
    fn version(&self) -> Version {
        Version(self.version.to_string().into())
    }

    fn stat(&self) -> Stat {
        Stat {
            size: self.bytes.len() as u64,
            modified: self.modified,
            changed: self.modified,
        }
    }
}

impl Objects for MemoryStorage {
    fn stat<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stat>> {
        self.answer(|kept| Ok(kept.objects.get(key).map(Stored::stat)))
    }

    fn read<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<Bytes>> {
        self.answer(move |kept| Ok(kept.read(key, limit)))
    }

    fn read_version<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<(Bytes, Version)>> {
        self.answer(move |kept| {
            Ok(kept
                .read(key, limit)
                .zip(kept.objects.get(key).map(Stored::version)))
        })
    }

    fn read_many(&self, keys: Arc<[Key]>, limit: usize) -> Answer<'_, Vec<Option<Bytes>>> {
        self.answer(move |kept| Ok(keys.iter().map(|key| kept.read(key, limit)).collect()))
    }

    fn open<'a>(&'a self, key: &'a Key, wanted: Wanted) -> Answer<'a, Opened> {
        self.answer(move |kept| {
            let Some(stored) = kept.objects.get(key) else {
                return Ok(Opened::Missing);
            };
            let stat = stored.stat();
            let Some(range) = wanted.of(stat.size) else {
                return Ok(Opened::Unsatisfiable { size: stat.size });
            };
            let part = stored.bytes.slice(range.start as usize..range.end as usize);
            Ok(Opened::Found(Reading {
                stat,
                range,
                pieces: pieces(part),
            }))
        })
    }

    fn write<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, Version> {
        self.answer(move |kept| Ok(kept.write(key, bytes)))
    }

    fn write_lazily<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, ()> {
        self.answer(move |kept| {
            kept.write(key, bytes);
            Ok(())
        })
    }

    fn confirm<'a>(&'a self, key: &'a Key) -> Answer<'a, bool> {
        self.answer(move |kept| Ok(kept.objects.contains_key(key)))
    }

    fn list<'a>(&'a self, folder: &'a Key, after: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        self.answer(move |kept| {
            let below = kept.objects.keys().filter_map(|key| name_below(key, folder));
            let entries: BTreeSet<Entry> = below
                .map(|rest| match rest.split_once('/') {
                    Some((name, _)) => (name, true),
                    None => (rest, false),
                })
                .filter(|(name, _)| after.is_none_or(|after| *name > after))
                .map(|(name, is_folder)| Entry {
                    name: name.to_owned(),
                    is_folder,
                })
                .collect();
            let more = entries.len() > limit;
            let entries = entries.into_iter().take(limit).collect();
            Ok(Page { entries, more })
        })
    }

    fn walk(&self, folder: &Key) -> Walked {
        let (storage, folder) = (self.clone(), folder.clone());
        let all = async move {
            let kept = storage.kept();
            let below = kept
                .objects
                .iter()
                .filter(|(key, _)| name_below(key, &folder).is_some());
            let found: Vec<_> = below.map(|(key, stored)| (key.clone(), stored.stat())).collect();
            Ok(found)
        };
        stream::once(all).boxed()
    }

    fn delete<'a>(&'a self, key: &'a Key) -> Answer<'a, ()> {
        self.answer(move |kept| {
            kept.objects.remove(key);
            Ok(())
        })
    }

    fn delete_many(&self, keys: Arc<[Key]>) -> Answer<'_, Vec<Result<(), Error>>> {
        self.answer(move |kept| {
            let delete = |key: &Key| drop(kept.objects.remove(key));
            Ok(keys.iter().map(delete).map(Ok).collect())
        })
    }

    fn delete_if_same<'a>(&'a self, key: &'a Key, version: &'a Version) -> Answer<'a, Removal> {
        self.answer(move |kept| {
            if kept
                .objects
                .get(key)
                .is_some_and(|stored| stored.version() != *version)
            {
                return Ok(Removal::Moved);
            }
            kept.objects.remove(key);
            Ok(Removal::Deleted)
        })
    }

    fn delete_folder<'a>(&'a self, folder: &'a Key) -> Answer<'a, ()> {
        self.answer(move |kept| {
            for key in kept.below(folder) {
                kept.objects.remove(&key);
            }
            Ok(())
        })
    }

    fn clock(&self) -> Clock {
        Clock::ours(Duration::ZERO)
    }
}

fn pieces(bytes: Bytes) -> super::Pieces {
    let starts = (0..bytes.len()).step_by(PIECE);
    let pieces: Vec<_> = starts
        .map(|start| Ok(bytes.slice(start..bytes.len().min(start + PIECE))))
        .collect();
    stream::iter(pieces).boxed()
}

#[cfg(test)]
mod tests {
    use super::super::Storage;
    use super::super::contract::contract_tests;
    use super::*;

    fn fresh() -> (Arc<dyn Storage>, ()) {
        (Arc::new(MemoryStorage::new()), ())
    }

    contract_tests!(fresh());
}
