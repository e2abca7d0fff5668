//! The folder, its paths, and its place for temporary files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};
use uuid::Uuid;

use super::super::clock::ClockSamples;
use super::super::{Key, Stat};
use super::folders::Folders;
use super::listing::Listings;
use super::remembered::Remembered;
use super::{DirectIo, FilesystemStorage};

/// All operations here may wait for the disk, unless their name ends in `_cached`.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: PathBuf,
    /// For lookups relative to the root, which spare the kernel the way there.
    pub(super) root_folder: OwnedFd,
    pub(super) folders: Folders,
    pub(super) remembered: Remembered,
    pub(super) listings: Listings,
    pub(super) direct_io: DirectIo,
    pub(super) clock: ClockSamples,
    temporary: PathBuf,
}

impl Tree {
    pub(super) fn open(root: PathBuf, direct_io: DirectIo) -> io::Result<Self> {
        // Nothing more is made here, so that a folder that cannot be written can still be served.
        fs::create_dir_all(&root)?;
        let temporary = root.join(FilesystemStorage::TEMPORARY);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root_folder = rustix::fs::open(&root, flags, Mode::empty())?;
        Ok(Self {
            folders: Folders::new(root.clone()),
            root,
            remembered: Remembered::new(&root_folder),
            listings: Listings::new(),
            direct_io,
            clock: ClockSamples::default(),
            root_folder,
            temporary,
        })
    }

    pub(super) fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    pub(super) fn stat(&self, key: &Key) -> io::Result<Stat> {
        let metadata = fs::metadata(self.path(key))?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::NotFound.into());
        }
        super::lookup::stat_from(&metadata)
    }

    pub(super) fn read(&self, key: &Key, limit: usize) -> io::Result<Option<Bytes>> {
        match super::absent_as_none(File::open(self.path(key)))? {
            Some(file) => Ok(Some(read_to_limit(&file, limit)?)),
            None => self.read_set_aside(key, limit),
        }
    }

    pub(super) fn open_file(&self, key: &Key) -> io::Result<File> {
        File::open(self.path(key))
    }

    /// A new temporary file with these bytes, flushed to the disk if it is to be `durable`.
    pub(super) fn temporary_file(&self, bytes: &[u8], durable: bool) -> io::Result<(Temporary, File)> {
        let (temporary, mut file) = self.new_temporary()?;
        file.write_all(bytes)?;
        if durable {
            file.sync_data()?;
        }
        Ok((temporary, file))
    }

    pub(super) fn new_temporary(&self) -> io::Result<(Temporary, File)> {
        let temporary = self.temporary_name();
        let file = self.create_new(&temporary.0)?;
        Ok((temporary, file))
    }

    /// A name in the temporary folder that nobody else has.
    pub(super) fn temporary_name(&self) -> Temporary {
        Temporary(self.temporary.join(Uuid::new_v4().to_string()))
    }

    pub(super) fn create_new(&self, path: &Path) -> io::Result<File> {
        let create = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o644)
                .open(path)
        };
        if path.starts_with(&self.temporary) {
            self.in_temporary_folder(create)
        } else {
            create()
        }
    }

    /// Makes the temporary folder if the attempt shows that it is missing: for the first time, or because somebody
    /// tidied up below a running server.
    pub(super) fn in_temporary_folder<T>(&self, attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.temporary)?;
                attempt()
            }
            result => result,
        }
    }
}

pub(super) fn read_to_limit(file: &File, limit: usize) -> io::Result<Bytes> {
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(size.min(limit));
    file.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// A file in the temporary folder; removed when dropped, unless it has been renamed to its place by then.
#[derive(Debug)]
pub(super) struct Temporary(pub(super) PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already if it was renamed. What a crash leaves here is purged by age.
        let _ = fs::remove_file(&self.0);
    }
}
