//! Does the store work?

use bytes::Bytes;

use super::error::Error;
use super::layout;
use crate::storage::Error::{Full, ReadOnly};
use crate::storage::{self, Storage};

/// A store that answers.
#[derive(Debug)]
pub enum Probed {
    Writable,
    /// It refuses writes, for this reason. Pulls are served all the same.
    NotWritable(storage::Error),
}

/// Asks the disk itself: what was read before is answered by the kernel's memory for as long as it likes, so a
/// few bytes are written, durably.
pub(super) async fn probe(storage: &dyn Storage, read_only: bool) -> Result<Probed, Error> {
    storage.list(&layout::repositories(), None, 1).await?;
    if read_only {
        // Nothing is to be written, so nothing is refused.
        return Ok(Probed::Writable);
    }
    let bytes = Bytes::from_static(b"ok\n");
    match storage.write(&layout::probe(), bytes).await {
        Ok(_) => Ok(Probed::Writable),
        Err(refused @ (Full { .. } | ReadOnly { .. })) => Ok(Probed::NotWritable(refused)),
        Err(error) => Err(error.into()),
    }
}
