//! The names in a folder.
//!
//! A page of tags needs all of them, for a folder has no order. Those of large folders are kept: whatever adds or takes
//! a name, be it this program or another, changes the folder's time, which the kernel is asked for each time.

use std::collections::BinaryHeap;
use std::fs::{self, DirEntry};
use std::io;
use std::sync::Arc;

use super::super::{Entry, Key};
use super::tree::Tree;
use super::version::Version;
use crate::recent::Recent;

/// Smaller folders are read each time.
const LARGE: usize = 500;
/// Names of one folder that are kept at most: some megabytes.
const MOST: usize = 30_000;

/// The names that large folders had when they were read last.
#[derive(Debug)]
pub(super) struct Listings(Recent<Key, Arc<Listing>>);

#[derive(Debug)]
struct Listing {
    version: Version,
    /// In order. `None`: too many to keep.
    entries: Option<Vec<Entry>>,
}

impl Listings {
    pub(super) fn new() -> Self {
        Listings(Recent::new(2 * MOST))
    }
}

impl Tree {
    pub(super) fn list(&self, folder: &Key, after: Option<&str>, limit: usize) -> io::Result<Vec<Entry>> {
        let path = self.path(folder);
        let Some(metadata) = super::absent_as_none(fs::metadata(&path))? else {
            return Ok(Vec::new());
        };
        let version = Version::from(&metadata);
        let kept = self.listings.0.get(folder).filter(|kept| kept.version == version);
        if let Some(entries) = kept.as_ref().and_then(|kept| kept.entries.as_ref()) {
            return Ok(page(entries, after, limit));
        }
        let Some(mut names) = super::absent_as_none(fs::read_dir(path))? else {
            return Ok(Vec::new());
        };
        // Of a folder that changes just now, what is read here may be older than its next time tells.
        let mut may_keep =
            kept.is_none() && self.remembered.knows_changes_of(version) && version.is_settled();
        let keep = |entries: Option<Vec<Entry>>| {
            let cost = entries.as_ref().map_or(1, Vec::len);
            let listing = Listing { version, entries };
            self.listings.0.insert(folder.clone(), Arc::new(listing), cost);
        };
        let mut entries = Vec::new();
        if may_keep {
            for name in names.by_ref().take(MOST) {
                let name = name?;
                // What a link leads to may change without the folder.
                may_keep &= !name.file_type()?.is_symlink();
                entries.extend(entry(&name)?);
            }
        }
        let rest = names.next();
        if may_keep && rest.is_some() {
            keep(None);
        } else if may_keep && entries.len() >= LARGE {
            entries.sort_unstable();
            let page = page(&entries, after, limit);
            keep(Some(entries));
            return Ok(page);
        }
        // The smallest `limit` names: a page of a large folder sorts no more than itself.
        let mut smallest = Smallest::new(after, limit);
        entries.into_iter().for_each(|entry| smallest.offer(entry));
        for name in rest.into_iter().chain(names) {
            if let Some(entry) = entry(&name?)? {
                smallest.offer(entry);
            }
        }
        Ok(smallest.entries.into_sorted_vec())
    }
}

fn page(entries: &[Entry], after: Option<&str>, limit: usize) -> Vec<Entry> {
    let start = after.map_or(0, |after| {
        entries.partition_point(|entry| entry.name.as_str() <= after)
    });
    entries[start..].iter().take(limit).cloned().collect()
}

struct Smallest<'a> {
    after: Option<&'a str>,
    limit: usize,
    entries: BinaryHeap<Entry>,
}

impl<'a> Smallest<'a> {
    fn new(after: Option<&'a str>, limit: usize) -> Self {
        Smallest {
            after,
            limit,
            entries: BinaryHeap::new(),
        }
    }

    fn offer(&mut self, entry: Entry) {
        if self.after.is_some_and(|after| entry.name.as_str() <= after) {
            return;
        }
        if self.entries.len() < self.limit {
            self.entries.push(entry);
        } else if self.entries.peek().is_some_and(|largest| entry < *largest) {
            self.entries.pop();
            self.entries.push(entry);
        }
    }
}

