//! Which manifests a repository has, and what they are.

mod cache;

use std::collections::BTreeSet;
use std::sync::Arc;

use roadstead_oci::{Algorithm, Digest, RepositoryName, stored_media_type};
use tracing::warn;

use super::error::Error;
use super::hashing::digest_of;
use super::listing::all;
use super::{layout, link};
use crate::storage::Storage;
pub(super) use cache::CachedManifest;
use cache::ManifestCache;

/// Manifests larger than this are not read, whoever stored them.
const READ_LIMIT: usize = 32 << 20;
/// What a stored manifest of no known type is served as.
const UNKNOWN_TYPE: &str = "application/octet-stream";

#[derive(Debug)]
pub(super) struct Revisions {
    storage: Arc<dyn Storage>,
    manifests: ManifestCache,
}

impl Revisions {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Revisions {
            storage,
            manifests: ManifestCache::default(),
        }
    }

    /// What the repository's link for this manifest names, if it has one.
    pub(super) async fn find(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Digest>, Error> {
        link::read(&*self.storage, &layout::revision_link(repository, digest)).await
    }

    /// The bytes of a manifest, whichever repository it is in.
    pub(super) async fn load(&self, digest: &Digest) -> Result<Option<CachedManifest>, Error> {
        if let Some(cached) = self.manifests.get(digest) {
            return Ok(Some(cached));
        }
        let data = layout::blob_data(digest);
        let Some(bytes) = self.storage.read(&data, READ_LIMIT).await? else {
            warn!(%digest, "manifest is linked but its data is gone; the next push mends it");
            return Ok(None);
        };
        if digest_of(digest.algorithm(), &bytes) != *digest {
            warn!(%digest, "manifest is damaged and not served; the next push mends it");
            return Ok(None);
        }
        let media_type = stored_media_type(&bytes).map_or(UNKNOWN_TYPE, |media_type| media_type.as_str());
        let manifest = CachedManifest { media_type, bytes };
        self.manifests.insert(*digest, manifest.clone());
        Ok(Some(manifest))
    }

    /// A manifest that has just been stored will be asked for.
    pub(super) fn remember(&self, digest: Digest, manifest: CachedManifest) {
        self.manifests.insert(digest, manifest);
    }

    /// How often a manifest was in memory, and how often it was not.
    pub(super) fn cache_counts(&self) -> (u64, u64) {
        self.manifests.counts()
    }

    pub(super) async fn list(&self, repository: &RepositoryName) -> Result<BTreeSet<Digest>, Error> {
        let mut revisions = BTreeSet::new();
        for algorithm in Algorithm::ALL {
            let folder = layout::revisions_by(repository, algorithm);
            let entries = all(&*self.storage, &folder).await?;
            revisions.extend(
                entries
                    .iter()
                    .filter_map(|entry| Digest::from_parts(algorithm, &entry.name).ok()),
            );
        }
        Ok(revisions)
    }
}
