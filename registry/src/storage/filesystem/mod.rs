//! The store as a folder on a disk or a network share, as registry:2's `filesystem` driver has it.
//!
//! ```text
//! tree.rs                  paths, temporary files
//! lookup.rs ─ remembered.rs ─ contents.rs, version.rs    answers from the kernel's caches, without waiting
//! batch.rs                 many small objects, one after the other
//! object.rs ─ first_read.rs    reading piece by piece
//! uploads/ ─ writer.rs     what arrives piece by piece
//! placement.rs ─ folders.rs ─ flush.rs    making objects, durably, with as few flushes as that takes
//! exclusive.rs             making a name that must be new, also where there are no hard links
//! listing.rs   walk.rs     names in a folder, and all objects below one
//! removal.rs ─ conditional.rs    deleting, and deleting what was seen and nothing newer
//! threads.rs               where all that waits
//! nfs.rs                   a warning
//! ```
//! Whatever may wait for a disk runs on a thread of `threads.rs`.

mod batch;
mod conditional;
mod contents;
mod exclusive;
mod first_read;
mod flush;
mod folders;
mod listing;
mod lookup;
mod nfs;
mod object;
mod placement;
mod remembered;
mod removal;
mod threads;
mod tree;
mod uploads;
mod version;
mod walk;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;

use super::{
    Answer, Buffers, Clock, Error, Key, Objects, Opened, Page, Removal, Stat, Version, Walked, Wanted,
};
use batch::Batch;
use lookup::Lookup;
use placement::TICK;
use threads::DiskThreads;
use tree::Tree;

/// A store in a folder. Several programs, this one or registry:2, may have the same folder open.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct FilesystemStorage {
    tree: Arc<Tree>,
    buffers: Arc<Buffers>,
    threads: Arc<DiskThreads>,
}

/// All transfers together use about this much memory for their bytes.
const TRANSFER_BUDGET: usize = 12 << 20;

/// Whether large pieces go past the page cache (`O_DIRECT`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirectIo {
    /// Where the filesystem can.
    #[default]
    Auto,
    /// The same, with a warning where it cannot.
    On,
    Off,
}

impl FilesystemStorage {
    /// Where objects on their way to their place lie: on the same filesystem, where registry:2 does not look.
    pub const TEMPORARY: &str = "roadstead/tmp";

    /// Opens the folder that registry:2 calls `storage.filesystem.rootdirectory`, and makes it if it is not
    /// there. Blocking: for the start of the program.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        Self::open_with(root, DirectIo::default())
    }

    /// The same with large pieces written as this says.
    pub fn open_with(root: impl Into<PathBuf>, direct_io: DirectIo) -> io::Result<Self> {
        let root = root.into();
        let tree = Arc::new(Tree::open(root.clone(), direct_io)?);
        nfs::warn_of_stale_names(&root);
        Ok(Self {
            tree,
            buffers: Buffers::new(TRANSFER_BUDGET),
            threads: DiskThreads::new(),
        })
    }

    /// Runs a job that may wait for the disk where waiting harms nobody.
    fn blocking<'a, T: Send + 'static>(
        &self,
        action: &'static str,
        key: &'a Key,
        job: impl FnOnce(&Tree, &Key) -> io::Result<T> + Send + 'static,
    ) -> Answer<'a, T> {
        let (tree, threads) = (Arc::clone(&self.tree), Arc::clone(&self.threads));
        let owned = key.clone();
        async move {
            let result = threads.run(move || job(&tree, &owned)).await;
            result.map_err(|source| Error::new(action, key, source))
        }
        .boxed()
    }
}

impl Objects for FilesystemStorage {
    fn stat<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stat>> {
        match self.tree.stat_cached(key) {
            Lookup::Found(stat) => std::future::ready(Ok(Some(stat))).boxed(),
            Lookup::Absent => std::future::ready(Ok(None)).boxed(),
            Lookup::Unknown => self.blocking("look at", key, |tree, key| absent_as_none(tree.stat(key))),
        }
    }

    fn read<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<Bytes>> {
        match self.tree.read_cached(key, limit) {
            Lookup::Found(bytes) => std::future::ready(Ok(Some(bytes))).boxed(),
            Lookup::Absent => std::future::ready(Ok(None)).boxed(),
            Lookup::Unknown => self.blocking("read", key, move |tree, key| tree.read(key, limit)),
        }
    }

