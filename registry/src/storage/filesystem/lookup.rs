//! Answers that the kernel has in memory, given without waiting for a disk, so that a hot object costs no change
//! of threads. What is not in memory is `Unknown`, and is asked again where waiting harms nobody.

use std::fs::{File, Metadata};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::super::{Key, Object, Stat};
use super::object::FileObject;
use super::tree::Tree;

#[derive(Debug)]
pub(super) enum Lookup<T> {
    Found(T),
    Absent,
    Unknown,
}

/// Objects up to this size are read in one go; larger ones are opened.
const SMALL: usize = 64 << 10;
const ONE_PAGE: usize = 4 << 10;

impl Tree {
    pub(super) fn stat_cached(&self, key: &Key) -> Lookup<Stat> {
        match self.lookup(key.as_str(), OFlags::PATH) {
            Lookup::Found(file) => stat_of(file).map_or(Lookup::Unknown, Lookup::Found),
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown => Lookup::Unknown,
        }
    }

    pub(super) fn open_cached(&self, key: &Key) -> Lookup<Arc<dyn Object>> {
        match self.lookup(key.as_str(), OFlags::RDONLY) {
            Lookup::Found(file) => match FileObject::new(key, file) {
                Ok(object) => Lookup::Found(Arc::new(object)),
                Err(_) => Lookup::Unknown,
            },
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown => Lookup::Unknown,
        }
    }

    pub(super) fn read_cached(&self, key: &Key, limit: usize) -> Lookup<Bytes> {
        match self.lookup(key.as_str(), OFlags::RDONLY) {
            Lookup::Found(file) => read_small(&file, limit).map_or(Lookup::Unknown, Lookup::Found),
            // The value may be set aside for a moment, then its folder is there: see removal.rs.
            Lookup::Absent => match key
                .as_str()
                .rsplit_once('/')
                .map(|(folder, _)| self.lookup(folder, OFlags::PATH))
            {
                Some(Lookup::Absent) => Lookup::Absent,
                _ => Lookup::Unknown,
            },
            Lookup::Unknown => Lookup::Unknown,
        }
    }

    fn lookup(&self, path: &str, access: OFlags) -> Lookup<File> {
        let flags = access | OFlags::CLOEXEC;
        match openat2(
            &self.root_folder,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::CACHED,
        ) {
            Ok(file) => Lookup::Found(OwnedFd::into(file)),
            Err(Errno::NOENT | Errno::NOTDIR) => Lookup::Absent,
            // Not in memory, or a kernel before 5.12, or an error that the slow path will tell.
            Err(_) => Lookup::Unknown,
        }
    }
}

fn stat_of(file: File) -> io::Result<Stat> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    stat_from(&metadata)
}

pub(super) fn stat_from(metadata: &Metadata) -> io::Result<Stat> {
    let modified = metadata.modified()?;
    // Before 1970 nothing was changed that anybody relies on.
    let seconds = Duration::from_secs(metadata.ctime().try_into().unwrap_or_default());
    let nanoseconds = Duration::from_nanos(metadata.ctime_nsec().try_into().unwrap_or_default());
    Ok(Stat {
        size: metadata.len(),
        modified,
        changed: modified.max(SystemTime::UNIX_EPOCH + seconds + nanoseconds),
    })
}

/// `None` if a part is not in memory, or it is not small.
fn read_small(file: &File, limit: usize) -> Option<Bytes> {
    if limit <= ONE_PAGE {
        return read_page(file, limit);
    }
    let metadata = file.metadata().ok()?;
    let size = usize::try_from(metadata.len()).ok()?.min(limit);
    if size > SMALL {
        return None;
    }
    let mut bytes = vec![0; size];
    let read = read_now(file, &mut bytes, 0)?;
    (read == size).then(|| bytes.into())
}

/// What fits in one page is in memory whole or not at all, so its size need not be asked for: a link is read with
/// every manifest that is asked for by its tag.
fn read_page(file: &File, limit: usize) -> Option<Bytes> {
    let mut bytes = vec![0; limit];
    let read = read_now(file, &mut bytes, 0)?;
    bytes.truncate(read);
    Some(bytes.into())
}

/// Reads what is in memory. `None` if nothing is, or the filesystem cannot tell.
pub(super) fn read_now(file: impl AsFd, bytes: &mut [u8], offset: u64) -> Option<usize> {
    preadv2(
        file,
        &mut [IoSliceMut::new(bytes)],
        offset,
        ReadWriteFlags::NOWAIT,
    )
    .ok()
}
