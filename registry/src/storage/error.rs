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
    #[error("cannot {action} {key} in the store")]
    Io {
        action: &'static str,
        key: Key,
        source: io::Error,
    },
}

impl Error {
    /// Whether the store answered, and the answer was that it takes nothing new.
    pub fn is_refused_write(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        match self {
            Self::NoSpace { .. } => true,
            Self::Io { source, .. } => matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem),
            Self::NotFound(_) => false,
        }
    }

    /// Whether the whole store cannot be written, as after a mount that is read-only.
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem)
    }

    pub(super) fn new(action: &'static str, key: &Key, source: io::Error) -> Self {
        let key = key.clone();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound(key),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { action, key, source }
            }
            _ => Self::Io { action, key, source },
        }
    }
}
