//! Conditions that callers branch on. Which status number goes with them is not known here.

use std::error::Error as StdError;
use std::time::Duration;

use roadstead_oci::{Digest, ManifestError, Reference, RepositoryName};
use thiserror::Error;

use super::upload_id::UploadId;
use crate::storage;

/// So often is something done again that others undo meanwhile, before it is [`Error::Contended`].
pub(super) const ROUNDS: usize = 8;

/// Why a client's body ended before its end.
#[derive(Debug, Error)]
#[error("the request body ended early")]
pub struct BodyError(#[source] pub Box<dyn StdError + Send + Sync>);

#[derive(Debug, Error)]
pub enum Error {
    #[error("blob {digest} is not in repository {repository}")]
    BlobUnknown {
        repository: RepositoryName,
        digest: Digest,
    },
    #[error("upload {id} is not known in repository {repository}, start it again")]
    BlobUploadUnknown {
        repository: RepositoryName,
        id: UploadId,
    },
    #[error("content has digest {actual}, not {expected}")]
    DigestInvalid {
        expected: Box<Digest>,
        actual: Box<Digest>,
    },
    #[error("manifest {reference} is not in repository {repository}")]
    ManifestUnknown {
        repository: RepositoryName,
        reference: Reference,
    },
    #[error("{0}")]
    ManifestInvalid(#[from] ManifestError),
    /// All that is missing, in the manifest's order.
    #[error("{} that the manifest refers to is not in repository {repository}, push it first", join(.missing))]
    ManifestBlobUnknown {
        repository: RepositoryName,
        missing: Vec<Digest>,
    },
    /// What a descriptor says of a blob's size is not so.
    #[error(
        "the manifest says that {digest} has {announced} bytes, but {actual} are stored: make the manifest anew, or push the blob again if the manifest is right"
    )]
    SizeMismatch {
        digest: Digest,
        announced: u64,
        actual: u64,
    },
    #[error("repository {0} is not known")]
    NameUnknown(RepositoryName),
    /// The client's range does not begin where the upload ends.
    #[error("the upload has {received} bytes, continue there")]
    RangeInvalid { received: u64 },
    #[error("{0}")]
    Unsupported(&'static str),
    #[error("a manifest has at most {limit} bytes")]
    TooLarge { limit: usize },
    /// A garbage collection is deleting, and has not come to its end in time.
    #[error("a garbage collection is deleting, try again in a moment")]
    Collecting,
    /// Others undo it each time, or the store makes another version of what is only looked at.
    #[error(
        "{reference} of repository {repository} is changed by others time and again, try again in a moment"
    )]
    Contended {
        repository: RepositoryName,
        reference: Reference,
    },
    #[error("no space left in the store, nothing was stored")]
    NoSpace(#[source] storage::Error),
    #[error("the store cannot be written, nothing was stored")]
    Unwritable(#[source] storage::Error),
    #[error("the store is busy, try again in a moment")]
    Busy {
        retry_after: Duration,
        source: storage::Error,
    },
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the store failed")]
    Storage(#[source] storage::Error),
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match error {
            full @ storage::Error::Full { .. } => Self::NoSpace(full),
            refused @ storage::Error::ReadOnly { .. } => Self::Unwritable(refused),
            storage::Error::Busy { retry_after, .. } => Self::Busy {
                retry_after,
                source: error,
            },
            other @ (storage::Error::Missing(_) | storage::Error::Failed { .. }) => Self::Storage(other),
        }
    }
}

fn join(digests: &[Digest]) -> String {
    let texts: Vec<String> = digests.iter().map(Digest::to_string).collect();
    texts.join(", ")
}
