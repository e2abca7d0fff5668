//! Folders whose entries are durable, with as few flushes as that takes.
//!
//! A name in a folder survives a power cut when the folder has been flushed after the name was made, and so has
//! every folder above it that is new. Two things save flushes: folders that this program knows to be durable are
//! not flushed again, and all who wait for the same folder share the next flush.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::FilesystemStorage;
use super::flush::{Flush, lock};

/// More known folders than this are forgotten, which costs flushes and nothing else.
const KNOWN_FOLDERS: usize = 16 << 10;
/// A folder may be removed by somebody, as empty, between being made and being used.
const ATTEMPTS: usize = 16;

#[derive(Debug)]
pub(super) struct Folders {
    root: PathBuf,
    known: Mutex<HashSet<PathBuf>>,
    flushes: Mutex<HashMap<PathBuf, Arc<Flush>>>,
}

impl Folders {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            known: Mutex::default(),
            flushes: Mutex::default(),
        }
    }

    /// Makes the folder of `path`, lets `put` make the name `path` in it, and flushes what has to be.
    pub(super) fn place<T>(&self, path: &Path, put: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let folder = parent(path);
        let (placed, new) = self.attempt(folder, put)?;
        self.flush_if_there(folder)?;
        self.flush_parents(new)?;
        Ok(placed)
    }

    /// As [`Self::place`], without flushing anything.
    pub(super) fn place_unflushed<T>(&self, path: &Path, put: impl Fn() -> io::Result<T>) -> io::Result<T> {
        self.attempt(parent(path), put).map(|(placed, _)| placed)
    }

    /// Removes the folder and those above it as long as they are empty. Gives the first that stays.
    pub(super) fn remove_empty<'a>(&self, folder: &'a Path) -> &'a Path {
        let mut folder = folder;
        while !self.stays(folder) {
            // First forgotten, then removed: whoever makes it again flushes it again.
            lock(&self.known).remove(folder);
            match fs::remove_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => break,
                _ => folder = parent(folder),
            }
        }
        folder
    }

    /// Whether it stays when it is empty. By the names that begin so registry:2 knows a repository, and each such name is
    /// made again soon.
    fn stays(&self, folder: &Path) -> bool {
        let name = folder.file_name().unwrap_or_default();
        folder == self.root
            || folder.ends_with(FilesystemStorage::TEMPORARY)
            || name.as_encoded_bytes().starts_with(b"_")
    }

    /// Returns when a flush of this folder that began after this call has ended.
    pub(super) fn flush(&self, folder: &Path) -> io::Result<()> {
        let flush = Arc::clone(lock(&self.flushes).entry(folder.to_owned()).or_default());
        let result = flush.join(|| File::open(folder)?.sync_all());
        drop(flush);
        let mut flushes = lock(&self.flushes);
        if flushes
            .get(folder)
            .is_some_and(|flush| Arc::strong_count(flush) == 1)
        {
            flushes.remove(folder);
        }
        result
    }

    /// Makes durable that nothing is there.
    pub(super) fn flush_absence(&self, path: &Path) -> io::Result<()> {
        let mut found = Vec::new();
        for folder in path.ancestors().skip(1) {
            let is_there = super::absent_as_none(self.flush(folder))?.is_some();
            if folder == self.root || (is_there && lock(&self.known).contains(folder)) {
                break;
            }
            found.extend(is_there.then(|| folder.to_owned()));
        }
        self.remember(found);
        Ok(())
    }

    /// Somebody may have deleted what was just made, and the folder with it: then there is nothing to keep.
    fn flush_if_there(&self, folder: &Path) -> io::Result<()> {
        match self.flush(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn flush_parents(&self, new: Vec<PathBuf>) -> io::Result<()> {
        for folder in &new {
            self.flush_if_there(parent(folder))?;
        }
        self.remember(new);
        Ok(())
    }

    fn attempt<T>(&self, folder: &Path, put: impl Fn() -> io::Result<T>) -> io::Result<(T, Vec<PathBuf>)> {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let new = self.make_unknown(folder);
            match new.and_then(|new| Ok((put()?, new))) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && left > 0 => self.forget(folder),
                result => return result,
            }
        }
    }

    /// Makes what is missing of the way to `folder`, and gives the folders not known to be durable, deepest first.
    fn make_unknown(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let unknown: Vec<PathBuf> = {
            let known = lock(&self.known);
            let way = folder.ancestors().take_while(|folder| *folder != self.root);
            way.take_while(|folder| !known.contains(*folder))
                .map(Path::to_owned)
                .collect()
        };
        if let Some(deepest) = unknown.first() {
            make_folder(deepest)?;
        }
        Ok(unknown)
    }

    fn remember(&self, folders: Vec<PathBuf>) {
        let mut known = lock(&self.known);
        if known.len() + folders.len() > KNOWN_FOLDERS {
            known.clear();
        }
        known.extend(folders);
    }

    fn forget(&self, folder: &Path) {
        let mut known = lock(&self.known);
        for folder in folder.ancestors() {
            known.remove(folder);
        }
    }
}

/// Begins at the end: most often only that one is missing.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_folder(parent(folder))?;
            match fs::create_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                result => result,
            }
        }
        result => result,
    }
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent()
        .expect("every path of the store lies below its root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_removed_behind_our_back_is_made_again() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::new(root.path().to_owned());
        let path = root.path().join("a/b/c");
        let put = || fs::write(&path, "x");
        folders.place(&path, put).unwrap();
        fs::remove_dir_all(root.path().join("a")).unwrap();
        folders.place(&path, put).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }

    #[test]
    fn empty_folders_are_removed_up_to_the_root_or_one_that_marks_a_repository() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::new(root.path().to_owned());
        let at = |path: &str| root.path().join(path);
        for (empty, staying) in [
            ("app/_layers/sha256/ab", "app/_layers"),
            ("app/_manifests/tags/v1/current", "app/_manifests"),
            ("blobs/sha256/ab", ""),
            ("roadstead/tmp", "roadstead/tmp"),
        ] {
            fs::create_dir_all(at(empty)).unwrap();
            folders.remove_empty(&at(empty));
            assert!(at(staying).is_dir(), "{empty}");
            let first = empty.strip_prefix(staying).unwrap().trim_start_matches('/');
            let first = first.split('/').next().unwrap();
            assert!(first.is_empty() || !at(staying).join(first).exists(), "{empty}");
        }
        fs::create_dir_all(at("keep/a/b")).unwrap();
        fs::create_dir_all(at("keep/a/other")).unwrap();
        assert_eq!(folders.remove_empty(&at("keep/a/b")), at("keep/a"));
    }
}
