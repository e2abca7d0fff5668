//! All objects below a folder.

use std::fs::{self, DirEntry};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures::stream::{StreamExt, try_unfold};

use super::super::{Error, Key, Stat, Walked};
use super::lookup::stat_from;
use super::removal::without_aside;
use super::{FilesystemStorage, absent_as_none};

/// So many objects are looked at in one go.
const BATCH: usize = 1000;

/// What has been found and not looked at yet, the next of it last.
type Ahead = Vec<Found>;

struct Found {
    key: Key,
    /// Where it lies: not under its key, if it is set aside.
    path: PathBuf,
    is_folder: bool,
}

pub(super) fn walk(storage: &FilesystemStorage, folder: &Key) -> Walked {
    let begin = vec![Found {
        key: folder.clone(),
        path: storage.tree.path(folder),
        is_folder: true,
    }];
    let (folder, threads) = (folder.clone(), Arc::clone(&storage.threads));
    let batches = try_unfold(begin, move |ahead| {
        let (folder, threads) = (folder.clone(), Arc::clone(&threads));
        async move {
            if ahead.is_empty() {
                return Ok(None);
            }
            let batch = threads.run(move || next_batch(ahead)).await;
            batch
                .map(Some)
                .map_err(|source| Error::new("list", &folder, source))
        }
    });
    batches.boxed()
}

fn next_batch(mut ahead: Ahead) -> io::Result<(Vec<(Key, Stat)>, Ahead)> {
    let mut batch = Vec::new();
    while batch.len() < BATCH
        && let Some(found) = ahead.pop()
    {
        if found.is_folder {
            ahead.extend(names_in(&found)?);
            continue;
        }
        // What went away meanwhile is not there, and so is what has become a folder.
        if let Some(metadata) = absent_as_none(fs::metadata(&found.path))?
            && metadata.is_file()
        {
            batch.push((found.key, stat_from(&metadata)?));
        }
    }
    // Of two names for one value, one set aside, the first counts.
    batch.dedup_by(|second, first| second.0 == first.0);
    Ok((batch, ahead))
}

/// The last in order first.
fn names_in(folder: &Found) -> io::Result<Vec<Found>> {
    let Some(names) = absent_as_none(fs::read_dir(&folder.path))? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for name in names {
        found.extend(one_name(&folder.key, &name?)?);
    }
    // As the texts of the keys below are: those in `a` come after `a-b`.
    let order = |found: &Found| format!("{}{}", found.key, if found.is_folder { "/" } else { "" });
    found.sort_by_cached_key(|found| std::cmp::Reverse((order(found), found.path.clone())));
    Ok(found)
}

fn one_name(folder: &Key, name: &DirEntry) -> io::Result<Option<Found>> {
    let file_name = name.file_name();
    let own = file_name.to_str().map(|name| without_aside(name).unwrap_or(name));
    // A name that is not text is none that a key can have.
    let Some(key) = own.and_then(|own| folder.join(own).ok()) else {
        return Ok(None);
    };
    let (kind, path) = (name.file_type()?, name.path());
    let is_folder = kind.is_dir() || (kind.is_symlink() && path.is_dir());
    Ok(Some(Found { key, path, is_folder }))
}
