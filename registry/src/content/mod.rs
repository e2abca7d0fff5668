//! What a registry means: blobs, uploads, manifests, tags, referrers. Knows no HTTP.

mod blob;
mod error;
mod options;
mod page;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use roadstead_oci::{Algorithm, Descriptor, Digest, Reference, RepositoryName, Tag};

use crate::storage::Storage;
pub use blob::{Blob, BlobStream};
pub use error::{BodyError, Error};
pub use options::{MissingReferences, Options};
pub use page::Page;
pub use uploads::{NotAnUploadId, UploadId};

/// All that one registry holds. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Content {
    _storage: Arc<dyn Storage>,
    _options: Options,
}

/// A manifest as it is served: byte for byte as it was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    pub digest: Digest,
    pub media_type: &'static str,
    pub bytes: Bytes,
}

/// What a manifest push answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    pub digest: Digest,
    /// For `OCI-Subject`: the manifest refers to this one.
    pub subject: Option<Digest>,
}

/// What [`Content::purge_uploads`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub uploads: usize,
    pub temporary_files: usize,
}

/// What an upload, a blob push or a body stream gives: pieces, or the reason why the client's bytes ended.
pub trait Body: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin {}
impl<T: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin> Body for T {}

impl Content {
    pub fn new(storage: Arc<dyn Storage>, options: Options) -> Self {
        Self {
            _storage: storage,
            _options: options,
        }
    }

    /// A blob of this repository, ready to be read.
    pub async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, Error> {
        let _ = (repository, digest);
        unimplemented!()
    }

    /// As [`Self::blob`], for a caller who may push and takes the answer as "no need to send it again":
    /// renews the blob's lease, so that it is not collected before the manifest arrives. For HEAD.
    pub async fn blob_for_push(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, Error> {
        self.blob(repository, digest).await
    }

    pub async fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), Error> {
        let _ = (repository, digest);
        unimplemented!()
    }

    /// Makes a blob of `from` a blob of `repository` too. `false`: it is not in `from`, upload it.
    /// That the caller may pull from `from` has been checked before.
    pub async fn mount(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<bool, Error> {
        let _ = (repository, digest, from);
        unimplemented!()
    }

    /// As [`Self::mount`], from any repository which `may_pull` lets the caller read.
    pub async fn mount_from_any(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        may_pull: impl Fn(&RepositoryName) -> bool + Send + Sync,
    ) -> Result<bool, Error> {
        let _ = (repository, digest, may_pull);
        unimplemented!()
    }

    /// `algorithm`: what the client announced that it will name the blob by (`digest-algorithm=`).
    pub async fn start_upload(
        &self,
        repository: &RepositoryName,
        algorithm: Option<Algorithm>,
    ) -> Result<UploadId, Error> {
        let _ = (repository, algorithm);
        unimplemented!()
    }

    /// How many bytes of this upload are here.
    pub async fn upload_status(&self, repository: &RepositoryName, id: &UploadId) -> Result<u64, Error> {
        let _ = (repository, id);
        unimplemented!()
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
        let _ = (repository, id, at, body);
        unimplemented!()
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
        let _ = (repository, id, digest, at, body);
        unimplemented!()
    }

    /// A blob in one request: `POST …/uploads/?digest=`.
    pub async fn push_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        body: impl Body,
    ) -> Result<(), Error> {
        let _ = (repository, digest, body);
        unimplemented!()
    }

    pub async fn cancel_upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<(), Error> {
        let _ = (repository, id);
        unimplemented!()
    }

    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest, Error> {
        let _ = (repository, reference);
        unimplemented!()
    }

    /// As [`Self::manifest`], for a caller who may push: renews the lease. For HEAD.
    pub async fn manifest_for_push(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest, Error> {
        self.manifest(repository, reference).await
    }

    /// Stores a manifest under its digest, and under `reference` if that is a tag, and under all of `tags`.
    pub async fn put_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        tags: &[Tag],
        content_type: Option<&str>,
        bytes: Bytes,
    ) -> Result<Pushed, Error> {
        let _ = (repository, reference, tags, content_type, bytes);
        unimplemented!()
    }

    /// Deletes a manifest and every tag that points at it.
    pub async fn delete_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), Error> {
        let _ = (repository, digest);
        unimplemented!()
    }

    pub async fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<(), Error> {
        let _ = (repository, tag);
        unimplemented!()
    }

    /// Tags in lexical order, after `last`, at most `n` of them.
    pub async fn tags(
        &self,
        repository: &RepositoryName,
        n: Option<usize>,
        last: Option<&str>,
    ) -> Result<Page<Tag>, Error> {
        let _ = (repository, n, last);
        unimplemented!()
    }

    /// Repositories in lexical order, after `last`, at most `n` of those that `visible` lets through.
    pub async fn repositories(
        &self,
        n: Option<usize>,
        last: Option<&str>,
        visible: impl Fn(&RepositoryName) -> bool + Send + Sync,
    ) -> Result<Page<RepositoryName>, Error> {
        let _ = (n, last, visible);
        unimplemented!()
    }

    /// The manifests whose subject is this one. A subject or repository that is not known has none.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        n: Option<usize>,
        last: Option<&str>,
    ) -> Result<Page<Descriptor>, Error> {
        let _ = (repository, subject, artifact_type, n, last);
        unimplemented!()
    }

    /// Removes uploads that were started longer ago than `age`, and temporary files that old.
    pub async fn purge_uploads(&self, age: Duration) -> Result<Purged, Error> {
        let _ = age;
        unimplemented!()
    }
}
