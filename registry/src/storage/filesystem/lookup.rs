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
use super::remembered::is_settled;
use super::tree::Tree;

#[derive(Debug)]
pub(super) enum Lookup<T> {
    Found(T),
    Absent,
    Unknown,
}

/// Objects up to this size are read in one go; larger ones are opened.
const SMALL: usize = 64 << 10;

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
        if let Some(bytes) = self.remembered.get(key, limit) {
            return Lookup::Found(bytes);
        }
        match self.read_in_memory(key, limit) {
            Lookup::Found(small) => {
                if small.was_settled {
                    self.remembered
                        .keep(key, small.file, &small.metadata, &small.bytes);
                }
                Lookup::Found(small.bytes)
            }
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown => Lookup::Unknown,
        }
    }

    /// What is in memory without asking the disk, what is not with it. One of many that are read once in a row, and
    /// that must not take the place of what is asked for again and again.
    pub(super) fn read_in_passing(&self, key: &Key, limit: usize) -> io::Result<Option<Bytes>> {
        match self.read_in_memory(key, limit) {
            Lookup::Found(small) => Ok(Some(small.bytes)),
            Lookup::Absent => Ok(None),
            Lookup::Unknown => self.read(key, limit),
        }
    }

    fn read_in_memory(&self, key: &Key, limit: usize) -> Lookup<Small> {
        match self.lookup(key.as_str(), OFlags::RDONLY) {
            Lookup::Found(file) => read_small(file, limit).map_or(Lookup::Unknown, Lookup::Found),
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

/// What was read of a small file, and the file as it was before that.
struct Small {
    bytes: Bytes,
    file: File,
    metadata: Metadata,
    /// Before the bytes were read: see remembered.rs.
    was_settled: bool,
}

/// `None` if a part is not in memory, or it is not small.
fn read_small(file: File, limit: usize) -> Option<Small> {
    let metadata = file.metadata().ok()?;
    let was_settled = is_settled(&metadata);
    let size = usize::try_from(metadata.len()).ok()?.min(limit);
    if size > SMALL {
        return None;
    }
    let mut bytes = vec![0; size];
    if read_now(&file, &mut bytes, 0)? != size {
        return None;
    }
    let bytes = Bytes::from(bytes);
    Some(Small {
        bytes,
        file,
        metadata,
        was_settled,
    })
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
    Ok(Stat {
        size: metadata.len(),
        modified,
        changed: modified.max(changed(metadata)),
    })
}

/// When anything about the file changed last. Before 1970 nothing was changed that anybody relies on.
pub(super) fn changed(metadata: &Metadata) -> SystemTime {
    let seconds = Duration::from_secs(metadata.ctime().try_into().unwrap_or_default());
    let nanoseconds = Duration::from_nanos(metadata.ctime_nsec().try_into().unwrap_or_default());
    SystemTime::UNIX_EPOCH + seconds + nanoseconds
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
