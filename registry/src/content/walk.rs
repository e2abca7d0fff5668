//! The way through all that there is: for the catalog, for purging, and for whoever else looks at the whole store.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;

use super::error::Error;
use super::layout;
use super::listing::all;
use crate::storage::{Entry, Key, Storage};

/// Goes through folders in the order of their keys as texts, in which `a-b` stands between `a` and `a/b`: whatever lies
/// in a folder comes after it, and what is added behind the walk's back is met only if it lies ahead.
pub(super) struct Walk {
    /// Whether anything below this folder is wanted.
    enters: Box<dyn Fn(&Key) -> bool + Send + Sync>,
    /// Found and not looked into yet.
    found: BinaryHeap<Reverse<Key>>,
}

/// A folder, and what it had when it was looked into.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) key: Key,
    pub(super) entries: Vec<Entry>,
}

impl Walk {
    /// Through this folder and those below it that `enters` lets through.
    pub(super) fn below(folder: Key, enters: impl Fn(&Key) -> bool + Send + Sync + 'static) -> Self {
        Walk {
            enters: Box::new(enters),
            found: [Reverse(folder)].into(),
        }
    }

    /// `None` at the end. A folder that cannot be read is an error each time, and never left out.
    pub(super) async fn next(&mut self, storage: &dyn Storage) -> Result<Option<Folder>, Error> {
        let Some(Reverse(key)) = self.found.peek().cloned() else {
            return Ok(None);
        };
        let entries = all(storage, &key).await?;
        self.found.pop();
        let below = entries
            .iter()
            .filter(|entry| entry.is_folder)
            .filter_map(|entry| layout::below(&key, &entry.name));
        self.found
            .extend(below.filter(|folder| (self.enters)(folder)).map(Reverse));
        Ok(Some(Folder { key, entries }))
    }
}

impl fmt::Debug for Walk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Walk").field(&self.found).finish()
    }
}
