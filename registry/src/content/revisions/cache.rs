//! Manifests in memory. Content addressed by its digest never changes, so nothing here can be stale; whether a
//! repository *has* a manifest is never answered from here.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use roadstead_oci::Digest;

use crate::recent::Recent;

/// About how many bytes are kept.
const BUDGET: usize = 8 << 20;
/// What an entry costs beside its bytes.
const OVERHEAD: usize = 256;

#[derive(Debug)]
pub(in crate::content) struct ManifestCache {
    recent: Recent<Digest, CachedManifest>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone, Debug)]
pub(in crate::content) struct CachedManifest {
    pub(in crate::content) media_type: &'static str,
    pub(in crate::content) bytes: Bytes,
}

impl Default for ManifestCache {
    fn default() -> Self {
        ManifestCache {
            recent: Recent::new(BUDGET),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }
}

impl ManifestCache {
    pub(in crate::content) fn get(&self, digest: &Digest) -> Option<CachedManifest> {
        let found = self.recent.get(digest);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// How often something was found, and not found.
    pub(in crate::content) fn counts(&self) -> (u64, u64) {
        (
            self.hits.load(Ordering::Relaxed),
            self.misses.load(Ordering::Relaxed),
        )
    }

    pub(in crate::content) fn insert(&self, digest: Digest, manifest: CachedManifest) {
        let cost = manifest.bytes.len() + OVERHEAD;
        self.recent.insert(digest, manifest, cost);
    }
}
