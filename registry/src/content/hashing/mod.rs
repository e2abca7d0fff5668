//! Digests of what passes, and of what is here already.

mod hasher;

use std::sync::LazyLock;

use bytes::Bytes;
use futures::TryStreamExt;
use roadstead_oci::{Algorithm, Digest};

use super::error::Error;
use crate::storage::Pieces;
use crate::workers::{Workers, cores};
pub(super) use hasher::{HashState, Hasher};

/// Hashing less than this takes less time than changing threads would.
const HASHED_IN_PLACE: usize = 16 << 10;

/// More than there are cores would only take turns.
static HASHING: LazyLock<Workers> = LazyLock::new(|| Workers::new("hash", cores()));

pub(super) fn digest_of(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// The digest, if it is the one that the client named.
pub(super) fn same_digest(expected: &Digest, actual: Digest) -> Result<Digest, Error> {
    if actual == *expected {
        return Ok(actual);
    }
    Err(Error::DigestInvalid {
        expected: Box::new(*expected),
        actual: Box::new(actual),
    })
}

/// Adds the bytes to the hash, on a thread for that if it takes long.
pub(super) async fn hash(mut hasher: Hasher, bytes: Bytes) -> Hasher {
    if bytes.len() <= HASHED_IN_PLACE {
        hasher.update(&bytes);
        return hasher;
    }
    let job = move || {
        hasher.update(&bytes);
        hasher
    };
    HASHING
        .spawn(job)
        .await
        .expect("hashing does not panic, and a server that shuts down lets its requests end")
}

pub(super) async fn hash_all(algorithm: Algorithm, mut pieces: Pieces) -> Result<Digest, Error> {
    let mut hasher = Hasher::new(algorithm);
    while let Some(piece) = pieces.try_next().await? {
        hasher = hash(hasher, piece).await;
    }
    Ok(hasher.finish())
}
