//! Blobs: layers and configs, shared by all repositories, visible in those that have a link to them.

use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use roadstead_oci::{Digest, RepositoryName};
use tracing::info;

use super::error::Error;
use super::{Content, layout, link};
use crate::storage::{Opened, Pieces, Reading, Sealed, Stat, Wanted};

/// How many repositories are asked for a blob that is to be mounted from anywhere.
const MOUNT_CANDIDATES: usize = 1000;

impl Content {
    /// A blob of this repository.
    pub async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, Error> {
        let target = self.blob_target(repository, digest).await?;
        let target = target.ok_or_else(|| unknown(repository, digest))?;
        let found = self.storage().stat(&layout::blob_data(&target)).await?;
        let Some(Stat { size, .. }) = found else {
            return Err(data_is_gone(repository, digest));
        };
        if self.is_damaged(&target, size).await? {
            return Err(unknown(repository, digest));
        }
        Ok(Blob {
            digest: *digest,
            size,
        })
    }

    /// The bytes of a blob of this repository, or a part of them.
    pub async fn read_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        wanted: Wanted,
    ) -> Result<BlobReading, Error> {
        let target = self.blob_target(repository, digest).await?;
        let target = target.ok_or_else(|| unknown(repository, digest))?;
        let (size, part) = match self.storage().open(&layout::blob_data(&target), wanted).await? {
            Opened::Missing => return Err(data_is_gone(repository, digest)),
            Opened::Unsatisfiable { size } => (size, None),
            Opened::Found(Reading { stat, range, pieces }) => (stat.size, Some((range, BlobStream(pieces)))),
        };
        if self.is_damaged(&target, size).await? {
            return Err(unknown(repository, digest));
        }
        Ok(BlobReading { size, part })
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

    /// Makes what was sealed and verified a blob of this repository. The link is first, so that a collection that finds
    /// the data unused either sees the link or is waited for; the data is shown when none can take it away again. It is
    /// shown also if it is there already: this mends bytes that were damaged, and renews their time.
    pub(super) async fn commit_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        sealed: &dyn Sealed,
    ) -> Result<(), Error> {
        let (data, at) = (layout::blob_data(digest), layout::layer_link(repository, digest));
        loop {
            link::write(self.storage(), &at, digest).await?;
            if !self.collection_passed().await? {
                break;
            }
            // It may have taken the link, if it had condemned that before: so it is written again.
        }
        sealed.publish(&data).await?;
        self.remember_durable(&data).await?;
        self.remember_durable(&at).await
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

fn unknown(repository: &RepositoryName, digest: &Digest) -> Error {
    Error::BlobUnknown {
        repository: repository.clone(),
        digest: *digest,
    }
}

fn data_is_gone(repository: &RepositoryName, digest: &Digest) -> Error {
    info!(%repository, %digest, "blob is linked but its data is not there: it is being pushed, or the next push mends it");
    unknown(repository, digest)
}

/// A blob that is there.
#[derive(Clone, Copy, Debug)]
pub struct Blob {
    digest: Digest,
    size: u64,
}

impl Blob {
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    pub fn size(&self) -> u64 {
        self.size
    }
}

/// A blob that is being read.
#[derive(Debug)]
pub struct BlobReading {
    /// Of the whole blob.
    pub size: u64,
    /// Which bytes come, and these. `None`: no byte of what was wanted is there.
    pub part: Option<(Range<u64>, BlobStream)>,
}

/// The bytes of a blob.
pub struct BlobStream(Pieces);

impl Stream for BlobStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = self.0.poll_next_unpin(context);
        piece.map(|piece| piece.map(|piece| piece.map_err(io::Error::other)))
    }
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BlobStream")
    }
}
