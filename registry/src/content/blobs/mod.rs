//! Blobs: layers and configs, shared by all repositories, visible in those that have a link to them.

mod mount;

use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use roadstead_oci::{Digest, RepositoryName};
use tracing::info;

use super::batch::Condemned;
use super::durable::Durable;
use super::error::Error;
use super::leases::Leases;
use super::options::Options;
use super::repositories::Repositories;
use super::verify::Verify;
use super::{layout, link, visible};
use crate::storage::{Opened, Pieces, Reading, Sealed, Stat, Storage, Wanted};

#[derive(Debug)]
pub struct Blobs {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) options: Options,
    pub(super) durable: Arc<Durable>,
    pub(super) leases: Arc<Leases>,
    pub(super) verify: Arc<Verify>,
    pub(super) repositories: Arc<Repositories>,
}

impl Blobs {
    /// A blob of this repository.
    pub async fn find(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, Error> {
        let target = self.target(repository, digest).await?;
        let target = target.ok_or_else(|| unknown(repository, digest))?;
        let found = self.storage.stat(&layout::blob_data(&target)).await?;
        let Some(Stat { size, .. }) = found else {
            return Err(data_is_gone(repository, digest));
        };
        if self.verify.is_damaged(&target, size).await? {
            return Err(unknown(repository, digest));
        }
        Ok(Blob {
            digest: *digest,
            size,
        })
    }

    /// The bytes of a blob of this repository, or a part of them.
    pub async fn read(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        wanted: Wanted,
    ) -> Result<BlobReading, Error> {
        let target = self.target(repository, digest).await?;
        let target = target.ok_or_else(|| unknown(repository, digest))?;
        let (size, part) = match self.storage.open(&layout::blob_data(&target), wanted).await? {
            Opened::Missing => return Err(data_is_gone(repository, digest)),
            Opened::Unsatisfiable { size } => (size, None),
            Opened::Found(Reading { stat, range, pieces }) => (stat.size, Some((range, BlobStream(pieces)))),
        };
        if self.verify.is_damaged(&target, size).await? {
            return Err(unknown(repository, digest));
        }
        Ok(BlobReading { size, part })
    }

    /// As [`Self::find`], for a caller who may push and takes the answer as "no need to send it again": renews the
    /// blob's lease, so that it is not collected before the manifest arrives. For HEAD.
    pub async fn find_for_push(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, Error> {
        let blob = self.find(repository, digest).await?;
        let at = layout::layer_link(repository, digest);
        match self.target(repository, digest).await? {
            Some(target) if self.leases.renew(repository, digest, &at, &target).await? => Ok(blob),
            _ => Err(unknown(repository, digest)),
        }
    }

    /// Takes the blob away from this repository. The bytes stay for others, until they are collected.
    pub async fn delete(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), Error> {
        self.options.check_deletable()?;
        let link = layout::layer_link(repository, digest);
        if self.target(repository, digest).await?.is_none() {
            self.durable.ensure_gone(&link).await?;
            return Err(unknown(repository, digest));
        }
        self.storage.delete(&link).await?;
        visible::after_deletion(&*self.storage, repository).await
    }

    /// Makes what was sealed and verified a blob of this repository. The link is first, so that a collection that finds
    /// the data unused either sees the link or is waited for; the data is shown when none can take it away again. It is
    /// shown also if it is there already: this mends bytes that were damaged, and renews their time.
    pub(super) async fn commit(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        sealed: &dyn Sealed,
    ) -> Result<(), Error> {
        let (data, at) = (layout::blob_data(digest), layout::layer_link(repository, digest));
        loop {
            link::write(&*self.storage, &at, digest).await?;
            if !self
                .leases
                .collection_passed(|| relied_on(repository, digest, digest))
                .await?
            {
                break;
            }
            // It may have taken the link, if it had condemned that before: so it is written again.
        }
        sealed.publish(&data).await?;
        self.durable.remember(&data).await?;
        self.durable.remember(&at).await
    }

    /// Which data this repository's link for the digest names. It is the digest itself, except that registry:2
    /// keeps what was pushed as sha512 under its sha256.
    async fn target(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Digest>, Error> {
        link::read(&*self.storage, &layout::layer_link(repository, digest)).await
    }
}

/// What a collection must not take from somebody who links this data under this digest.
fn relied_on(repository: &RepositoryName, digest: &Digest, target: &Digest) -> Vec<Condemned> {
    vec![
        Condemned::Blob(*target),
        Condemned::Layer(repository.clone(), *digest),
    ]
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
    pub digest: Digest,
    pub size: u64,
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
