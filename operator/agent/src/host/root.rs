//! Looking at the host: what lies where, and what it holds.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::HostPath;

/// The host's `/`, wherever it is mounted.
#[derive(Debug)]
pub struct HostRoot {
    root: OwnedFd,
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    Missing,
    File,
    Folder,
    /// A symlink, a device, a socket, …
    Other,
}

/// Names one inode in one state: another one means that the thing was made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity(String);

impl Identity {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The record of thousands of hosts has two or three; whatever is larger is someone else's.
const MAX_READ: u64 = 8 * 1024 * 1024;

impl HostRoot {
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            root: rustix::fs::openat(CWD, path, flags, Mode::empty())?,
        })
    }

    /// What lies at `path` itself; a symlink there is not followed.
    pub fn node(&self, path: &HostPath) -> io::Result<Node> {
        self.stat(path, OFlags::NOFOLLOW)
            .map(|stat| stat.map_or(Node::Missing, |(node, _)| node))
    }

    /// What `path` leads to in the end.
    pub fn node_behind_links(&self, path: &HostPath) -> io::Result<Node> {
        self.stat(path, OFlags::empty())
            .map(|stat| stat.map_or(Node::Missing, |(node, _)| node))
    }

    /// Which inode `path` leads to, and since when; `None`: there is none.
    pub fn identity(&self, path: &HostPath) -> io::Result<Option<Identity>> {
        self.stat(path, OFlags::empty())
            .map(|stat| stat.map(|(_, identity)| identity))
    }

    /// The content of the regular file at `path`; `None`: there is no such file.
    pub fn read(&self, path: &HostPath) -> io::Result<Option<Vec<u8>>> {
        // NONBLOCK: a FIFO in our way must not stop us.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match self.open_beneath(path, flags) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(MAX_READ).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// The names in a folder; none if there is no such folder.
    pub fn list(&self, folder: &HostPath) -> io::Result<Vec<String>> {
        let fd = match self.open_beneath(folder, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
            Err(errno) => return Err(errno.into()),
        };
        let mut names = Vec::new();
        for entry in Dir::new(fd)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// A handle that names the inode without opening it: for `/proc/self/fd/N`.
    pub fn handle(&self, path: &HostPath) -> io::Result<OwnedFd> {
        Ok(self.open_beneath(path, OFlags::PATH)?)
    }

    pub(super) fn open_beneath(&self, path: &HostPath, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // The kernel gives EAGAIN when something is renamed while it walks a `..`.
        for _ in 0..16 {
            match rustix::fs::openat2(&self.root, path.relative(), flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN) => {}
                result => return result,
            }
        }
        Err(Errno::AGAIN)
    }

    /// The root itself, to make a folder in it.
    pub(super) fn open_self(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.root, ".", flags, Mode::empty())?)
    }

    fn stat(&self, path: &HostPath, flags: OFlags) -> io::Result<Option<(Node, Identity)>> {
        let fd = match self.open_beneath(path, OFlags::PATH | flags) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let stat = rustix::fs::statat(&fd, "", AtFlags::EMPTY_PATH)?;
        let node = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Node::File,
            FileType::Directory => Node::Folder,
            _ => Node::Other,
        };
        let identity = format!(
            "{}:{}:{}.{:09}",
            stat.st_dev, stat.st_ino, stat.st_ctime, stat.st_ctime_nsec
        );
        Ok(Some((node, Identity(identity))))
    }
}
