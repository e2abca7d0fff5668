//! Does the store work?

use bytes::Bytes;

use super::error::Error;
use super::{Content, layout};
use crate::storage;
use crate::storage::Error::{Full, ReadOnly};

/// A store that answers.
#[derive(Debug)]
pub enum Probed {
    Writable,
    /// It refuses writes, for this reason. Pulls are served all the same.
    NotWritable(storage::Error),
}

impl Content {
    /// Asks the disk itself: what was read before is answered by the kernel's memory for as long as it likes, so a
    /// few bytes are written, durably.
    pub async fn probe(&self) -> Result<Probed, Error> {
        self.storage().list(&layout::repositories(), None, 1).await?;
        if self.options().read_only {
            // Nothing is to be written, so nothing is refused.
            return Ok(Probed::Writable);
        }
        match self
            .storage()
            .write(&layout::probe(), Bytes::from_static(b"ok\n"))
            .await
        {
            Ok(()) => Ok(Probed::Writable),
            Err(refused @ (Full { .. } | ReadOnly { .. })) => Ok(Probed::NotWritable(refused)),
            Err(error) => Err(error.into()),
        }
    }
}
