//! Writers and collections, without a lock.
//!
//! A collection publishes what it is about to delete, and then looks at the links once more. A writer writes its
//! link, always anew, and then looks at what is published. So one of them always sees the other: either the
//! collection finds the new link and spares what it names, or the writer finds the collection, waits for its end,
//! and looks whether its content is still there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use roadstead_oci::{Digest, RepositoryName};
use tracing::{debug, info, warn};

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

    /// Takes out a lease for a caller who will rely on a link that was written long ago. `false`: it or what it names
    /// went away meanwhile. The lease is an object of its own, for a link that somebody deletes at this moment would come
    /// back if it were written. A store that cannot be written still has what it has.
    pub(super) async fn renew(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        at: &Key,
        target: &Digest,
    ) -> Result<bool, Error> {
        let Some(Stat { modified, .. }) = self.storage.stat(at).await? else {
            return Ok(false);
        };
        let is_young = |modified| self.storage.clock().is_younger(modified, GRACE / 2);
        if self.options.read_only || is_young(modified) {
            return Ok(true);
        }
        let lease = layout::lease(repository, digest);
        let found = self.storage.stat(&lease).await?;
        if found.is_some_and(|found| is_young(found.modified)) {
            return Ok(true);
        }
        // If a power cut takes it, the client is told at the manifest's push what it has to send again.
        if let Err(error) = self.storage.write_lazily(&lease, Bytes::new()).await {
            debug!(%lease, %error, "lease not taken out");
            return Ok(true);
        }
        if !self.collection_passed().await? {
            return Ok(true);
        }
        Ok(self.storage.stat(&layout::blob_data(target)).await?.is_some()
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
            let is_void = |batch: Stat| self.storage.clock().is_older(batch.modified, BATCH_IS_VOID);
            if !found.is_some_and(is_void) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
