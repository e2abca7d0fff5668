//! Links: small objects that hold a digest. The truth of the store.

use std::sync::Arc;

use roadstead_oci::Digest;
use tracing::warn;

use super::error::Error;
use crate::storage::{Key, Storage, Version};

/// More than any digest, so that an oversized link is seen as torn.
const LIMIT: usize = 256;

/// What the link points at. A torn or empty one, left by a crash of another program, counts as absent.
pub(super) async fn read(storage: &dyn Storage, key: &Key) -> Result<Option<Digest>, Error> {
    let Some(bytes) = storage.read(key, LIMIT).await? else {
        return Ok(None);
    };
    Ok(parse(key, &bytes))
}

/// As [`read`], with what tells this link from one that is written later, to the same digest perhaps.
pub(super) async fn read_version(
    storage: &dyn Storage,
    key: &Key,
) -> Result<Option<(Digest, Version)>, Error> {
    let Some((bytes, version)) = storage.read_version(key, LIMIT).await? else {
        return Ok(None);
    };
    Ok(parse(key, &bytes).map(|digest| (digest, version)))
}

/// As [`read`] for each of these.
pub(super) async fn read_many(storage: &dyn Storage, keys: Arc<[Key]>) -> Result<Vec<Option<Digest>>, Error> {
    let read = storage.read_many(Arc::clone(&keys), LIMIT).await?;
    let links = keys.iter().zip(read);
    Ok(links.map(|(key, bytes)| parse(key, &bytes?)).collect())
}

fn parse(key: &Key, bytes: &[u8]) -> Option<Digest> {
    let digest = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.trim_end().parse().ok());
    if digest.is_none() {
        warn!(link = %key, "link is torn or empty and counts as absent; the next push mends it");
    }
    digest
}

pub(super) async fn write(storage: &dyn Storage, key: &Key, digest: &Digest) -> Result<(), Error> {
    // As registry:2 writes it: no newline.
    storage.write(key, digest.to_string().into()).await?;
    Ok(())
}
