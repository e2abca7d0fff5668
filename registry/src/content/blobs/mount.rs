//! A blob of one repository becomes one of another, without being sent.

use roadstead_oci::{Digest, RepositoryName};

use super::{Blob, Blobs, relied_on};
use crate::content::error::Error;
use crate::content::{layout, link};

/// How many repositories are asked for a blob that is to be mounted from anywhere.
const CANDIDATES: usize = 1000;

impl Blobs {
    /// Makes a blob of `from` a blob of `repository` too. `None`: it is not in `from`, upload it.
    /// That the caller may pull from `from` has been checked before: a mount must not hand out bytes that the
    /// caller could not otherwise read.
    pub async fn mount(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<Option<Blob>, Error> {
        self.options.check_writable()?;
        let Some(target) = self.target(from, digest).await? else {
            return Ok(None);
        };
        let data = layout::blob_data(&target);
        let Some(found) = self.storage.stat(&data).await? else {
            return Ok(None);
        };
        if self.verify.is_damaged(&target, found.size).await? || !self.durable.ensure(&data, found).await? {
            return Ok(None);
        }
        let blob = Blob {
            digest: *digest,
            size: found.size,
        };
        let at = layout::layer_link(repository, digest);
        loop {
            link::write(&*self.storage, &at, &target).await?;
            self.durable.remember(&at).await?;
            if !self
                .leases
                .collection_passed(|| relied_on(repository, digest, &target))
                .await?
            {
                return Ok(Some(blob));
            }
            if self.storage.stat(&data).await?.is_none() {
                // The link stays: it shows nothing without the data, and an upload that wrote it too may be waiting.
                return Ok(None);
            }
            if self.storage.stat(&at).await?.is_some() {
                return Ok(Some(blob));
            }
        }
    }

    /// As [`Self::mount`], from any repository which `may_pull` lets the caller read, out of the first thousand.
    pub async fn mount_from_any(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        may_pull: impl Fn(&RepositoryName) -> bool + Send + Sync,
    ) -> Result<Option<Blob>, Error> {
        self.options.check_writable()?;
        if self.storage.stat(&layout::blob_data(digest)).await?.is_none() {
            return Ok(None);
        }
        let mut candidates = self.repositories.walk(None);
        for _ in 0..CANDIDATES {
            let Some(from) = candidates.next().await? else {
                break;
            };
            if may_pull(&from)
                && let Some(blob) = self.mount(repository, digest, &from).await?
            {
                return Ok(Some(blob));
            }
        }
        Ok(None)
    }
}
