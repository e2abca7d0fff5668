//! What can go wrong in a store, as far as callers act on it.

use std::io;

use thiserror::Error;

use super::Key;

#[derive(Debug, Error)]
pub enum Error {
    #[error("{0} is not in the store")]
    NotFound(Key),
    #[error("no space left in the store to {action} {key}")]
    NoSpace {
        action: &'static str,
        key: Key,
        source: io::Error,
    },
    /// A mount that is read-only, or a folder that this process may not write.
    #[error("the store refuses to {action} {key}")]
    NotWritable {
        action: &'static str,
        key: Key,
        source: io::Error,
    },
    #[error("cannot {action} {key} in the store")]
    Io {
        action: &'static str,
        key: Key,
        source: io::Error,
    },
}

/// Whoever may not do these cannot serve pulls either.
const READS: [&str; 4] = ["look at", "read", "open", "list"];

impl Error {
    pub(super) fn new(action: &'static str, key: &Key, source: io::Error) -> Self {
        use io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let key = key.clone();
        match source.kind() {
            NotFound => Self::NotFound(key),
            StorageFull | QuotaExceeded => Self::NoSpace { action, key, source },
            ReadOnlyFilesystem => Self::NotWritable { action, key, source },
            PermissionDenied if !READS.contains(&action) => Self::NotWritable { action, key, source },
            _ => Self::Io { action, key, source },
        }
    }
}
