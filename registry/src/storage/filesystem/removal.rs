//! Deleting objects.
//!
//! A filesystem cannot delete a file on condition of what is in it. So [`Tree::delete_if`] renames it aside, looks,
//! and links it back if it is not what was to be deleted. For that moment, and for ever if the program dies in it,
//! the value lies beside its name: reading looks there too, so nobody misses it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use uuid::Uuid;

use super::super::Key;
use super::absent_as_none;
use super::exclusive;
use super::folders::parent;
use super::tree::{Tree, read_to_limit};

/// How names of values that are set aside begin, followed by the name itself, `~` and something unique.
pub(super) const SET_ASIDE: &str = ".roadstead-aside-";

impl Tree {
    pub(super) fn delete(&self, key: &Key, within: &Key) -> io::Result<()> {
        let path = self.path(key);
        // Another program may be linking back what it set aside: gone is what is gone from both names.
        loop {
            let removed = absent_as_none(fs::remove_file(&path))?.is_some();
            let aside = set_aside(&path)?;
            for aside in &aside {
                absent_as_none(fs::remove_file(aside))?;
            }
            if !removed && aside.is_empty() {
                break;
            }
        }
        self.tidy(&path, within)
    }

    pub(super) fn delete_if(&self, key: &Key, within: &Key, expected: &[u8]) -> io::Result<()> {
        let path = self.path(key);
        // What lies aside while there is a value came before that value: if the value goes, nothing older may come
        // back. So this list is made first.
        let older = set_aside(&path)?;
        match absent_as_none(fs::read(&path))? {
            Some(found) if found == expected => {
                if self.delete_unless_replaced(&path, expected)? {
                    remove_all(&older)?;
                }
            }
            Some(_) => return Ok(()),
            // An earlier attempt, cut off by a crash, left it aside.
            None => {
                if newest(&older, expected.len() + 1)?.is_some_and(|found| found == expected) {
                    remove_all(&older)?;
                }
            }
        }
        for aside in set_aside(&path)? {
            if absent_as_none(fs::read(&aside))?.is_some_and(|found| found == expected) {
                absent_as_none(fs::remove_file(&aside))?;
            }
        }
        self.tidy(&path, within)
    }

    pub(super) fn delete_folder(&self, folder: &Key, within: &Key) -> io::Result<()> {
        let path = self.path(folder);
        match absent_as_none(fs::remove_dir_all(&path)) {
            // Somebody put something in meanwhile: it is theirs now.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            result => drop(result?),
        }
        self.folders.remove_empty(parent(&path), &self.path(within));
        Ok(())
    }

    /// A value that has been set aside under this key, if its own name is missing.
    pub(super) fn read_set_aside(&self, key: &Key, limit: usize) -> io::Result<Option<Bytes>> {
        let path = self.path(key);
        if let Some(bytes) = newest(&set_aside(&path)?, limit)? {
            return Ok(Some(bytes));
        }
        // It may have been linked back between the two looks.
        absent_as_none(File::open(path))?
            .map(|file| read_to_limit(&file, limit))
            .transpose()
    }

    /// Whether it was this value that went away.
    fn delete_unless_replaced(&self, path: &Path, expected: &[u8]) -> io::Result<bool> {
        let aside = aside_name(path);
        if absent_as_none(fs::rename(path, &aside))?.is_none() {
            return Ok(false);
        }
        // Another deletion of the same value may have taken it from there.
        let Some(found) = absent_as_none(fs::read(&aside))? else {
            return Ok(false);
        };
        if found != expected {
            match exclusive::place(&aside, path) {
                // A still newer value has come: that one stands.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Deleted by somebody while it lay aside.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                result => result?,
            }
            // The name is on the disk before the only other one goes.
            absent_as_none(self.folders.flush(parent(path)))?;
        }
        absent_as_none(fs::remove_file(&aside))?;
        Ok(found == expected)
    }

    fn tidy(&self, path: &Path, within: &Key) -> io::Result<()> {
        let staying = self.folders.remove_empty(parent(path), &self.path(within));
        absent_as_none(self.folders.flush(staying)).map(|_| ())
    }
}

fn aside_name(path: &Path) -> PathBuf {
    parent(path).join(format!("{}{}", aside_prefix(path), Uuid::new_v4().simple()))
}

fn aside_prefix(path: &Path) -> String {
    format!(
        "{SET_ASIDE}{}~",
        path.file_name().unwrap_or_default().to_string_lossy()
    )
}

/// Of the values that lie aside, the one that was written last.
fn newest(asides: &[PathBuf], limit: usize) -> io::Result<Option<Bytes>> {
    let mut newest = None;
    for aside in asides {
        let Some(file) = absent_as_none(File::open(aside))? else {
            continue;
        };
        let modified = file.metadata()?.modified()?;
        if newest.as_ref().is_none_or(|(latest, _)| *latest < modified) {
            newest = Some((modified, read_to_limit(&file, limit)?));
        }
    }
    Ok(newest.map(|(_, bytes)| bytes))
}

fn remove_all(asides: &[PathBuf]) -> io::Result<()> {
    for aside in asides {
        absent_as_none(fs::remove_file(aside))?;
    }
    Ok(())
}

fn set_aside(path: &Path) -> io::Result<Vec<PathBuf>> {
    let prefix = aside_prefix(path);
    let Some(names) = absent_as_none(fs::read_dir(parent(path)))? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for name in names {
        let name = name?;
        if name.file_name().to_string_lossy().starts_with(&prefix) {
            found.push(name.path());
        }
    }
    Ok(found)
}
