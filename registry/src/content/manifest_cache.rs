//! Manifests in memory. Content addressed by its digest never changes, so nothing here can be stale; whether a
//! repository *has* a manifest is never answered from here.

use bytes::Bytes;
use roadstead_oci::Digest;

use crate::recent::Recent;

/// About how many bytes are kept.
const BUDGET: usize = 8 << 20;
/// What an entry costs beside its bytes.
const OVERHEAD: usize = 256;

#[derive(Debug)]
pub(super) struct ManifestCache(Recent<Digest, CachedManifest>);

#[derive(Clone, Debug)]
pub(super) struct CachedManifest {
    pub(super) media_type: &'static str,
    pub(super) bytes: Bytes,
}

impl Default for ManifestCache {
    fn default() -> Self {
        ManifestCache(Recent::new(BUDGET))
    }
}

impl ManifestCache {
    pub(super) fn get(&self, digest: &Digest) -> Option<CachedManifest> {
        self.0.get(digest)
    }

    pub(super) fn insert(&self, digest: Digest, manifest: CachedManifest) {
        let cost = manifest.bytes.len() + OVERHEAD;
        self.0.insert(digest, manifest, cost);
    }
}
