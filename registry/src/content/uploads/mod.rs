//! Uploads: in one request, in chunks, or streamed.

mod intake;

use std::sync::Arc;

use roadstead_oci::{Algorithm, Digest, RepositoryName};
use tracing::warn;

use super::blobs::{Blob, Blobs};
use super::error::Error;
use super::hashing::{HashState, Hasher, hash_all, same_digest};
use super::layout;
use super::options::Options;
use super::upload_id::UploadId;
use crate::storage::{self, Kept, Resumed, Sealed, Storage, Writer};
pub use intake::Body;
use intake::{Intake, take_in};

/// Kept with an upload of which the client announced that it will name it by this.
const SHA512: &str = "sha512";

#[derive(Debug)]
pub struct Uploads {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) options: Options,
    pub(super) blobs: Arc<Blobs>,
}

impl Uploads {
    /// `algorithm`: what the client announced that it will name the blob by (`digest-algorithm=`).
    pub async fn start(
        &self,
        repository: &RepositoryName,
        algorithm: Option<Algorithm>,
    ) -> Result<UploadId, Error> {
        self.options.check_writable()?;
        let id = UploadId::random();
        let note = (algorithm == Some(Algorithm::Sha512)).then_some(SHA512);
        self.storage.begin(&layout::upload(repository, &id), note).await?;
        Ok(id)
    }

    /// How many bytes of this upload are here.
    pub async fn status(&self, repository: &RepositoryName, id: &UploadId) -> Result<u64, Error> {
        Ok(self.load(repository, id, None).await?.received)
    }

    /// Adds the body to the upload and gives its new size. `at`: where the client says that the body begins.
    /// If the body ends early, what has come is kept, and `Error::Body` is returned.
    pub async fn append(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        at: Option<u64>,
        body: impl Body,
    ) -> Result<u64, Error> {
        self.options.check_writable()?;
        let upload = self.load(repository, id, at).await?;
        let hasher = hasher(&upload, None).ok_or_else(|| unknown(repository, id))?;
        let gone = |error| upload_gone(error, repository, id);
        let taken = take_in(upload.writer, hasher, body).await.map_err(gone)?;
        let received = keep(taken.writer, &taken.hasher).await.map_err(gone)?;
        taken.ended?;
        Ok(received)
    }

    /// Adds the body, checks the digest of the whole and makes it a blob. On a mismatch nothing becomes visible
    /// and the upload is gone.
    pub async fn finish(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        digest: &Digest,
        at: Option<u64>,
        body: impl Body,
    ) -> Result<Blob, Error> {
        self.options.check_writable()?;
        let upload = self.load(repository, id, at).await?;
        let hasher = hasher(&upload, Some(digest.algorithm())).ok_or_else(|| unknown(repository, id))?;
        let gone = |error| upload_gone(error, repository, id);
        let taken = take_in(upload.writer, hasher, body).await.map_err(gone)?;
        let blob = Blob {
            digest: *digest,
            size: upload.received + taken.size,
        };
        if let Err(early) = taken.ended {
            keep(taken.writer, &taken.hasher).await.map_err(gone)?;
            return Err(early.into());
        }
        let sealed = taken.writer.seal().await.map_err(|error| gone(error.into()))?;
        let outcome = self.commit(repository, blob, taken.hasher, &*sealed).await;
        let outcome = outcome.map_err(gone);
        if matches!(outcome, Ok(_) | Err(Error::DigestInvalid { .. })) {
            forget(sealed).await;
        }
        outcome
    }

    /// A blob in one request: `POST …/uploads/?digest=`.
    pub async fn push(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        body: impl Body,
    ) -> Result<Blob, Error> {
        self.options.check_writable()?;
        let writer = self.storage.direct(&layout::blob_data(digest));
        let Intake {
            writer,
            size,
            hasher,
            ended,
        } = take_in(writer, Hasher::new(digest.algorithm()), body).await?;
        ended?;
        let sealed = writer.seal().await?;
        let blob = Blob {
            digest: *digest,
            size,
        };
        let outcome = self.commit(repository, blob, hasher, &*sealed).await;
        forget(sealed).await;
        outcome
    }

    /// Ends an upload without a blob.
    pub async fn cancel(&self, repository: &RepositoryName, id: &UploadId) -> Result<(), Error> {
        self.options.check_writable()?;
        self.load(repository, id, None).await?;
        Ok(self.storage.abandon(&layout::upload(repository, id)).await?)
    }

    async fn load(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        at: Option<u64>,
    ) -> Result<Resumed, Error> {
        let found = self.storage.load(&layout::upload(repository, id)).await?;
        let upload = found.ok_or_else(|| unknown(repository, id))?;
        match at {
            Some(at) if at != upload.received => Err(Error::RangeInvalid {
                received: upload.received,
            }),
            _ => Ok(upload),
        }
    }

    async fn commit(
        &self,
        repository: &RepositoryName,
        blob: Blob,
        hasher: Hasher,
        sealed: &dyn Sealed,
    ) -> Result<Blob, Error> {
        let actual = if hasher.algorithm() == blob.digest.algorithm() {
            hasher.finish()
        } else {
            // The client named another algorithm at the end than it did, or did not, at the beginning.
            hash_all(blob.digest.algorithm(), sealed.read()).await?
        };
        same_digest(&blob.digest, actual)?;
        self.blobs.commit(repository, &blob.digest, sealed).await?;
        Ok(blob)
    }
}

/// The hash to go on with: of the algorithm that is `wanted` if nothing has come yet, else of the one that has been used
/// so far. `None`: it cannot be read.
fn hasher(upload: &Resumed, wanted: Option<Algorithm>) -> Option<Hasher> {
    let announced = match upload.note.as_deref() {
        Some(SHA512) => Algorithm::Sha512,
        _ => Algorithm::Sha256,
    };
    match &upload.saved {
        None => Some(Hasher::new(wanted.unwrap_or(announced))),
        Some(saved) => serde_json::from_value::<HashState>(saved.clone())
            .ok()?
            .resume()
            .ok(),
    }
}

/// Makes what came count, and gives the new size.
async fn keep(writer: Box<dyn Writer>, hasher: &Hasher) -> Result<u64, Error> {
    match writer.keep(hasher.save().into_saved()).await? {
        Kept::Counts { received } => Ok(received),
        Kept::Overtaken { received } => Err(Error::RangeInvalid { received }),
    }
}

async fn forget(sealed: Box<dyn Sealed>) {
    if let Err(error) = sealed.forget().await {
        warn!(%error, "finished upload stays until it is purged");
    }
}

fn unknown(repository: &RepositoryName, id: &UploadId) -> Error {
    Error::BlobUploadUnknown {
        repository: repository.clone(),
        id: id.clone(),
    }
}

/// It or a part of it went away under our hands: cancelled, purged, or finished by another request.
fn upload_gone(error: Error, repository: &RepositoryName, id: &UploadId) -> Error {
    match error {
        Error::Storage(storage::Error::Missing(_)) => unknown(repository, id),
        other => other,
    }
}
