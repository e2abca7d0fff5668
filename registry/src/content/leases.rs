//! Writers and collections, without a lock.
//!
//! A collection publishes what it is about to delete, and then looks at the links once more. A writer writes its
//! link, always anew, and then looks at what is published. So one of them always sees the other: either the
//! collection finds the new link and spares what it names, or the writer finds the collection, waits for its end,
//! and looks whether its content is still there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::try_join;
use roadstead_oci::{Digest, RepositoryName};
use tracing::{debug, info, warn};

use super::batch::{Batch, Condemned, LONGEST, MOST_BYTES, Unreadable};
use super::error::Error;
use super::layout;
use super::listing::all;
use super::options::Options;
use crate::storage::{Key, Stat, Storage};

/// How long a link protects what it names, counted from its modification time.
pub(super) const GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// So long after its deadline nobody heeds a batch any more: its collection has stopped, or died.
const VOID_AFTER: Duration = Duration::from_secs(15 * 60);
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

    /// After writing a link: waits for the end of a collection that is about to delete some of what the writer relies on,
    /// and may not have seen the link. `true`: there was one, so look again. Clients do not wait for ever, so this does
    /// not either; what was written so far harms nobody.
    pub(super) async fn collection_passed(
        &self,
        relied_on: impl Fn() -> Vec<Condemned> + Send + Sync,
    ) -> Result<bool, Error> {
        let began = Instant::now();
        let mut waited = false;
        while self.is_condemned(&relied_on).await? {
            if !waited {
                info!("a push waits for the garbage collection that is deleting");
            }
            waited = true;
            if began.elapsed() >= self.options.collection_patience {
                warn!(
                    waited = ?began.elapsed(),
                    "a push gives up waiting for a garbage collection that is deleting the same content; if none runs, this ends by itself within 20 minutes"
                );
                return Err(Error::Collecting);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(waited)
    }

    /// Takes out a lease for a caller who will rely on a link that was written long ago, and on what is `relied_on`. `false`: it or what it names
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
        let relied_on = || {
            let (layer, revision) = (
                Condemned::Layer(repository.clone(), *digest),
                Condemned::Revision(repository.clone(), *digest),
            );
            vec![Condemned::Blob(*target), layer, revision]
        };
        if !self.collection_passed(relied_on).await? {
            return Ok(true);
        }
        Ok(self.storage.stat(&layout::blob_data(target)).await?.is_some()
            && self.storage.stat(at).await?.is_some())
    }

    async fn is_condemned(
        &self,
        relied_on: &(impl Fn() -> Vec<Condemned> + Send + Sync),
    ) -> Result<bool, Error> {
        let folder = layout::condemned();
        let entries = all(&*self.storage, &folder).await?;
        if entries.is_empty() {
            return Ok(false);
        }
        let relied_on = relied_on();
        for entry in entries.iter().filter(|entry| !entry.is_folder) {
            let Some(batch) = layout::below(&folder, &entry.name) else {
                continue;
            };
            if self.is_condemned_by(&batch, &relied_on).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn is_condemned_by(&self, at: &Key, relied_on: &[Condemned]) -> Result<bool, Error> {
        let (found, bytes) = try_join(self.storage.stat(at), self.storage.read(at, MOST_BYTES)).await?;
        let (Some(found), Some(bytes)) = (found, bytes) else {
            // It ended between two looks, but it has been there: what it deleted is looked for again.
            return Ok(true);
        };
        // Whatever it says, no collection goes on for longer.
        let latest = found.modified + LONGEST;
        let deadline = match Batch::parse(&bytes) {
            Ok(batch) if !batch.names_any(relied_on) => return Ok(false),
            Ok(batch) => batch.deadline.min(latest),
            // Of a newer version, torn, or somebody else's.
            Err(Unreadable) => latest,
        };
        Ok(!self.storage.clock().is_older(deadline, VOID_AFTER))
    }
}
