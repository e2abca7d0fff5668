//! One agent at a time: a lock that only root can hold.
//!
//! Whoever may open a file may lock it, so the file has to be where nobody else can open it: mode 0600 in a folder of
//! mode 0700. It lies in `/run`, for nothing holds it over a restart of the node.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{Disk, HostPath, HostRoot};

const FOLDER: &str = "/run/roadstead";
const NAME: &str = "agent.lock";
/// Another one may be taking the file away whenever it has its lock.
const TRIES: usize = 8;

/// Held for as long as it lives.
#[derive(Debug)]
pub struct Lock {
    folder: OwnedFd,
    file: File,
}

impl HostRoot {
    /// Keeps a second agent or a `clean` off. `holder` is what the second one is told.
    pub fn lock(&self, holder: &str) -> io::Result<Lock> {
        for _ in 0..TRIES {
            if let Some(lock) = self.try_lock(holder)? {
                return Ok(lock);
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn try_lock(&self, holder: &str) -> io::Result<Option<Lock>> {
        let folder = self.private_folder(&FOLDER.parse().expect("a constant path"))?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&folder, NAME, flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => file,
            // The folder went between the two steps.
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let mut lock = Lock {
            folder,
            file: file.into(),
        };
        if let Err(errno) = rustix::fs::flock(&lock.file, FlockOperation::NonBlockingLockExclusive) {
            return Err(lock.held_by_another(errno));
        }
        if !lock.is_in_place()? {
            return Ok(None);
        }
        lock.file.set_len(0)?;
        lock.file.write_all(holder.as_bytes())?;
        Ok(Some(lock))
    }

    /// Opens a folder that only root can enter, and makes it where there is none.
    fn private_folder(&self, path: &HostPath) -> io::Result<OwnedFd> {
        if let Some(above) = path.parent() {
            self.make_folder(&above)?;
        }
        self.make_folder_with(path, Mode::from_raw_mode(0o700))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let folder = self.open_beneath(path, flags)?;
        if is_guarded(&rustix::fs::fstat(&folder)?) {
            return Ok(folder);
        }
        let text = format!("{path} belongs to others than root or can be written to by them: remove it");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    }

    /// Whether only root can change what is in the folder that `path` leads to.
    pub fn is_guarded(&self, path: &HostPath) -> io::Result<bool> {
        let folder = self.open_beneath(path, OFlags::PATH)?;
        Ok(is_guarded(&rustix::fs::statat(&folder, "", AtFlags::EMPTY_PATH)?))
    }
}

impl Lock {
    /// Takes the file away as well, for a node on which nothing of ours is left.
    pub fn remove(self) -> io::Result<()> {
        rustix::fs::unlinkat(&self.folder, NAME, AtFlags::empty())?;
        Ok(())
    }

    fn held_by_another(&mut self, errno: Errno) -> io::Error {
        if errno != Errno::WOULDBLOCK {
            return errno.into();
        }
        let mut holder = String::new();
        let read = self.file.rewind().and_then(|()| {
            let mut file = (&self.file).take(256);
            file.read_to_string(&mut holder)
        });
        let holder = match read {
            Ok(_) if !holder.trim().is_empty() => holder.trim().to_owned(),
            Ok(_) | Err(_) => "another Roadstead agent".to_owned(),
        };
        io::Error::new(
            io::ErrorKind::WouldBlock,
            format!("{holder} is at work on this node (it holds {FOLDER}/{NAME})"),
        )
    }

    /// Whether what is locked is what the next one will find.
    fn is_in_place(&self) -> io::Result<bool> {
        let ours = rustix::fs::fstat(&self.file)?;
        match rustix::fs::statat(&self.folder, NAME, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => Ok((there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn is_guarded(stat: &Stat) -> bool {
    let mode = Mode::from_raw_mode(stat.st_mode);
    let ours = stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
    let our_group = stat.st_gid == 0 || stat.st_gid == rustix::process::getegid().as_raw();
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
        && ours
        && !mode.contains(Mode::WOTH)
        && (our_group || !mode.contains(Mode::WGRP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    fn host() -> (tempfile::TempDir, HostRoot) {
        let folder = tempfile::tempdir().expect("a folder");
        let host = HostRoot::open(folder.path()).expect("the root");
        (folder, host)
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn the_second_is_told_who_holds_it_and_gets_it_afterwards() {
        let (_folder, host) = host();
        let lock = host.lock("the agent of a/b").expect("a lock");
        let error = host.lock("clean").expect_err("it is held");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(
            error
                .to_string()
                .starts_with("the agent of a/b is at work on this node"),
            "{error}"
        );
        drop(lock);
        host.lock("clean").expect("it is free").remove().expect("removed");
        host.lock("the agent of a/b").expect("it is made again");
    }

    #[test]
    fn nobody_else_can_open_it() {
        let (folder, host) = host();
        let _lock = host.lock("x").expect("a lock");
        let run = folder.path().join("run/roadstead");
        assert_eq!((mode(&run), mode(&run.join(NAME))), (0o700, 0o600));
        if !rustix::process::geteuid().is_root() {
            return;
        }
        // The way to it is open, so that only its own mode can keep others out.
        let mut above = Some(folder.path());
        while let Some(path) =
            above.filter(|path| path.starts_with(std::env::temp_dir()) && *path != std::env::temp_dir())
        {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
            above = path.parent();
        }
        for path in [run.join(NAME), run] {
            let attempt = Command::new("setpriv")
                .args([
                    "--reuid",
                    "65534",
                    "--clear-groups",
                    "flock",
                    "--nonblock",
                    "--shared",
                ])
                .args([path.as_os_str(), "true".as_ref()])
                .output()
                .expect("setpriv runs");
            let said = String::from_utf8_lossy(&attempt.stderr).into_owned();
            assert!(said.contains("Permission denied"), "{said}");
        }
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let (folder, host) = host();
        let run = folder.path().join("run/roadstead");
        std::fs::create_dir_all(&run).expect("a folder");
        std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o777)).expect("a mode");
        let error = host.lock("x").expect_err("it is refused");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        std::os::unix::fs::symlink("/tmp", folder.path().join("elsewhere")).expect("a link");
        std::fs::remove_dir(&run).expect("removed");
        std::os::unix::fs::symlink("/elsewhere", &run).expect("a link");
        assert!(host.lock("x").is_err(), "no link is followed");
    }
}
