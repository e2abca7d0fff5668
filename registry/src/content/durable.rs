//! What this process knows to be durable.
//!
//! A link can be seen before the push that made it has flushed it, and files of a process that died may never have
//! been flushed. A push that relies on what it found must not be acknowledged before that is certain.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::error::Error;
use crate::storage::{Key, Stat, Storage};

/// A kernel writes on its own within a minute or so. What is older than this has been on the disk for long.
const WRITTEN_BY_ITSELF: Duration = Duration::from_secs(60 * 60);
/// More are forgotten, which costs flushes and nothing else.
const KNOWN: usize = 64 << 10;

/// Knows it by hashes of keys with their modification times: somebody may delete an object and make it again.
#[derive(Debug)]
pub(super) struct Durable {
    storage: Arc<dyn Storage>,
    known: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

impl Durable {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Durable {
            storage,
            known: Mutex::default(),
            hasher: RandomState::default(),
        }
    }

    /// After an object was written durably.
    pub(super) async fn remember(&self, key: &Key) -> Result<(), Error> {
        if let Some(stat) = self.storage.stat(key).await? {
            self.insert(key, stat.modified);
        }
        Ok(())
    }

    /// Before somebody who wants it deleted hears that it is not there: a process that died may have taken it away without
    /// coming to flush that, and a power cut would bring it back.
    pub(super) async fn ensure_gone(&self, key: &Key) -> Result<(), Error> {
        self.storage.confirm(key).await?;
        Ok(())
    }

    /// Makes certain that an object which was found outlives a power cut. `false`: it is gone.
    pub(super) async fn ensure(&self, key: &Key, found: Stat) -> Result<bool, Error> {
        // Its name may be younger than its bytes: an upload that lay open for hours, or a backup that kept the times.
        if self.storage.clock().is_older(found.changed, WRITTEN_BY_ITSELF) || self.knows(key, found.modified)
        {
            return Ok(true);
        }
        let is_there = self.storage.confirm(key).await?;
        if is_there {
            self.insert(key, found.modified);
        }
        Ok(is_there)
    }

    fn insert(&self, key: &Key, modified: SystemTime) {
        let mut known = self.known();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(self.hasher.hash_one((key, modified)));
    }

    fn knows(&self, key: &Key, modified: SystemTime) -> bool {
        self.known().contains(&self.hasher.hash_one((key, modified)))
    }

    fn known(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
