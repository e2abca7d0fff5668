//! Being told when something changes in a few folders of the host. Says that, not what.

use std::io;
use std::os::fd::AsRawFd;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use tokio::net::unix::pipe;

use super::{HostPath, HostRoot};

/// Watches folders by inotify.
#[derive(Debug)]
pub struct Watcher {
    // Not a pipe, but as readable as one; tokio's type for any file descriptor is unsafe to make.
    queue: pipe::Receiver,
}

impl Watcher {
    pub fn new() -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self {
            queue: pipe::Receiver::from_owned_fd_unchecked(queue)?,
        })
    }

    /// Watches `folder` from now on. Watching the same one again is fine; one that is not there is not an error,
    /// because the folder above it is watched by whoever cares.
    pub fn add(&self, host: &HostRoot, folder: &HostPath) -> io::Result<()> {
        let handle = match host.handle(folder) {
            Ok(handle) => handle,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let flags = WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        // inotify knows only paths; this one leads to the handle, which was opened beneath the root.
        let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
        match inotify::add_watch(&self.queue, path, flags) {
            Ok(_) | Err(Errno::NOTDIR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Returns when something has changed since the last call.
    pub async fn changed(&self) -> io::Result<()> {
        self.queue.readable().await?;
        let mut events = [0; 4096];
        loop {
            match self.queue.try_read(&mut events) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
