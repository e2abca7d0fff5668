//! Blobs: layers and configs, shared by all repositories, visible in those that have a link to them.

use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use roadstead_oci::{Digest, RepositoryName};
use tracing::warn;

use super::error::Error;
use super::{Content, layout, link};
use crate::storage::{Buffers, Key, Object};

/// Larger pieces cost more in the caches of the processor than they save in calls.
pub(super) const READ_PIECE: u64 = 256 << 10;
/// How many repositories are asked for a blob that is to be mounted from anywhere.
const MOUNT_CANDIDATES: usize = 1000;

impl Content {
    /// A blob of this repository, ready to be read.
    pub async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, Error> {
        let unknown = || Error::BlobUnknown {
            repository: repository.clone(),
            digest: *digest,
        };
        let target = self.blob_target(repository, digest).await?.ok_or_else(unknown)?;
        let Some(object) = self.storage().open(&layout::blob_data(&target)).await? else {
            warn!(%repository, %digest, "blob is linked but its data is gone; the next push mends it");
            return Err(unknown());
        };
        if self.is_damaged(&target, object.size()).await? {
            return Err(unknown());
        }
        Ok(Blob {
            digest: *digest,
            object,
            buffers: Arc::clone(&self.0.buffers),
        })
    }

    /// As [`Self::blob`], for a caller who may push and takes the answer as "no need to send it again": renews the
    /// blob's lease, so that it is not collected before the manifest arrives. For HEAD.
    pub async fn blob_for_push(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, Error> {
        let blob = self.blob(repository, digest).await?;
        let at = layout::layer_link(repository, digest);
        match self.blob_target(repository, digest).await? {
            Some(target) if self.renew(&at, &target).await? => Ok(blob),
            _ => Err(Error::BlobUnknown {
                repository: repository.clone(),
                digest: *digest,
            }),
        }
    }

    /// Takes the blob away from this repository. The bytes stay for others, until they are collected.
    pub async fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), Error> {
        self.check_deletable()?;
        let link = layout::layer_link(repository, digest);
        if self.blob_target(repository, digest).await?.is_none() {
            self.ensure_gone(&link).await?;
            return Err(Error::BlobUnknown {
                repository: repository.clone(),
                digest: *digest,
            });
        }
        // `_layers` itself stays: without it the repository would be invisible to registry:2.
        Ok(self.storage().delete(&link, &layout::layers(repository)).await?)
    }

    /// Makes a blob of `from` a blob of `repository` too. `false`: it is not in `from`, upload it.
    /// That the caller may pull from `from` has been checked before: a mount must not hand out bytes that the
    /// caller could not otherwise read.
    pub async fn mount(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<bool, Error> {
        self.check_writable()?;
        let Some(target) = self.blob_target(from, digest).await? else {
            return Ok(false);
        };
        let data = layout::blob_data(&target);
        let Some(found) = self.storage().stat(&data).await? else {
            return Ok(false);
        };
        if self.is_damaged(&target, found.size).await? || !self.ensure_durable(&data, found).await? {
            return Ok(false);
        }
        let at = layout::layer_link(repository, digest);
        loop {
            link::write(self.storage(), &at, &target).await?;
            self.remember_durable(&at).await?;
            if !self.collection_passed().await? {
                return Ok(true);
            }
            if self.storage().stat(&data).await?.is_none() {
                self.storage().delete(&at, &layout::layers(repository)).await?;
                return Ok(false);
            }
            if self.storage().stat(&at).await?.is_some() {
                return Ok(true);
            }
        }
    }

    /// As [`Self::mount`], from any repository which `may_pull` lets the caller read, out of the first thousand.
    pub async fn mount_from_any(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        may_pull: impl Fn(&RepositoryName) -> bool + Send + Sync,
    ) -> Result<bool, Error> {
        self.check_writable()?;
        if self.storage().stat(&layout::blob_data(digest)).await?.is_none() {
            return Ok(false);
        }
        let mut candidates = self.walk_repositories(None);
        for _ in 0..MOUNT_CANDIDATES {
            let Some(from) = candidates.next(self.storage()).await? else {
                break;
            };
            if may_pull(&from) && self.mount(repository, digest, &from).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes the parts a blob of this repository. They stay where they are until it is certain that no collection
    /// took the blob away again.
    pub(super) async fn commit_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        parts: &[Key],
    ) -> Result<(), Error> {
        let (data, at) = (layout::blob_data(digest), layout::layer_link(repository, digest));
        loop {
            // Also if it is there already: this mends bytes that were damaged, and renews their time.
            self.storage().publish(parts, &data).await?;
            link::write(self.storage(), &at, digest).await?;
            self.remember_durable(&data).await?;
            self.remember_durable(&at).await?;
            if !self.collection_passed().await? {
                return Ok(());
            }
            let is_there = self.storage().stat(&data).await?.is_some();
            if is_there && self.storage().stat(&at).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Which data this repository's link for the digest names. It is the digest itself, except that registry:2
    /// keeps what was pushed as sha512 under its sha256.
    pub(super) async fn blob_target(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Digest>, Error> {
        link::read(self.storage(), &layout::layer_link(repository, digest)).await
    }
}

/// A blob that is there, held open: it can be read to its end even if it is deleted meanwhile.
#[derive(Debug)]
pub struct Blob {
    digest: Digest,
    object: Arc<dyn Object>,
    buffers: Arc<Buffers>,
}

impl Blob {
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    pub fn size(&self) -> u64 {
        self.object.size()
    }

    /// The bytes of this range, which lies within `0..size`, in pieces of up to 256 KiB. After two of them the next
    /// comes when one has been dropped; after one of them, when there are many readers.
    pub fn read(self, range: Range<u64>) -> BlobStream {
        let Range { start, end } = range;
        let running = (self.object, self.buffers.transfer(), start);
        let pieces = try_unfold(running, move |(object, transfer, offset)| async move {
            let left = end.saturating_sub(offset);
            if left == 0 {
                return Ok(None);
            }
            let buffer = transfer.next_buffer_for(left.min(READ_PIECE)).await;
            let mut buffer = object.read_at(offset, buffer).await.map_err(io::Error::other)?;
            buffer.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            if buffer.is_empty() {
                // The client was promised more: the answer must end as broken, not as complete.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let offset = offset + buffer.filled().len() as u64;
            Ok(Some((buffer.freeze(), (object, transfer, offset))))
        });
        BlobStream(pieces.boxed())
    }
}

/// The bytes of a blob.
pub struct BlobStream(BoxStream<'static, io::Result<Bytes>>);

impl Stream for BlobStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BlobStream")
    }
}