    fn read_version<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<(Bytes, Version)>> {
        // Whoever asks is about to delete, and this writes a time already.
        self.blocking("delete", key, move |tree, key| tree.read_version(key, limit))
    }

    fn read_many(&self, keys: Arc<[Key]>, limit: usize) -> Answer<'_, Vec<Option<Bytes>>> {
        let tree = Arc::clone(&self.tree);
        async move {
            let Some(first) = keys.first().cloned() else {
                return Ok(Vec::new());
            };
            let reading = self.threads.run(move || Ok(read_batch(&tree, &keys, limit)));
            match reading.await {
                Ok(read) => read,
                Err(source) => Err(Error::new("read", &first, source)),
            }
        }
        .boxed()
    }

    fn open<'a>(&'a self, key: &'a Key, wanted: Wanted) -> Answer<'a, Opened> {
        let found = match self.tree.open_cached(key) {
            Lookup::Found(file) => object::reading(self, key, file, wanted).ok(),
            Lookup::Absent => Some(Opened::Missing),
            Lookup::Unknown => None,
        };
        if let Some(opened) = found {
            return std::future::ready(Ok(opened)).boxed();
        }
        let storage = self.clone();
        self.blocking("open", key, move |tree, key| {
            let opened = tree
                .open_file(key)
                .and_then(|file| object::reading(&storage, key, file, wanted));
            Ok(absent_as_none(opened)?.unwrap_or(Opened::Missing))
        })
    }

    fn write<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, Version> {
        self.blocking("write", key, move |tree, key| tree.write(key, &bytes))
    }

    fn write_lazily<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, ()> {
        self.blocking("write", key, move |tree, key| tree.write_lazily(key, &bytes))
    }

    fn confirm<'a>(&'a self, key: &'a Key) -> Answer<'a, bool> {
        self.blocking("flush", key, Tree::flush)
    }

    fn list<'a>(&'a self, folder: &'a Key, after: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        let after = after.map(str::to_owned);
        self.blocking("list", folder, move |tree, folder| {
            let mut entries = tree.list(folder, after.as_deref(), limit.saturating_add(1))?;
            let more = entries.len() > limit;
            entries.truncate(limit);
            Ok(Page { entries, more })
        })
    }

    fn walk(&self, folder: &Key) -> Walked {
        walk::walk(self, folder)
    }

    fn delete<'a>(&'a self, key: &'a Key) -> Answer<'a, ()> {
        self.blocking("delete", key, Tree::delete)
    }

    fn delete_many(&self, keys: Arc<[Key]>) -> Answer<'_, Vec<Result<(), Error>>> {
        let tree = Arc::clone(&self.tree);
        async move {
            let Some(first) = keys.first().cloned() else {
                return Ok(Vec::new());
            };
            let delete = move |key: &Key| {
                tree.delete(key)
                    .map_err(|source| Error::new("delete", key, source))
            };
            let deleted = self.threads.run(move || Ok(keys.iter().map(delete).collect()));
            deleted
                .await
                .map_err(|source| Error::new("delete", &first, source))
        }
        .boxed()
    }

    fn delete_if_same<'a>(&'a self, key: &'a Key, version: &'a Version) -> Answer<'a, Removal> {
        let version = version.clone();
        self.blocking("delete", key, move |tree, key| tree.delete_if_same(key, &version))
    }

    fn delete_folder<'a>(&'a self, folder: &'a Key) -> Answer<'a, ()> {
        self.blocking("delete", folder, Tree::delete_folder)
    }

    fn clock(&self) -> Clock {
        match self.tree.remembered.may_know() {
            true => Clock::ours(TICK),
            // A share's server dates what is written there.
            false => self.tree.clock.clock(),
        }
    }
}

fn read_batch(tree: &Tree, keys: &[Key], limit: usize) -> Result<Vec<Option<Bytes>>, Error> {
    let batch = Batch::of(tree, keys);
    keys.iter()
        .map(|key| {
            batch
                .read(key, limit)
                .map_err(|source| Error::new("read", key, source))
        })
        .collect()
}

fn absent_as_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        // A file where a folder should be is as good as nothing there.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
