//! Changing the host, such that power may fail between any two steps.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::{HostPath, HostRoot};

/// The four ways in which the host is changed.
pub trait Disk {
    /// Puts `bytes` at `path`, whole or not at all, whatever was there before. The folder must be there.
    fn write(&self, path: &HostPath, bytes: &[u8]) -> io::Result<()>;
    /// Removes a file or a symlink; none there is fine.
    fn remove_file(&self, path: &HostPath) -> io::Result<()>;
    /// Makes one folder; one there is fine. The folder above must be there.
    fn make_folder(&self, path: &HostPath) -> io::Result<()>;
    /// Removes a folder if it is empty and says whether it is gone now.
    fn remove_folder(&self, path: &HostPath) -> io::Result<bool>;
}

const PREFIX: &str = ".roadstead-";
// Runtimes take every *.crt, *.cert and *.key in these folders for material.
const SUFFIX: &str = ".tmp";

/// Whether a file of this name is what a write leaves behind when it is cut off.
pub fn is_leftover(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .is_some_and(|random| random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl Disk for HostRoot {
    fn write(&self, path: &HostPath, bytes: &[u8]) -> io::Result<()> {
        let folder = self.folder_of(path)?;
        let temporary = format!("{PREFIX}{:016x}{SUFFIX}", random()?);
        let written = write_new(&folder, &temporary, bytes)
            .and_then(|()| Ok(rustix::fs::renameat(&folder, &temporary, &folder, path.name())?));
        if let Err(error) = written {
            // The disk may be full: leave no part of a file on it.
            let _ = rustix::fs::unlinkat(&folder, &temporary, AtFlags::empty());
            return Err(error);
        }
        Ok(rustix::fs::fsync(&folder)?)
    }

    fn remove_file(&self, path: &HostPath) -> io::Result<()> {
        let folder = match self.folder_of(path) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        match rustix::fs::unlinkat(&folder, path.name(), AtFlags::empty()) {
            Ok(()) => Ok(rustix::fs::fsync(&folder)?),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn make_folder(&self, path: &HostPath) -> io::Result<()> {
        self.make_folder_with(path, Mode::from_raw_mode(0o755))
    }

    fn remove_folder(&self, path: &HostPath) -> io::Result<bool> {
        let folder = match self.folder_of(path) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        match rustix::fs::unlinkat(&folder, path.name(), AtFlags::REMOVEDIR) {
            Ok(()) => rustix::fs::fsync(&folder).map(|()| true).map_err(Into::into),
            Err(Errno::NOENT) => Ok(true),
            // A mount point and a symlink are not ours to take away either.
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY | Errno::NOTDIR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl HostRoot {
    pub(super) fn make_folder_with(&self, path: &HostPath, mode: Mode) -> io::Result<()> {
        let folder = self.folder_of(path)?;
        match rustix::fs::mkdirat(&folder, path.name(), mode) {
            Ok(()) => Ok(rustix::fs::fsync(&folder)?),
            Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn folder_of(&self, path: &HostPath) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match path.parent() {
            Some(folder) => Ok(self.open_beneath(&folder, flags)?),
            None => self.open_self(),
        }
    }
}

fn write_new(folder: &OwnedFd, name: &str, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(
        folder,
        name,
        flags,
        Mode::from_raw_mode(0o644),
    )?);
    file.write_all(bytes)?;
    file.sync_all()
}

/// A number that no one else comes by at the same time.
pub fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(u64::from_ne_bytes(bytes))
}
