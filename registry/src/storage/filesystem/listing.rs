//! The names in a folder.

use std::collections::BinaryHeap;
use std::fs::{self, DirEntry};
use std::io;

use super::super::{Entry, Key};
use super::tree::Tree;

impl Tree {
    pub(super) fn list(&self, folder: &Key, after: Option<&str>, limit: usize) -> io::Result<Vec<Entry>> {
        let path = self.path(folder);
        let Some(names) = super::absent_as_none(fs::read_dir(path))? else {
            return Ok(Vec::new());
        };
        // The smallest `limit` names: a page of a large folder sorts no more than itself.
        let mut smallest = BinaryHeap::new();
        for name in names {
            let Some(entry) = wanted(&name?, after)? else {
                continue;
            };
            if smallest.len() < limit {
                smallest.push(entry);
            } else if smallest.peek().is_some_and(|largest| entry < *largest) {
                smallest.pop();
                smallest.push(entry);
            }
        }
        Ok(smallest.into_sorted_vec())
    }
}

fn wanted(name: &DirEntry, after: Option<&str>) -> io::Result<Option<Entry>> {
    // A name that is not text is none that a key can have.
    let Ok(text) = name.file_name().into_string() else {
        return Ok(None);
    };
    if after.is_some_and(|after| text.as_str() <= after) || text.starts_with(super::removal::SET_ASIDE) {
        return Ok(None);
    }
    let kind = name.file_type()?;
    let is_folder = kind.is_dir() || (kind.is_symlink() && name.path().is_dir());
    Ok(Some(Entry {
        name: text,
        is_folder,
    }))
}