fn entry(name: &DirEntry) -> io::Result<Option<Entry>> {
    // A name that is not text is none that a key can have.
    let Ok(text) = name.file_name().into_string() else {
        return Ok(None);
    };
    if text.starts_with(super::removal::SET_ASIDE) {
        return Ok(None);
    }
    let kind = name.file_type()?;
    let is_folder = kind.is_dir() || (kind.is_symlink() && name.path().is_dir());
    Ok(Some(Entry {
        name: text,
        is_folder,
    }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::thread::sleep;
    use std::time::Duration;

    use super::super::DirectIo;
    use super::*;

    /// A folder of so many names that was left alone for a while.
    fn tree_with(names: usize, root: &Path) -> Tree {
        fs::create_dir(root.join("tags")).unwrap();
        for i in 0..names {
            fs::write(root.join(format!("tags/{i:05}")), "").unwrap();
        }
        sleep(Duration::from_millis(250));
        let mut tree = Tree::open(root.to_owned(), DirectIo::Auto).unwrap();
        // Wherever the tests' folders lie.
        tree.remembered = super::super::remembered::Remembered::of_device(fs::metadata(root).unwrap().dev());
        tree
    }

    fn names(tree: &Tree, after: Option<&str>, limit: usize) -> Vec<String> {
        let entries = tree.list(&tags(), after, limit).unwrap();
        entries.into_iter().map(|entry| entry.name).collect()
    }

    fn tags() -> Key {
        "tags".parse().unwrap()
    }

    #[test]
    fn a_kept_listing_gives_the_same_pages() {
        let root = tempfile::tempdir().unwrap();
        let tree = tree_with(LARGE, root.path());
        assert!(tree.listings.0.get(&tags()).is_none());
        for _ in 0..2 {
            assert_eq!(names(&tree, None, 2), ["00000", "00001"]);
            assert_eq!(names(&tree, Some("00001"), 2), ["00002", "00003"]);
            assert_eq!(names(&tree, Some("00001x"), 1), ["00002"]);
            assert_eq!(names(&tree, Some("00498"), 9), ["00499"]);
            assert_eq!(names(&tree, Some("00499"), 9), [""; 0]);
            assert_eq!(names(&tree, None, usize::MAX).len(), LARGE);
            assert!(tree.listings.0.get(&tags()).is_some());
        }
    }

    #[test]
    fn a_name_that_comes_or_goes_is_seen_at_once_and_each_time() {
        let root = tempfile::tempdir().unwrap();
        let tree = tree_with(LARGE, root.path());
        assert_eq!(names(&tree, Some("00499"), 9), [""; 0]);
        for new in ["00500", "00501", "00502"] {
            fs::write(root.path().join("tags").join(new), "").unwrap();
            assert_eq!(names(&tree, Some("00499"), 9).last().unwrap(), new);
            assert_eq!(names(&tree, Some("00499"), 9).last().unwrap(), new);
        }
        sleep(Duration::from_millis(250));
        assert_eq!(names(&tree, Some("00499"), 9).len(), 3);
        fs::remove_file(root.path().join("tags/00501")).unwrap();
        assert_eq!(names(&tree, Some("00499"), 9), ["00500", "00502"]);
        fs::rename(root.path().join("tags/00502"), root.path().join("tags/00503")).unwrap();
        assert_eq!(names(&tree, Some("00499"), 9), ["00500", "00503"]);
        fs::rename(root.path().join("tags"), root.path().join("aside")).unwrap();
        assert_eq!(names(&tree, None, 9), [""; 0]);
    }

    #[test]
    fn what_others_may_change_unseen_and_what_is_too_large_is_not_kept() {
        let root = tempfile::tempdir().unwrap();
        let mut tree = tree_with(MOST + 1, root.path());
        for _ in 0..2 {
            assert_eq!(names(&tree, Some("29998"), 9), ["29999", "30000"]);
            assert!(tree.listings.0.get(&tags()).unwrap().entries.is_none());
        }
        fs::remove_file(root.path().join("tags/00000")).unwrap();
        sleep(Duration::from_millis(250));
        tree.remembered = super::super::remembered::Remembered::of_device(u64::MAX);
        assert_eq!(names(&tree, None, 1), ["00001"]);
        assert_eq!(names(&tree, None, usize::MAX).len(), MOST);
        assert!(tree.listings.0.get(&tags()).unwrap().entries.is_none());
    }

    #[test]
    fn what_a_symbolic_link_leads_to_is_asked_each_time() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("target");
        let tree = tree_with(LARGE, root.path());
        std::os::unix::fs::symlink(&target, root.path().join("tags/team")).unwrap();
        sleep(Duration::from_millis(250));
        let is_folder = || tree.list(&tags(), Some("00499"), 1).unwrap()[0].is_folder;
        assert!(!is_folder());
        fs::create_dir(target).unwrap();
        assert!(is_folder());
    }
}
