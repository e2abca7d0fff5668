//! Manifests in memory. Content addressed by its digest never changes, so nothing here can be stale; whether a
//! repository *has* a manifest is never answered from here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use roadstead_oci::Digest;

/// About how many bytes are kept.
const BUDGET: usize = 8 << 20;
/// What an entry costs beside its bytes.
const OVERHEAD: usize = 256;

/// Two generations: what is used moves to the young one, and when that is full the old one is dropped whole.
#[derive(Debug, Default)]
pub(super) struct ManifestCache(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Digest, CachedManifest>,
    young_bytes: usize,
    old: HashMap<Digest, CachedManifest>,
}

#[derive(Clone, Debug)]
pub(super) struct CachedManifest {
    pub(super) media_type: &'static str,
    pub(super) bytes: Bytes,
}

impl ManifestCache {
    pub(super) fn get(&self, digest: &Digest) -> Option<CachedManifest> {
        let mut generations = self.lock();
        if let Some(manifest) = generations.young.get(digest) {
            return Some(manifest.clone());
        }
        let manifest = generations.old.remove(digest)?;
        generations.insert(*digest, manifest.clone());
        Some(manifest)
    }

    pub(super) fn insert(&self, digest: Digest, manifest: CachedManifest) {
        self.lock().insert(digest, manifest);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn insert(&mut self, digest: Digest, manifest: CachedManifest) {
        let cost = manifest.bytes.len() + OVERHEAD;
        if self.young_bytes + cost > BUDGET / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(digest, manifest).is_none() {
            self.young_bytes += cost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(size: usize) -> CachedManifest {
        CachedManifest {
            media_type: "text/plain",
            bytes: vec![0; size].into(),
        }
    }

    fn digest(number: u32) -> Digest {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        Digest::sha256(hash)
    }

    #[test]
    fn what_is_used_stays_and_the_rest_is_bounded() {
        let cache = ManifestCache::default();
        for number in 0..10_000 {
            cache.insert(digest(number), manifest(10_000));
            assert!(cache.get(&digest(0)).is_some(), "after {number}");
        }
        let generations = cache.lock();
        let kept = generations.young.len() + generations.old.len();
        assert!(kept * 10_000 <= BUDGET, "{kept} manifests kept");
        assert!(cache_misses(&generations, 1), "an unused one was dropped");
    }

    fn cache_misses(generations: &Generations, number: u32) -> bool {
        !generations.young.contains_key(&digest(number)) && !generations.old.contains_key(&digest(number))
    }
}
