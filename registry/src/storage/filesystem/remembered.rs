//! What small files held when they were read lately.
//!
//! A link is read with every manifest that is asked for by its tag, and to walk nine folders, open, read and close for
//! it costs more than all the rest of the answer. So some are held open. What is kept here is never believed without
//! asking the kernel about the file: whether it still has a name, and when it last changed. Whoever replaces a link,
//! writes into it, deletes it or sets it aside changes one of these, be it this program, another one like it, or
//! registry:2. What does not is to rename a folder above it, which only a person does, so the way is walked again every
//! second.
//!
//! A page of tags reads thousands, too many to hold them open. Of these the bytes are kept by the file's version, which
//! costs the way to the file and no more.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::fs::{fstat, fstatfs};
use rustix::process::{Resource, getrlimit};

use super::super::Key;
use super::contents::Contents;
use super::version::Version;
use crate::recent::Recent;

/// Larger ones are read each time.
const LARGEST: usize = 4 << 10;
/// Files that are held open, at most.
const FILES: usize = 4096;
/// After which time the way to a file is walked again.
const WAY: Duration = Duration::from_secs(1);

/// Filesystems of which this kernel knows every change: no other machine writes them, and nothing lies between a name
/// and its file.
const LOCAL: [u64; 7] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0x0102_1994, // tmpfs
    0xF2F5_2010, // F2FS
    0x2FC1_2FC1, // ZFS
    0xCA45_1A4E, // bcachefs
];

#[derive(Debug)]
pub(super) struct Remembered {
    /// Of the store's root, if it lies on such a filesystem: a folder below may be a mount of another.
    device: Option<u64>,
    files: Recent<Key, Arc<Seen>>,
    contents: Contents,
}

#[derive(Debug)]
struct Seen {
    file: File,
    bytes: Bytes,
    version: Version,
    found: Instant,
}

impl Remembered {
    pub(super) fn new(root: impl AsFd) -> Self {
        let is_local = fstatfs(&root).is_ok_and(|found| LOCAL.contains(&found.f_type.cast_unsigned()));
        let device = is_local
            .then(|| fstat(&root).ok())
            .flatten()
            .map(|root| root.st_dev);
        // One in eight: connections need files too.
        let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) / 8;
        let files = usize::try_from(allowed).unwrap_or(FILES).min(FILES);
        Remembered {
            device,
            files: Recent::new(files),
            contents: Contents::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn of_device(device: impl Into<Option<u64>>) -> Self {
        Remembered {
            device: device.into(),
            files: Recent::new(10),
            contents: Contents::new(),
        }
    }

    /// Whether anything is ever kept: the root is local, and so is what is asked of it.
    pub(super) fn may_know(&self) -> bool {
        self.device.is_some()
    }

    /// Whether this kernel knows every change of what lies there.
    pub(super) fn knows_changes_of(&self, version: Version) -> bool {
        self.device == Some(version.device)
    }

    /// At most `limit` bytes of what the file holds now, if that is known.
    pub(super) fn get(&self, key: &Key, limit: usize) -> Option<Bytes> {
        self.device?;
        let seen = self.files.get(key)?;
        if seen.found.elapsed() < WAY && seen.is_unchanged() {
            return Some(seen.bytes.slice(..seen.bytes.len().min(limit)));
        }
        // Held open no longer than it is of use: its blocks would stay taken.
        self.files.remove(key);
        None
    }

    /// All that this version of the file holds, which was settled when it was read.
    pub(super) fn keep(&self, key: &Key, file: File, version: Version, bytes: &Bytes) {
        if self.may_keep(version, bytes) {
            let seen = Seen {
                file,
                bytes: bytes.clone(),
                version,
                found: Instant::now(),
            };
            self.files.insert(key.clone(), Arc::new(seen), 1);
        }
    }

    /// At most `limit` bytes of what this version of a file holds, if that is known.
    pub(super) fn content(&self, version: Version, limit: usize) -> Option<Bytes> {
        let bytes = self.contents.get(version)?;
        Some(bytes.slice(..bytes.len().min(limit)))
    }

    /// As [`Self::keep`], without holding the file open.
    pub(super) fn keep_content(&self, version: Version, bytes: &Bytes) {
        if self.may_keep(version, bytes) {
            self.contents.keep(version, bytes.clone());
        }
    }

    fn may_keep(&self, version: Version, bytes: &Bytes) -> bool {
        self.knows_changes_of(version) && bytes.len() <= LARGEST
    }
}

impl Seen {
    fn is_unchanged(&self) -> bool {
        fstat(&self.file).is_ok_and(|now| now.st_nlink > 0 && self.version == Version::from(&now))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;
    use std::thread::sleep;

    use tempfile::TempDir;

    use super::super::DirectIo;
    use super::super::batch::Batch;
    use super::super::lookup::Lookup;
    use super::super::tree::Tree;
    use super::*;

    /// A store with one link in it, which was read often enough to be remembered.
    struct Store {
        tree: Tree,
        root: TempDir,
    }

    impl Store {
        const LINK: &str = "tags/v1/current/link";

        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join(Self::LINK);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "first").unwrap();
            let mut tree = Tree::open(root.path().to_owned(), DirectIo::Auto).unwrap();
            // Wherever the tests' folders lie.
            tree.remembered =
                Remembered::of_device(fs::metadata(root.path().join(Self::LINK)).unwrap().dev());
            let store = Store { tree, root };
            assert_eq!(store.read().as_deref(), Some("first"));
            assert!(
                store.remembered().is_none(),
                "it may change unseen within this moment"
            );
            sleep(WAY / 5);
            assert_eq!(store.read().as_deref(), Some("first"));
            assert_eq!(store.remembered().as_deref(), Some("first"));
            store
        }

