//! Does the store work?

use bytes::Bytes;

use super::error::Error;
use super::{Content, layout};

impl Content {
    /// Asks the disk itself: what was read before is answered by the kernel's memory for as long as it likes, so a
    /// few bytes are written, durably. A store that says that it is full or cannot be written still serves pulls,
    /// which is what readiness is about.
    pub async fn probe(&self) -> Result<(), Error> {
        self.storage().list(&layout::repositories(), None, 1).await?;
        if self.options().read_only {
            return Ok(());
        }
        match self
            .storage()
            .write(&layout::probe(), Bytes::from_static(b"ok\n"))
            .await
        {
            Ok(()) => Ok(()),
            Err(error) if error.is_refused_write() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
