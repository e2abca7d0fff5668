//! What can go wrong in a store, as far as callers act on it.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use thiserror::Error;

use super::Key;

/// What a store says of its trouble.
pub type Source = Box<dyn StdError + Send + Sync>;

/// An outage is never [`Error::Missing`]: what cannot be looked at may be there.
#[derive(Debug, Error)]
pub enum Error {
    #[error("{0} is not in the store")]
    Missing(Key),
    #[error("no space left in the store to {action} {key}")]
    Full {
        action: &'static str,
        key: Key,
        source: Source,
    },
    /// A mount that is read-only, or a folder that this process may not write.
    #[error("the store refuses to {action} {key}")]
    ReadOnly {
        action: &'static str,
        key: Key,
        source: Source,
    },
    /// For the moment: it has too much to do, or does not answer in time.
    #[error("the store is too busy to {action} {key}")]
    Busy {
        action: &'static str,
        key: Key,
        retry_after: Duration,
        source: Source,
    },
    #[error("cannot {action} {key} in the store")]
    Failed {
        action: &'static str,
        key: Key,
        source: Source,
    },
}

/// Whoever may not do these cannot serve pulls either.
pub(super) const READS: [&str; 4] = ["look at", "read", "open", "list"];
/// By then files are closed again, or the server of a share is back.
const SOON: Duration = Duration::from_secs(5);

impl Error {
    /// Of a system call.
    pub(super) fn new(action: &'static str, key: &Key, source: io::Error) -> Self {
        use io::ErrorKind::{
            NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, TimedOut,
        };
        let key = key.clone();
        let kind = source.kind();
        let has_no_file_left = matches!(Errno::from_io_error(&source), Some(Errno::MFILE | Errno::NFILE));
        let source = Source::from(source);
        match kind {
            NotFound => Self::Missing(key),
            StorageFull | QuotaExceeded => Self::Full { action, key, source },
            ReadOnlyFilesystem => Self::ReadOnly { action, key, source },
            PermissionDenied if !READS.contains(&action) => Self::ReadOnly { action, key, source },
            kind if kind == TimedOut || has_no_file_left => Self::Busy {
                action,
                key,
                retry_after: SOON,
                source,
            },
            _ => Self::Failed { action, key, source },
        }
    }
}