        fn path(&self) -> PathBuf {
            self.root.path().join(Self::LINK)
        }

        fn version(&self) -> Version {
            (&fs::metadata(self.path()).unwrap()).into()
        }

        /// As one of many.
        fn read_in_a_row(&self) -> Option<String> {
            let key = Self::LINK.parse().unwrap();
            let bytes = Batch::of(&self.tree, std::slice::from_ref(&key))
                .read(&key, 100)
                .unwrap()?;
            Some(String::from_utf8(bytes.to_vec()).unwrap())
        }

        fn remembered(&self) -> Option<String> {
            let bytes = self.tree.remembered.get(&Self::LINK.parse().unwrap(), 100)?;
            Some(String::from_utf8(bytes.to_vec()).unwrap())
        }

        fn read(&self) -> Option<String> {
            let key = Self::LINK.parse().unwrap();
            let bytes = match self.tree.read_cached(&key, 100) {
                Lookup::Found(bytes) => Some(bytes),
                Lookup::Absent => None,
                Lookup::Unknown => self.tree.read(&key, 100).unwrap(),
            };
            bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        }
    }

    #[test]
    fn a_link_that_is_replaced_is_seen_at_once() {
        let store = Store::new();
        let new = store.root.path().join("new");
        fs::write(&new, "other").unwrap();
        fs::rename(new, store.path()).unwrap();
        assert_eq!(store.read().as_deref(), Some("other"));
    }

    /// As registry:2 does it: to the same length even.
    #[test]
    fn a_link_that_is_written_in_place_is_seen_at_once_and_each_time() {
        let store = Store::new();
        for value in ["other", "third", "forth"] {
            fs::write(store.path(), value).unwrap();
            assert_eq!(store.read().as_deref(), Some(value));
            assert_eq!(store.read().as_deref(), Some(value));
        }
    }

    #[test]
    fn a_link_that_is_deleted_or_moved_away_is_gone_at_once() {
        let store = Store::new();
        fs::rename(store.path(), store.root.path().join("aside")).unwrap();
        assert_eq!(store.read(), None);
        let store = Store::new();
        fs::remove_file(store.path()).unwrap();
        assert_eq!(store.read(), None);
        let store = Store::new();
        fs::remove_dir_all(store.root.path().join("tags")).unwrap();
        assert_eq!(store.read(), None);
    }

    #[test]
    fn a_folder_above_that_is_renamed_is_noticed_when_the_way_is_walked_again() {
        let store = Store::new();
        let tags = store.root.path().join("tags");
        fs::rename(&tags, store.root.path().join("elsewhere")).unwrap();
        sleep(WAY);
        assert_eq!(store.read(), None);
    }

    #[test]
    fn no_more_is_given_than_is_asked_for() {
        let store = Store::new();
        let key = Store::LINK.parse().unwrap();
        assert_eq!(store.tree.remembered.get(&key, 2).as_deref(), Some(&b"fi"[..]));
    }

    #[test]
    fn what_is_read_in_a_row_is_read_again_once_it_changed() {
        let store = Store::new();
        assert_eq!(store.tree.remembered.content(store.version(), 100), None);
        for _ in 0..2 {
            assert_eq!(store.read_in_a_row().as_deref(), Some("first"));
            let kept = store.tree.remembered.content(store.version(), 100);
            assert_eq!(kept.as_deref(), Some(&b"first"[..]));
        }
        for value in ["other", "third", "forth"] {
            fs::write(store.path(), value).unwrap();
            for _ in 0..2 {
                assert_eq!(store.read_in_a_row().as_deref(), Some(value));
            }
            let kept = store.tree.remembered.content(store.version(), 100);
            assert_eq!(kept, None, "it may change unseen within this moment");
        }
        sleep(WAY / 5);
        assert_eq!(store.read_in_a_row().as_deref(), Some("forth"));
        let new = store.root.path().join("new");
        fs::write(&new, "fifth").unwrap();
        fs::rename(new, store.path()).unwrap();
        assert_eq!(store.read_in_a_row().as_deref(), Some("fifth"));
        fs::remove_file(store.path()).unwrap();
        assert_eq!(store.read_in_a_row(), None);
    }

    #[test]
    fn a_part_of_a_file_is_not_kept_as_all_of_it() {
        let store = Store::new();
        let key = Store::LINK.parse().unwrap();
        let batch = Batch::of(&store.tree, std::slice::from_ref(&key));
        for limit in [2, 100, 2] {
            let read = batch.read(&key, limit).unwrap().unwrap();
            assert_eq!(read, b"first"[..5.min(limit)]);
        }
    }

    /// Another machine may write there, of which this kernel learns later.
    #[test]
    fn nothing_is_remembered_of_a_filesystem_that_others_write_too() {
        let store = Store::new();
        let path = store.path();
        let elsewhere = Remembered {
            device: None,
            ..Remembered::of_device(0)
        };
        let file = File::open(path).unwrap();
        let key: Key = Store::LINK.parse().unwrap();
        let bytes = Bytes::from_static(b"first");
        elsewhere.keep(&key, file, store.version(), &bytes);
        elsewhere.keep_content(store.version(), &bytes);
        assert_eq!(elsewhere.content(store.version(), 100), None);
        assert_eq!(elsewhere.get(&key, 100), None);
    }
}
