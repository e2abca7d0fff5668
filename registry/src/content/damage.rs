//! Blobs whose bytes are not what their digest says: cut short by a power cut below another program, or by hand.
//!
//! Such a blob counts as absent, so that clients send it again, and the push overwrites it. Nobody reads blobs just to
//! look for damage; but when a manifest says another size than what is stored, one of the two is wrong, and the bytes
//! tell which.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use roadstead_oci::Digest;
use tracing::warn;

use super::error::Error;
use super::hasher::digest_of;
use super::uploads::hash_all;
use super::{Content, layout};
use crate::storage::{Opened, Stat, Wanted};

/// More are forgotten, and examined again when somebody asks.
const KNOWN: usize = 4 << 10;

/// What was examined, with what came out. Data that is written anew has another time, and is not known.
#[derive(Debug, Default)]
pub(super) struct Damage {
    is_damaged: Mutex<HashMap<u64, bool>>,
    hasher: RandomState,
    /// Reading a blob takes long: one at a time.
    examining: tokio::sync::Mutex<()>,
}

impl Damage {
    fn known(&self, digest: &Digest, found: Stat) -> Option<bool> {
        let known = self.is_damaged.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&self.hasher.hash_one((digest, found.size, found.modified)))
            .copied()
    }

    fn remember(&self, digest: &Digest, found: Stat, is_damaged: bool) {
        let mut known = self.is_damaged.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(
            self.hasher.hash_one((digest, found.size, found.modified)),
            is_damaged,
        );
    }

    fn is_empty(&self) -> bool {
        self.is_damaged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }
}

impl Content {
    /// Whether data of this size may be served, as far as is known.
    pub(super) async fn is_damaged(&self, target: &Digest, size: u64) -> Result<bool, Error> {
        if size == 0 && digest_of(target.algorithm(), b"") != *target {
            return Ok(true);
        }
        if self.0.damage.is_empty() {
            return Ok(false);
        }
        let found = self.storage().stat(&layout::blob_data(target)).await?;
        Ok(found.is_some_and(|found| self.0.damage.known(target, found) == Some(true)))
    }

    /// Reads data that is suspect to its end.
    pub(super) async fn examine_data(&self, target: &Digest, found: Stat) -> Result<bool, Error> {
        let _one_at_a_time = self.0.damage.examining.lock().await;
        if let Some(known) = self.0.damage.known(target, found) {
            return Ok(known);
        }
        let data = layout::blob_data(target);
        let Opened::Found(reading) = self.storage().open(&data, Wanted::All).await? else {
            return Ok(true);
        };
        let actual = hash_all(target.algorithm(), reading.pieces).await?;
        let is_damaged = actual != *target;
        if is_damaged {
            warn!(digest = %target, %actual, size = found.size, "blob is damaged and counts as absent; the next push mends it");
        }
        self.0.damage.remember(target, found, is_damaged);
        Ok(is_damaged)
    }
}
