//! Uploads: in one request, in chunks, or streamed.

use roadstead_oci::{Algorithm, Digest, RepositoryName};
use tracing::warn;

use super::blobs::READ_PIECE;
use super::error::Error;
use super::hasher::{Hasher, same_digest};
use super::intake::{Intake, hash};
use super::session::Session;
use super::{Body, Content, UploadId, layout};
use crate::storage::{self, Key};

impl Content {
    /// `algorithm`: what the client announced that it will name the blob by (`digest-algorithm=`).
    pub async fn start_upload(
        &self,
        repository: &RepositoryName,
        algorithm: Option<Algorithm>,
    ) -> Result<UploadId, Error> {
        self.check_writable()?;
        Session::start(self.storage(), repository, algorithm).await
    }

    /// How many bytes of this upload are here.
    pub async fn upload_status(&self, repository: &RepositoryName, id: &UploadId) -> Result<u64, Error> {
        Ok(Session::load(self, repository, id).await?.received())
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
        self.check_writable()?;
        let session = Session::load(self, repository, id).await?;
        session.check_offset(at)?;
        let segment = session.new_segment();
        let taken = self.take_in(&segment, session.hasher(None)?, body).await;
        let Intake { bytes, hasher, ended } = taken.map_err(|error| upload_gone(error, repository, id))?;
        let received = session.record(self.storage(), &segment, bytes, &hasher).await?;
        ended?;
        Ok(received)
    }

    /// Adds the body, checks the digest of the whole and makes it a blob. On a mismatch nothing becomes visible
    /// and the upload is gone.
    pub async fn finish_upload(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        digest: &Digest,
        at: Option<u64>,
        body: impl Body,
    ) -> Result<(), Error> {
        self.check_writable()?;
        let session = Session::load(self, repository, id).await?;
        session.check_offset(at)?;
        let segment = session.new_segment();
        let taken = self
            .take_in(&segment, session.hasher(Some(digest.algorithm()))?, body)
            .await;
        let Intake { bytes, hasher, ended } = taken.map_err(|error| upload_gone(error, repository, id))?;
        if let Err(early) = ended {
            session.record(self.storage(), &segment, bytes, &hasher).await?;
            return Err(early.into());
        }
        let mut segments = session.segments(self.storage()).await?;
        segments.extend((bytes > 0).then_some(segment));
        let outcome = self.commit_upload(repository, digest, hasher, &segments).await;
        let outcome = outcome.map_err(|error| upload_gone(error, repository, id));
        if matches!(outcome, Ok(()) | Err(Error::DigestInvalid { .. })) {
            self.forget_upload(repository, id).await;
        }
        outcome
    }

    /// A blob in one request: `POST …/uploads/?digest=`.
    pub async fn push_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        body: impl Body,
    ) -> Result<(), Error> {
        self.check_writable()?;
        let whole = layout::new_temporary();
        let taken = self
            .take_in(&whole, Hasher::new(digest.algorithm()), body)
            .await?;
        let outcome = match taken.ended {
            Ok(()) => {
                let parts = if taken.bytes > 0 {
                    std::slice::from_ref(&whole)
                } else {
                    &[]
                };
                self.commit_upload(repository, digest, taken.hasher, parts).await
            }
            Err(error) => Err(error.into()),
        };
        if let Err(error) = self.storage().delete(&whole, &layout::temporaries()).await {
            warn!(key = %whole, %error, "temporary object stays until it is purged");
        }
        outcome
    }

    /// Ends an upload without a blob.
    pub async fn cancel_upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<(), Error> {
        self.check_writable()?;
        Session::load(self, repository, id).await?;
        let folder = layout::upload(repository, id);
        Ok(self
            .storage()
            .delete_folder(&folder, &layout::uploads(repository.as_str()))
            .await?)
    }

    async fn commit_upload(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        hasher: Hasher,
        parts: &[Key],
    ) -> Result<(), Error> {
        let actual = if hasher.algorithm() == digest.algorithm() {
            hasher.finish()
        } else {
            // The client named another algorithm at the end than it did, or did not, at the beginning.
            self.hash_parts(digest.algorithm(), parts).await?
        };
        same_digest(digest, actual)?;
        self.commit_blob(repository, digest, parts).await
    }

    pub(super) async fn hash_parts(&self, algorithm: Algorithm, parts: &[Key]) -> Result<Digest, Error> {
        let transfer = self.0.buffers.transfer();
        let mut hasher = Hasher::new(algorithm);
        for part in parts {
            let object = self.storage().open(part).await?;
            let object = object.ok_or_else(|| storage::Error::Missing(part.clone()))?;
            let mut offset = 0;
            while offset < object.size() {
                let piece = object.read_at(offset, transfer.buffer_for(READ_PIECE)).await?;
                if piece.is_empty() {
                    return Err(storage::Error::Missing(part.clone()).into());
                }
                offset += piece.filled().len() as u64;
                hasher = hash(hasher, piece.freeze()).await;
            }
        }
        Ok(hasher.finish())
    }

    async fn forget_upload(&self, repository: &RepositoryName, id: &UploadId) {
        let folder = layout::upload(repository, id);
        if let Err(error) = self
            .storage()
            .delete_folder(&folder, &layout::uploads(repository.as_str()))
            .await
        {
            warn!(upload = %folder, %error, "finished upload stays until it is purged");
        }
    }
}

/// Its folder or a part of it went away under our hands: cancelled, purged, or finished by another request.
fn upload_gone(error: Error, repository: &RepositoryName, id: &UploadId) -> Error {
    match error {
        Error::Storage(storage::Error::Missing(_)) => Error::BlobUploadUnknown {
            repository: repository.clone(),
            id: id.clone(),
        },
        other => other,
    }
}
