//! A disk in memory: files and folders, and the changes that make them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

pub(crate) type Inode = u64;
pub(crate) const ROOT: Inode = 1;

/// One step of what a filesystem does, in terms of what can be kept or lost by itself.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write {
        file: Inode,
        offset: usize,
        bytes: Vec<u8>,
    },
    Resize {
        file: Inode,
        size: usize,
    },
    /// A name is made, or taken away.
    Name {
        folder: Inode,
        name: String,
        to: Option<Link>,
    },
    /// Both names change or none, as on every filesystem with a journal.
    Rename {
        from: (Inode, String),
        to: (Inode, String),
        link: Link,
    },
    FlushFile(Inode),
    FlushFolder(Inode),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) inode: Inode,
    pub(crate) is_folder: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) folders: HashMap<Inode, BTreeMap<String, Link>>,
    pub(crate) files: HashMap<Inode, Vec<u8>>,
}

impl Disk {
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { file, offset, bytes } => {
                let data = self.files.entry(*file).or_default();
                let end = offset + bytes.len();
                if data.len() < end {
                    data.resize(end, 0);
                }
                data[*offset..end].copy_from_slice(bytes);
            }
            Change::Resize { file, size } => self.files.entry(*file).or_default().resize(*size, 0),
            Change::Name { folder, name, to } => self.set(*folder, name, *to),
            Change::Rename { from, to, link } => {
                self.set(from.0, &from.1, None);
                self.set(to.0, &to.1, Some(*link));
            }
            Change::FlushFile(_) | Change::FlushFolder(_) => {}
        }
    }

    pub(crate) fn entry(&self, folder: Inode, name: &str) -> Option<Link> {
        self.folders.get(&folder)?.get(name).copied()
    }

    fn set(&mut self, folder: Inode, name: &str, to: Option<Link>) {
        let names = self.folders.entry(folder).or_default();
        match to {
            Some(link) => names.insert(name.to_owned(), link),
            None => names.remove(name),
        };
    }

    /// Makes it real, below a folder.
    pub(crate) fn write_to(&self, path: &Path) -> io::Result<()> {
        self.write_folder(ROOT, path, &mut HashMap::new())
    }

    fn write_folder(
        &self,
        folder: Inode,
        path: &Path,
        written: &mut HashMap<Inode, std::path::PathBuf>,
    ) -> io::Result<()> {
        std::fs::create_dir_all(path)?;
        for (name, link) in self.folders.get(&folder).into_iter().flatten() {
            let below = path.join(name);
            if link.is_folder {
                self.write_folder(link.inode, &below, written)?;
            } else if let Some(other) = written.get(&link.inode) {
                std::fs::hard_link(other, below)?;
            } else {
                std::fs::write(&below, self.files.get(&link.inode).map_or(&[][..], Vec::as_slice))?;
                written.insert(link.inode, below);
            }
        }
        Ok(())
    }
}
