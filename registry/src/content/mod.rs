//! What a registry means: blobs, uploads, manifests, tags, referrers. Knows no HTTP, and no bytes on disks.
//!
//! ```text
//! uploads ─► blobs                                 bytes on their way; layers and configs of a repository
//! manifests ─► tags, referrers ─► revisions        what ties them together
//!   all ─► repositories                            which ones there are
//!   all ─► leases, durable, verify                 whether what was found may be relied on
//!   blobs, manifests ─► visible                    what registry:2 needs to see a repository
//! layout ◄─ link, listing, walk                    where everything lies, and the ways through it
//! ```
//! Each is a service over the store with a memory of its own, and is handed the others that it uses.
//!
//! There is no lock. Content is addressed by its digest, so that writing it twice is harmless; a tag is a register
//! that the last writer wins; and every operation orders its steps so that stopping between any two of them
//! leaves nothing half-visible.

mod batch;
mod blobs;
mod durable;
mod error;
mod hashing;
mod layout;
mod leases;
mod link;
mod listing;
mod manifests;
mod options;
mod page;
mod per_repository;
mod probe;
mod purge;
mod referrers;
mod repositories;
mod revisions;
mod tags;
#[cfg(test)]
mod tests;
mod upload_id;
mod uploads;
mod verify;
mod visible;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use crate::storage::Storage;
pub use crate::storage::Wanted;
pub use blobs::{Blob, BlobReading, BlobStream, Blobs};
use durable::Durable;
pub use error::{BodyError, Error};
use leases::Leases;
use manifests::References;
pub use manifests::{Deleted, Manifests, Pushed, StoredManifest};
pub use options::{MissingReferences, Options};
pub use probe::Probed;
use purge::Purged;
pub use referrers::Referrers;
pub use repositories::Repositories;
use revisions::Revisions;
pub use tags::Tags;
pub use upload_id::UploadId;
pub use uploads::Uploads;
use verify::Verify;

/// All that one registry holds. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Content {
    pub blobs: Arc<Blobs>,
    pub uploads: Arc<Uploads>,
    pub manifests: Arc<Manifests>,
    pub tags: Arc<Tags>,
    pub referrers: Arc<Referrers>,
    pub repositories: Arc<Repositories>,
    revisions: Arc<Revisions>,
    storage: Arc<dyn Storage>,
    options: Options,
}

impl Content {
    pub fn new(storage: Arc<dyn Storage>, options: Options) -> Self {
        let store = || Arc::clone(&storage);
        let durable = Arc::new(Durable::new(store()));
        let leases = Arc::new(Leases::new(store(), options));
        let verify = Arc::new(Verify::new(store()));
        let repositories = Arc::new(Repositories::new(store()));
        let revisions = Arc::new(Revisions::new(store()));
        let blobs = Arc::new(Blobs {
            storage: store(),
            options,
            durable: Arc::clone(&durable),
            leases: Arc::clone(&leases),
            verify: Arc::clone(&verify),
            repositories: Arc::clone(&repositories),
        });
        let uploads = Arc::new(Uploads {
            storage: store(),
            options,
            blobs: Arc::clone(&blobs),
        });
        let tags = Arc::new(Tags::new(
            store(),
            options,
            Arc::clone(&durable),
            Arc::clone(&repositories),
            Arc::clone(&revisions),
        ));
        let referrers = Arc::new(Referrers::new(
            store(),
            Arc::clone(&revisions),
            Arc::clone(&repositories),
        ));
        let references = References {
            storage: store(),
            options,
            durable: Arc::clone(&durable),
            verify,
        };
        let manifests = Arc::new(Manifests {
            storage: store(),
            options,
            durable,
            leases,
            revisions: Arc::clone(&revisions),
            tags: Arc::clone(&tags),
            referrers: Arc::clone(&referrers),
            references,
        });
        Content {
            blobs,
            uploads,
            manifests,
            tags,
            referrers,
            repositories,
            revisions,
            storage,
            options,
        }
    }

    /// How often a manifest was in memory, and how often it was not.
    pub fn cache_counts(&self) -> (u64, u64) {
        self.revisions.cache_counts()
    }

    /// The most that a manifest may have: a caller can refuse a longer one before all of it came.
    pub fn max_manifest_bytes(&self) -> usize {
        self.options.max_manifest_bytes
    }

    /// Whether the store works.
    pub async fn probe(&self) -> Result<Probed, Error> {
        probe::probe(&*self.storage, self.options.read_only).await
    }

    /// Removes what was left over for longer than `age`.
    pub async fn purge_uploads(&self, age: Duration) -> Result<Purged, Error> {
        self.options.check_writable()?;
        purge::purge_uploads(&*self.storage, age).await
    }
}
