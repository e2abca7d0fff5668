//! Deleting objects, and finding those that lie aside: see conditional.rs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use uuid::Uuid;

use super::super::Key;
use super::absent_as_none;
use super::folders::parent;
use super::tree::{Tree, read_to_limit};

/// How names of values that are set aside begin, followed by the name itself, `~` and something unique.
pub(super) const SET_ASIDE: &str = ".roadstead-aside-";

impl Tree {
    pub(super) fn delete(&self, key: &Key) -> io::Result<()> {
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
        self.tidy(&path)
    }

    pub(super) fn delete_folder(&self, folder: &Key) -> io::Result<()> {
        let path = self.path(folder);
        match absent_as_none(fs::remove_dir_all(&path)) {
            // Somebody put something in meanwhile: it is theirs now.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            result => drop(result?),
        }
        self.folders.remove_empty(parent(&path));
        Ok(())
    }

    /// As [`Self::delete_folder`], and never with a part of it still under its name: whoever puts something in meanwhile
    /// finds no folder.
    pub(super) fn delete_folder_at_once(&self, folder: &Key) -> io::Result<()> {
        let name = Uuid::new_v4().to_string();
        let aside = folder.parent().and_then(|within| within.join(&name).ok());
        match aside {
            Some(aside) if fs::rename(self.path(folder), self.path(&aside)).is_ok() => {
                self.delete_folder(&aside)
            }
            // It is gone; or a share that renames no folder of which something is open.
            _ => self.delete_folder(folder),
        }
    }

    /// A value that has been set aside under this key, if its own name is missing.
    pub(super) fn read_set_aside(&self, key: &Key, limit: usize) -> io::Result<Option<Bytes>> {
        open_set_aside(&self.path(key))?
            .map(|file| read_to_limit(&file, limit))
            .transpose()
    }

    pub(super) fn tidy(&self, path: &Path) -> io::Result<()> {
        let staying = self.folders.remove_empty(parent(path));
        absent_as_none(self.folders.flush(staying)).map(|_| ())
    }
}

pub(super) fn open_set_aside(path: &Path) -> io::Result<Option<File>> {
    match newest(&set_aside(path)?)? {
        Some(file) => Ok(Some(file)),
        // It may have been linked back between the two looks.
        None => absent_as_none(File::open(path)),
    }
}

pub(super) fn aside_name(path: &Path) -> PathBuf {
    parent(path).join(format!("{}{}", aside_prefix(path), Uuid::new_v4().simple()))
}

fn aside_prefix(path: &Path) -> String {
    format!(
        "{SET_ASIDE}{}~",
        path.file_name().unwrap_or_default().to_string_lossy()
    )
}

/// The name that a value had which lies aside under this one.
pub(super) fn without_aside(name: &str) -> Option<&str> {
    let (name, _unique) = name.strip_prefix(SET_ASIDE)?.rsplit_once('~')?;
    Some(name)
}

/// Of the values that lie aside, the one that was written last.
pub(super) fn newest(asides: &[PathBuf]) -> io::Result<Option<File>> {
    let mut newest = None;
    for aside in asides {
        let Some(file) = absent_as_none(File::open(aside))? else {
            continue;
        };
        let modified = file.metadata()?.modified()?;
        if newest.as_ref().is_none_or(|(latest, _)| *latest < modified) {
            newest = Some((modified, file));
        }
    }
    Ok(newest.map(|(_, file)| file))
}

/// Where values of this name lie aside.
pub(super) fn set_aside(path: &Path) -> io::Result<Vec<PathBuf>> {
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
