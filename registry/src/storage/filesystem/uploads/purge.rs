//! Uploads that nobody finished.

use std::io;
use std::time::SystemTime;

use tracing::{info, warn};

use super::super::super::Key;
use super::super::absent_as_none;
use super::super::tree::Tree;
use super::STARTED_AT;
use super::progress::within;

pub(super) fn uploads(tree: &Tree, folder: &Key, before: SystemTime) -> io::Result<usize> {
    let mut purged = 0;
    for entry in tree.list(folder, None, usize::MAX)? {
        let Ok(upload) = folder.join(&entry.name) else {
            continue;
        };
        if !is_abandoned(tree, &upload, before)? {
            continue;
        }
        match tree.delete_folder_at_once(&upload) {
            Ok(()) => purged += 1,
            Err(error) => warn!(%upload, %error, "abandoned upload not purged"),
        }
    }
    if purged > 0 {
        info!(uploads = %folder, purged, "purged abandoned uploads");
    }
    Ok(purged)
}

/// Begun before that time; or it does not say when, and nothing in it is younger: a remainder.
fn is_abandoned(tree: &Tree, upload: &Key, before: SystemTime) -> io::Result<bool> {
    if let Some(started) = started_at(tree, upload)? {
        return Ok(SystemTime::from(started) < before);
    }
    for entry in tree.list(upload, None, usize::MAX)? {
        let Ok(object) = upload.join(&entry.name) else {
            return Ok(false);
        };
        let found = absent_as_none(tree.stat(&object))?;
        if found.is_none_or(|object| object.modified >= before) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// When the upload in this folder was begun, if that can be told.
fn started_at(tree: &Tree, upload: &Key) -> io::Result<Option<jiff::Timestamp>> {
    let text = tree.read(&within(upload, STARTED_AT), 64)?;
    Ok(text.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok()))
}

pub(super) fn remains(tree: &Tree, folder: &Key, before: SystemTime) -> io::Result<usize> {
    let mut purged = 0;
    for entry in tree.list(folder, None, usize::MAX)? {
        let Ok(remainder) = folder.join(&entry.name) else {
            continue;
        };
        let found = absent_as_none(tree.stat(&remainder))?;
        if found.is_some_and(|found| found.modified < before) {
            tree.delete(&remainder)?;
            purged += 1;
        }
    }
    Ok(purged)
}
