//! Disks that fail.

use std::cell::Cell;
use std::io;

use super::node::TestNode;
use crate::host::{Disk, HostPath, HostRoot};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kill {
    Before,
    /// A temporary file is left, half written.
    Halfway,
    /// The change is made, and no one is told.
    After,
}

/// The disk of an agent that is killed at one of its changes.
pub(crate) struct Failing<'a> {
    node: &'a TestNode,
    changes: Cell<usize>,
    kill: Kill,
    /// Whether the kill has happened.
    pub(crate) struck: Cell<bool>,
}

impl<'a> Failing<'a> {
    pub(crate) fn after(node: &'a TestNode, changes: usize, kill: Kill) -> Self {
        Self {
            node,
            changes: Cell::new(changes),
            kill,
            struck: Cell::new(false),
        }
    }

    fn change<T>(
        &self,
        path: &HostPath,
        writes: bool,
        change: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let dead = || Err(io::Error::other("killed"));
        if self.struck.get() {
            return dead();
        }
        if let Some(left) = self.changes.get().checked_sub(1) {
            self.changes.set(left);
            return change();
        }
        self.struck.set(true);
        match self.kill {
            Kill::After => change().and_then(|_| dead()),
            Kill::Halfway if writes => {
                let folder = path.parent().expect("a folder");
                let leftover = self
                    .node
                    .folder
                    .path()
                    .join(&folder.as_str()[1..])
                    .join(".roadstead-0123456789abcdef.tmp");
                std::fs::write(leftover, "half").and_then(|()| dead())
            }
            Kill::Before | Kill::Halfway => dead(),
        }
    }
}

impl Disk for Failing<'_> {
    fn write(&self, path: &HostPath, bytes: &[u8]) -> io::Result<()> {
        self.change(path, true, || self.node.host.write(path, bytes))
    }

    fn remove_file(&self, path: &HostPath) -> io::Result<()> {
        self.change(path, false, || self.node.host.remove_file(path))
    }

    fn make_folder(&self, path: &HostPath) -> io::Result<()> {
        self.change(path, false, || self.node.host.make_folder(path))
    }

    fn remove_folder(&self, path: &HostPath) -> io::Result<bool> {
        self.change(path, false, || self.node.host.remove_folder(path))
    }
}

/// A disk without a free byte.
pub(crate) struct Full<'a>(pub(crate) &'a HostRoot);

impl Disk for Full<'_> {
    fn write(&self, _: &HostPath, _: &[u8]) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }

    fn remove_file(&self, path: &HostPath) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn make_folder(&self, _: &HostPath) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }

    fn remove_folder(&self, path: &HostPath) -> io::Result<bool> {
        self.0.remove_folder(path)
    }
}
