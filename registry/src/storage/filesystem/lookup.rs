//! Answers that the kernel has in memory, given without waiting for a disk, so that a hot object costs no change
//! of threads. What is not in memory is `Unknown`, and is asked again where waiting harms nobody.

use std::fs::{File, Metadata};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};

use bytes::Bytes;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::super::{Key, Stat};
use super::tree::Tree;
use super::version::Version;

#[derive(Debug)]
pub(super) enum Lookup<T> {
    Found(T),
    Absent,
    Unknown,
}

/// Objects up to this size are read in one go; larger ones are opened.
const SMALL: usize = 64 << 10;
/// Whatever somebody put there, a pipe even, nobody waits for it here.
const READING: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK);

impl Tree {
    pub(super) fn stat_cached(&self, key: &Key) -> Lookup<Stat> {
        match self.lookup(key.as_str(), OFlags::PATH) {
            Lookup::Found(file) => stat_of(file).map_or(Lookup::Unknown, Lookup::Found),
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown => Lookup::Unknown,
        }
    }

    pub(super) fn open_cached(&self, key: &Key) -> Lookup<File> {
        self.lookup(key.as_str(), READING)
    }

    pub(super) fn read_cached(&self, key: &Key, limit: usize) -> Lookup<Bytes> {
        if let Some(bytes) = self.remembered.get(key, limit) {
            return Lookup::Found(bytes);
        }
        match self.read_in_memory(key, limit) {
            Lookup::Found(small) => {
                if small.may_be_kept {
                    self.remembered.keep(key, small.file, small.version, &small.bytes);
                }
                Lookup::Found(small.bytes)
            }
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown => Lookup::Unknown,
        }
    }

    pub(super) fn read_in_memory(&self, key: &Key, limit: usize) -> Lookup<Small> {
        match self.lookup(key.as_str(), READING) {
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

    pub(super) fn lookup(&self, path: &str, access: OFlags) -> Lookup<File> {
        // NFS and FUSE open a file by asking their server, also where the way to it is in memory; so may whatever is
        // not known to be local, and what is mounted below.
        if !self.remembered.may_know() {
            return Lookup::Unknown;
        }
        let flags = access | OFlags::CLOEXEC;
        match openat2(
            &self.root_folder,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::CACHED | ResolveFlags::NO_XDEV,
        ) {
            Ok(file) => Lookup::Found(OwnedFd::into(file)),
            Err(Errno::NOENT | Errno::NOTDIR) => Lookup::Absent,
            // Not in memory, or a kernel before 5.12, or an error that the slow path will tell.
            Err(_) => Lookup::Unknown,
        }
    }
}

/// What was read of a small file.
pub(super) struct Small {
    pub(super) bytes: Bytes,
    file: File,
    /// Before the bytes were read.
    pub(super) version: Version,
    /// The bytes are all that this version of the file holds.
    pub(super) may_be_kept: bool,
}

/// `None` if a part is not in memory, or it is not small.
fn read_small(file: File, limit: usize) -> Option<Small> {
    let metadata = file.metadata().ok()?;
    let version = Version::from(&metadata);
    let was_settled = version.is_settled();
    let size = usize::try_from(metadata.len()).ok()?;
    let wanted = size.min(limit);
    if wanted > SMALL {
        return None;
    }
    let mut bytes = vec![0; wanted];
    if read_now(&file, &mut bytes, 0)? != wanted {
        return None;
    }
    Some(Small {
        bytes: bytes.into(),
        file,
        version,
        may_be_kept: was_settled && wanted == size,
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
        changed: modified.max(Version::from(metadata).changed()),
    })
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

#[cfg(test)]
mod tests {
    use super::super::super::DirectIo;
    use super::super::remembered::Remembered;
    use super::*;

    #[test]
    fn where_a_server_may_have_to_be_asked_nobody_asks_while_others_wait() {
        let folder = tempfile::tempdir().unwrap();
        let mut tree = Tree::open(folder.path().to_owned(), DirectIo::default()).unwrap();
        std::fs::write(folder.path().join("file"), "bytes").unwrap();
        let key = "file".parse().unwrap();
        tree.remembered = Remembered::of_device(1);
        assert!(matches!(tree.stat_cached(&key), Lookup::Found(_)));
        tree.remembered = Remembered::of_device(None);
        assert!(matches!(tree.stat_cached(&key), Lookup::Unknown));
        assert!(matches!(tree.open_cached(&key), Lookup::Unknown));
        assert!(matches!(tree.read_cached(&key, 9), Lookup::Unknown));
    }
}
