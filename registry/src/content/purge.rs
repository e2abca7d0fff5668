//! What was left over: abandoned uploads, and temporary objects of processes that died.

use std::time::Duration;

use super::error::Error;
use super::layout;
use super::walk::Walk;
use crate::storage::Storage;

/// Nobody takes up a temporary object again: one that has not been written to for so long is nobody's.
const TEMPORARY_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub uploads: usize,
    pub temporary_objects: usize,
}

/// Removes uploads that were started longer ago than `age`, also those of registry:2, and temporary objects
/// that old, or a day old. What cannot be removed is left for the next time.
pub(super) async fn purge_uploads(storage: &dyn Storage, age: Duration) -> Result<Purged, Error> {
    let now = storage.clock().now();
    let Some(before) = now.checked_sub(age) else {
        return Ok(Purged::default());
    };
    let temporary_before = before.max(now - TEMPORARY_AGE);
    let mut purged = Purged::default();
    let mut folders = Walk::below(layout::repositories(), |folder| {
        !layout::is_of_a_repository(folder)
    });
    while let Some(folder) = folders.next(storage).await? {
        let uploads = folder.entries.iter().find(|entry| entry.name == layout::UPLOADS);
        let Some(uploads) = uploads.filter(|entry| entry.is_folder) else {
            continue;
        };
        if let Some(uploads) = layout::below(&folder.key, &uploads.name) {
            purged.uploads += storage.purge(&uploads, before).await?;
        }
    }
    // Last, for not every store lets everyone list what is left.
    purged.temporary_objects = storage.purge_remains(temporary_before).await?;
    Ok(purged)
}
