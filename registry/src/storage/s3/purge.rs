//! Removes what nobody will go on with.

use std::sync::Arc;
use std::time::SystemTime;

use tracing::{info, warn};

use super::super::{Error, Key};
use super::bucket::Bucket;
use super::errors::Failure;
use super::uploads::Shared;
use super::{listing, record};

/// Abandons the uploads right below the folder that began before that time.
pub(super) async fn uploads(shared: &Arc<Shared>, folder: &Key, before: SystemTime) -> Result<usize, Error> {
    let mut after = None;
    let mut purged = 0;
    loop {
        let page = listing::list(&shared.bucket, folder, after.as_deref(), listing::MOST).await?;
        for entry in page.entries.iter().filter(|entry| entry.is_folder) {
            let Ok(at) = folder.join(&entry.name) else {
                continue;
            };
            match purge(shared, &at, before).await {
                Ok(is_gone) => purged += usize::from(is_gone),
                Err(error) => warn!(upload = %at, %error, "abandoned upload cannot be removed"),
            }
        }
        let is_last = !page.more || page.entries.is_empty();
        after = page.entries.into_iter().next_back().map(|entry| entry.name);
        if is_last {
            return Ok(purged);
        }
    }
}

async fn purge(shared: &Arc<Shared>, at: &Key, before: SystemTime) -> Result<bool, Error> {
    let started = shared
        .bucket
        .stat(&record::within(at, record::STARTED_AT))
        .await?;
    // What has no beginning is what was left of an upload that ended, or is just beginning.
    let begun = match started {
        Some(started) => Some(started.modified),
        None => listing::youngest(&shared.bucket, at).await?,
    };
    if begun.is_none_or(|begun| begun >= before) {
        return Ok(false);
    }
    shared.end(at, false).await?;
    Ok(true)
}

/// Multipart uploads that no record names, since the process that began them died: all of ours that are old. An upload
/// that is still there keeps its parts until it is purged itself.
pub(super) async fn remains(bucket: &Bucket, before: SystemTime) -> Result<usize, Error> {
    let root: Key = "docker".parse().expect("a name");
    let mut purged = 0;
    let (mut key_marker, mut id_marker) = (None, None);
    loop {
        let request = bucket
            .client
            .list_multipart_uploads()
            .bucket(&bucket.name)
            .prefix(format!("{}docker/", bucket.keys.root()))
            .set_key_marker(key_marker)
            .set_upload_id_marker(id_marker);
        let answer = bucket.told(request.send().await);
        let page = answer.map_err(|failure| failure.into_error("list", &root))?;
        for upload in page.uploads() {
            let begun = upload
                .initiated()
                .and_then(|time| SystemTime::try_from(*time).ok());
            let key = upload.key().and_then(|key| bucket.keys.key(key));
            let (Some(begun), Some(key), Some(id)) = (begun, key, upload.upload_id()) else {
                continue;
            };
            if begun < before && !is_of_an_upload(bucket, &key).await? {
                bucket.abort(&key, id).await?;
                info!(%key, "parts that a process left behind were removed");
                purged += 1;
            }
        }
        if page.is_truncated != Some(true) {
            return Ok(purged);
        }
        if page.next_key_marker.is_none() {
            let failure = Failure::protocol("a page was cut, without a mark to go on from");
            return Err(failure.into_error("list", &root));
        }
        (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
    }
}

/// Whether an upload, ours or registry:2's, lies where this object is to be.
async fn is_of_an_upload(bucket: &Bucket, key: &Key) -> Result<bool, Error> {
    let Some(at) = key.parent() else {
        return Ok(false);
    };
    let started = bucket.stat(&record::within(&at, record::STARTED_AT)).await?;
    Ok(started.is_some())
}
