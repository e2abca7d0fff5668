//! Blobs whose bytes are not what their digest says: cut short by a power cut below another program, or by hand.
//!
//! Such a blob counts as absent, so that clients send it again, and the push overwrites it. Nobody reads blobs just to
//! look for damage; but when a manifest says another size than what is stored, one of the two is wrong, and the bytes
//! tell which.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roadstead_oci::Digest;
use tracing::warn;

use super::error::Error;
use super::hashing::{digest_of, hash_all};
use super::layout;
use crate::storage::{Opened, Stat, Storage, Wanted};

/// More are forgotten, and examined again when somebody asks.
const KNOWN: usize = 4 << 10;

/// Knows what was examined, with what came out. Data that is written anew has another time, and is not known.
#[derive(Debug)]
pub(super) struct Verify {
    storage: Arc<dyn Storage>,
    is_damaged: Mutex<HashMap<u64, bool>>,
    hasher: RandomState,
    /// Reading a blob takes long: one at a time.
    examining: tokio::sync::Mutex<()>,
}

impl Verify {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Verify {
            storage,
            is_damaged: Mutex::default(),
            hasher: RandomState::default(),
            examining: tokio::sync::Mutex::default(),
        }
    }

    /// Whether data of this size may be served, as far as is known.
    pub(super) async fn is_damaged(&self, target: &Digest, size: u64) -> Result<bool, Error> {
        if size == 0 && digest_of(target.algorithm(), b"") != *target {
            return Ok(true);
        }
        if self.outcomes().is_empty() {
            return Ok(false);
        }
        let found = self.storage.stat(&layout::blob_data(target)).await?;
        Ok(found.is_some_and(|found| self.known(target, found) == Some(true)))
    }

    /// Reads data that is suspect to its end.
    pub(super) async fn examine(&self, target: &Digest, found: Stat) -> Result<bool, Error> {
        let _one_at_a_time = self.examining.lock().await;
        if let Some(known) = self.known(target, found) {
            return Ok(known);
        }
        let data = layout::blob_data(target);
        let Opened::Found(reading) = self.storage.open(&data, Wanted::All).await? else {
            return Ok(true);
        };
        let actual = hash_all(target.algorithm(), reading.pieces).await?;
        let is_damaged = actual != *target;
        if is_damaged {
            warn!(digest = %target, %actual, size = found.size, "blob is damaged and counts as absent; the next push mends it");
        }
        self.remember(target, found, is_damaged);
        Ok(is_damaged)
    }

    fn known(&self, target: &Digest, found: Stat) -> Option<bool> {
        self.outcomes().get(&self.hash(target, found)).copied()
    }

    fn remember(&self, target: &Digest, found: Stat, is_damaged: bool) {
        let mut outcomes = self.outcomes();
        if outcomes.len() >= KNOWN {
            outcomes.clear();
        }
        outcomes.insert(self.hash(target, found), is_damaged);
    }

    fn hash(&self, target: &Digest, found: Stat) -> u64 {
        self.hasher.hash_one((target, found.size, found.modified))
    }

    fn outcomes(&self) -> MutexGuard<'_, HashMap<u64, bool>> {
        self.is_damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
