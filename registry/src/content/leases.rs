//! Writers and collections, without a lock.
//!
//! A collection publishes what it is about to delete, and then looks at the links once more. A writer writes its
//! link, always anew, and then looks at what is published. So one of them always sees the other: either the
//! collection finds the new link and spares what it names, or the writer finds the collection, waits for its end,
//! and looks whether its content is still there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roadstead_oci::Digest;
use tracing::{debug, info, warn};

use super::age::is_younger;
use super::error::Error;
use super::layout;
use super::listing::all;
use super::options::Options;
use crate::storage::{Key, Stat, Storage};

/// How long a link protects what it names, counted from its modification time.
pub(super) const GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// A published batch ends before half of the grace; a quarter of an hour later it is void.
const BATCH_IS_VOID: Duration = Duration::from_secs(12 * 60 * 60 + 15 * 60);
const POLL: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Leases {
    storage: Arc<dyn Storage>,
    options: Options,
}

impl Leases {
    pub(super) fn new(storage: Arc<dyn Storage>, options: Options) -> Self {
        Leases { storage, options }
    }

    /// After writing a link: waits for the end of a collection that may not have seen it. `true`: there was one,
    /// so look again. Clients do not wait for ever, so this does not either; what was written so far harms nobody.
    pub(super) async fn collection_passed(&self) -> Result<bool, Error> {
        let began = Instant::now();
        let mut waited = false;
        while self.is_collecting().await? {
            if !waited {
                info!("a push waits for the garbage collection that is deleting");
            }
            waited = true;
            if began.elapsed() >= self.options.collection_patience {
                warn!(
                    waited = ?began.elapsed(),
                    "a push gives up waiting for a garbage collection; if none runs, remove what lies in roadstead/gc"
                );
                return Err(Error::Collecting);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(waited)
    }

    /// Renews a link that was written long ago, for a caller who will rely on it. `false`: it or what it names went
    /// away meanwhile. A link that is deleted at this moment stays deleted. A store that cannot be written still has
    /// what it has.
    pub(super) async fn renew(&self, at: &Key, digest: &Digest) -> Result<bool, Error> {
        let Some(Stat { modified, .. }) = self.storage.stat(at).await? else {
            return Ok(false);
        };
        if self.options.read_only || is_younger(modified, GRACE / 2) {
            return Ok(true);
        }
        match self.storage.touch(at).await {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => {
                debug!(link = %at, %error, "lease not renewed");
                return Ok(true);
            }
        }
        if !self.collection_passed().await? {
            return Ok(true);
        }
        Ok(self.storage.stat(&layout::blob_data(digest)).await?.is_some()
            && self.storage.stat(at).await?.is_some())
    }

    async fn is_collecting(&self) -> Result<bool, Error> {
        let folder = layout::condemned();
        let entries = all(&*self.storage, &folder).await?;
        for entry in entries.iter().filter(|entry| !entry.is_folder) {
            let Some(batch) = layout::below(&folder, &entry.name) else {
                continue;
            };
            // One that ended between these two looks has been there: what it deleted is looked for again.
            let found = self.storage.stat(&batch).await?;
            if found.is_none_or(|batch| is_younger(batch.modified, BATCH_IS_VOID)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
