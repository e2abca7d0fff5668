//! What a registry means: blobs, uploads, manifests, tags, referrers. Knows no HTTP, and no bytes on disks.
//!
//! ```text
//! uploads.rs ─ intake.rs ─ hasher.rs                   bytes on their way, hashed as they pass
//! blobs.rs                                            layers and configs of a repository
//! manifests.rs ─ references.rs ─ manifest_cache.rs    what ties them together
//! tags.rs ─ tag_index.rs   catalog.rs   referrers.rs    lists
//! lease.rs   purge.rs   probe.rs                      writers and collections, what is left over, is the store alive
//! durable.rs   damage.rs                              what was found, and may be relied on or not
//! layout.rs ─ link.rs   walk.rs                       where everything lies, and the way through it
//! ```
//! There is no lock. Content is addressed by its digest, so that writing it twice is harmless; a tag is a register
//! that the last writer wins; and every operation orders its steps so that stopping between any two of them
//! leaves nothing half-visible.

mod batches;
mod blobs;
mod catalog;
mod damage;
mod durable;
mod error;
mod hasher;
mod intake;
mod layout;
mod lease;
mod link;
mod manifest_cache;
mod manifests;
mod options;
mod page;
mod per_repository;
mod probe;
mod purge;
mod references;
mod referrers;
mod tag_index;
mod tags;
#[cfg(test)]
mod tests;
mod unwritten;
mod upload_id;
mod uploads;
mod walk;

use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;

use crate::storage::Storage;
pub use crate::storage::Wanted;
pub use blobs::{BlobReading, BlobStream};
use damage::Damage;
use durable::Durable;
pub use error::{BodyError, Error};
use manifest_cache::ManifestCache;
pub use manifests::{Pushed, StoredManifest};
pub use options::{MissingReferences, Options};
pub use page::Page;
use per_repository::OncePerRepository;
pub use probe::Probed;
use unwritten::Unwritten;
pub use upload_id::UploadId;

/// All that one registry holds. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Content(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    storage: Arc<dyn Storage>,
    options: Options,
    manifests: ManifestCache,
    /// The repositories whose index of referrers has been compared with their manifests.
    examined: OncePerRepository,
    unwritten: Unwritten,
    /// The repositories whose index of tags has been compared with their tags.
    indexed: OncePerRepository,
    durable: Durable,
    damage: Damage,
}

/// The bytes of a request: pieces, or the reason why they ended early.
pub trait Body: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin {}
impl<T: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin> Body for T {}

impl Content {
    pub fn new(storage: Arc<dyn Storage>, options: Options) -> Self {
        Self(Arc::new(Inner {
            storage,
            options,
            manifests: ManifestCache::default(),
            examined: OncePerRepository::default(),
            unwritten: Unwritten::default(),
            indexed: OncePerRepository::default(),
            durable: Durable::default(),
            damage: Damage::default(),
        }))
    }

    fn storage(&self) -> &dyn Storage {
        &*self.0.storage
    }

    /// How often a manifest was in memory, and how often it was not.
    pub fn cache_counts(&self) -> (u64, u64) {
        self.0.manifests.counts()
    }

    /// The most that a manifest may have: a caller can refuse a longer one before all of it came.
    pub fn max_manifest_bytes(&self) -> usize {
        self.options().max_manifest_bytes
    }

    fn options(&self) -> &Options {
        &self.0.options
    }

    fn check_writable(&self) -> Result<(), Error> {
        if self.options().read_only {
            return Err(Error::Unsupported(
                "the registry is read-only for maintenance, try again later",
            ));
        }
        Ok(())
    }

    fn check_deletable(&self) -> Result<(), Error> {
        self.check_writable()?;
        if !self.options().delete_enabled {
            return Err(Error::Unsupported(
                "deleting is off, set storage.delete.enabled to allow it",
            ));
        }
        Ok(())
    }
}
