//! What was left over: abandoned uploads, and temporary objects of processes that died.

use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::error::Error;
use super::session::started_at;
use super::walk::Walk;
use super::{Content, layout};
use crate::storage::Key;

/// Nobody takes up a temporary object again: one that has not been written to for so long is nobody's.
const TEMPORARY_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What [`Content::purge_uploads`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub uploads: usize,
    pub temporary_objects: usize,
}

impl Content {
    /// Removes uploads that were started longer ago than `age`, also those of registry:2, and temporary objects
    /// that old, or a day old. What cannot be removed is left for the next time.
    pub async fn purge_uploads(&self, age: Duration) -> Result<Purged, Error> {
        self.check_writable()?;
        let Some(before) = SystemTime::now().checked_sub(age) else {
            return Ok(Purged::default());
        };
        let temporary_before = before.max(SystemTime::now() - TEMPORARY_AGE);
        let mut purged = Purged {
            temporary_objects: self.purge_temporaries(temporary_before).await?,
            uploads: 0,
        };
        let mut folders = Walk::below(layout::repositories(), |folder| {
            !layout::is_of_a_repository(folder)
        });
        while let Some(folder) = folders.next(self.storage()).await? {
            let uploads = folder.entries.iter().find(|entry| entry.name == layout::UPLOADS);
            let Some(uploads) = uploads.filter(|entry| entry.is_folder) else {
                continue;
            };
            if let Some(uploads) = layout::below(&folder.key, &uploads.name) {
                purged.uploads += self.purge_folder(&uploads, before).await?;
            }
        }
        Ok(purged)
    }

    async fn purge_folder(&self, uploads: &Key, before: SystemTime) -> Result<usize, Error> {
        let mut purged = 0;
        for entry in self.storage().list(uploads, None, usize::MAX).await? {
            let Some(upload) = layout::below(uploads, &entry.name) else {
                continue;
            };
            if !self.is_abandoned(&upload, before).await? {
                continue;
            }
            match self.storage().delete_folder(&upload, uploads).await {
                Ok(()) => purged += 1,
                Err(error) => warn!(%upload, %error, "abandoned upload not purged"),
            }
        }
        if purged > 0 {
            info!(%uploads, purged, "purged abandoned uploads");
        }
        Ok(purged)
    }

    /// Started before that time; or it does not say when, and nothing in it is younger: a remainder.
    async fn is_abandoned(&self, upload: &Key, before: SystemTime) -> Result<bool, Error> {
        if let Some(started) = started_at(self.storage(), upload).await? {
            return Ok(SystemTime::from(started) < before);
        }
        for entry in self.storage().list(upload, None, usize::MAX).await? {
            let Some(object) = layout::below(upload, &entry.name) else {
                return Ok(false);
            };
            if self
                .storage()
                .stat(&object)
                .await?
                .is_none_or(|object| object.modified >= before)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn purge_temporaries(&self, before: SystemTime) -> Result<usize, Error> {
        let folder = layout::temporaries();
        let mut purged = 0;
        for entry in self.storage().list(&folder, None, usize::MAX).await? {
            let Some(temporary) = layout::below(&folder, &entry.name) else {
                continue;
            };
            let found = self.storage().stat(&temporary).await?;
            if found.is_some_and(|found| found.modified < before) {
                self.storage().delete(&temporary, &folder).await?;
                purged += 1;
            }
        }
        Ok(purged)
    }
}
