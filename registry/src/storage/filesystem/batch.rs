//! Small objects that are read one after the other, as those of a page.
//!
//! To look at a file costs half of opening and reading it, and most files that are read in a row lie side by side: the
//! way to the folder above all of them is walked once.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use bytes::Bytes;
use rustix::fs::{AtFlags, OFlags, Stat, statat};

use super::super::Key;
use super::lookup::Lookup;
use super::tree::Tree;
use super::version::Version;

pub(super) struct Batch<'a> {
    tree: &'a Tree,
    /// The one above all, with its path. It is what had that path when the batch began: renaming it, or one above, is not
    /// seen within the batch.
    folder: Option<(File, &'a str)>,
}

impl<'a> Batch<'a> {
    /// Below the folder of these keys.
    pub(super) fn of(tree: &'a Tree, keys: &'a [Key]) -> Self {
        let path = folder_above(keys);
        let folder = match tree.lookup(path, OFlags::PATH) {
            Lookup::Found(folder) => Some((folder, path)),
            Lookup::Absent | Lookup::Unknown => None,
        };
        Batch { tree, folder }
    }

    /// What is in memory without asking the disk, what is not with it.
    pub(super) fn read(&self, key: &Key, limit: usize) -> io::Result<Option<Bytes>> {
        if let Some(bytes) = self.remembered(key, limit) {
            return Ok(Some(bytes));
        }
        match self.tree.read_in_memory(key, limit) {
            Lookup::Found(small) => {
                if small.may_be_kept {
                    self.tree.remembered.keep_content(small.version, &small.bytes);
                }
                Ok(Some(small.bytes))
            }
            Lookup::Absent => Ok(None),
            Lookup::Unknown => self.tree.read(key, limit),
        }
    }

    fn remembered(&self, key: &Key, limit: usize) -> Option<Bytes> {
        let remembered = &self.tree.remembered;
        let found = remembered.may_know().then(|| self.stat(key))??;
        remembered.content(Version::from(&found), limit)
    }

    fn stat(&self, key: &Key) -> Option<Stat> {
        let (folder, name) = match &self.folder {
            Some((folder, path)) => (
                folder.as_fd(),
                key.as_str().strip_prefix(path)?.strip_prefix('/')?,
            ),
            None => (self.tree.root_folder.as_fd(), key.as_str()),
        };
        statat(folder, name, AtFlags::empty()).ok()
    }
}

/// The deepest folder that all of these lie below. Empty if that is the root.
fn folder_above(keys: &[Key]) -> &str {
    let mut folder = keys.first().map_or("", |key| parent(key.as_str()));
    for key in keys {
        while !is_below(key, folder) {
            folder = parent(folder);
        }
    }
    folder
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn is_below(key: &Key, folder: &str) -> bool {
    folder.is_empty()
        || key
            .as_str()
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::thread::sleep;
    use std::time::Duration;

    use super::super::DirectIo;
    use super::super::remembered::Remembered;
    use super::*;

    fn keys(texts: &[&str]) -> Vec<Key> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_folder_above_is_the_deepest_that_all_have() {
        for (texts, folder) in [
            (&[][..], ""),
            (&["link"], ""),
            (&["a/b/link"], "a/b"),
            (&["a/b/link", "a/b/other"], "a/b"),
            (&["a/b/link", "a/bc/link", "a/b/link"], "a"),
            (&["a/b/link", "a/b"], "a"),
            (&["a/link", "a/b/c/link", "a/link"], "a"),
            (&["a/link", "ab/link"], ""),
        ] {
            assert_eq!(folder_above(&keys(texts)), folder, "{texts:?}");
        }
    }

    #[test]
    fn each_is_read_wherever_it_lies_and_remembered() {
        let root = tempfile::tempdir().unwrap();
        let keys = keys(&["tags/a/link", "tags/b/link", "tags/b/c/link", "other/link"]);
        for key in &keys {
            let path = root.path().join(key.as_str());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, key.as_str()).unwrap();
        }
        sleep(Duration::from_millis(250));
        let mut tree = Tree::open(root.path().to_owned(), DirectIo::Auto).unwrap();
        // Wherever the tests' folders lie.
        tree.remembered = Remembered::of_device(fs::metadata(root.path()).unwrap().dev());
        for some in [&keys[..3], &keys] {
            let missing = "tags/d/link".parse().unwrap();
            let batch = Batch::of(&tree, some);
            for key in some {
                assert_eq!(batch.read(key, 100).unwrap().unwrap(), key.as_str());
            }
            assert_eq!(batch.read(&missing, 100).unwrap(), None);
        }
        assert_eq!(
            Batch::of(&tree, &keys).remembered(&keys[3], 100).unwrap(),
            "other/link"
        );
        let batch = Batch::of(&tree, &keys[..3]);
        assert_eq!(batch.remembered(&keys[1], 100).unwrap(), "tags/b/link");
        assert_eq!(batch.remembered(&keys[2], 4).unwrap(), "tags");
        fs::remove_file(root.path().join("tags/b/link")).unwrap();
        assert_eq!(batch.read(&keys[1], 100).unwrap(), None);
        // Made anew, and not seen within the batch but for what the folder of before does not have.
        fs::rename(root.path().join("tags"), root.path().join("aside")).unwrap();
        fs::create_dir_all(root.path().join("tags/b")).unwrap();
        fs::write(root.path().join("tags/b/link"), "new").unwrap();
        assert_eq!(batch.read(&keys[1], 100).unwrap().unwrap(), "new");
        assert_eq!(batch.read(&keys[0], 100).unwrap().unwrap(), "tags/a/link");
        assert_eq!(Batch::of(&tree, &keys[..3]).read(&keys[0], 100).unwrap(), None);
    }
}
