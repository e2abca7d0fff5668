//! The folder of one process among those that share a volume: `notifications/<instance>/<endpoint>/`.
//!
//! A process holds a lock on its folder for as long as it lives, however it ends. A folder whose lock is free is one
//! whose owner is gone: whoever gets the lock takes over what waits in it. So no event is sent by two processes.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest as _, Sha256};

const LOCK: &str = "lock";

/// A folder that nobody else touches.
#[derive(Debug)]
pub(super) struct Instance {
    folder: PathBuf,
    /// Free as soon as this is closed.
    _lock: File,
}

impl Instance {
    /// A new one. It appears under its name when it is locked already, or another process could take it.
    pub(super) fn create(all: &Path, id: &str) -> io::Result<Self> {
        let (aside, folder) = (all.join(format!(".{id}")), all.join(id));
        DirBuilder::new().recursive(true).mode(0o700).create(&aside)?;
        let lock = lock(&aside)?.ok_or_else(|| io::Error::other("the lock of a new folder is taken"))?;
        std::fs::rename(&aside, &folder)?;
        Ok(Instance { folder, _lock: lock })
    }

    /// Those whose owners are gone.
    pub(super) fn orphans(all: &Path) -> io::Result<Vec<Self>> {
        let mut orphans = Vec::new();
        for entry in std::fs::read_dir(all)? {
            let folder = entry?.path();
            let hidden = folder
                .file_name()
                .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if hidden || !folder.is_dir() {
                continue;
            }
            match lock(&folder) {
                Ok(Some(lock)) => orphans.push(Instance { folder, _lock: lock }),
                Ok(None) => {}
                // Another process took it over and removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // Another user's, perhaps, from when the registry ran as root. The others are looked at all the same.
                Err(error) => {
                    tracing::warn!(%error, queue = %folder.display(), "cannot take over the events in this folder: \
                        let the registry's user write there, or remove it");
                }
            }
        }
        Ok(orphans)
    }

    /// Where the queue of this endpoint is.
    pub(super) fn queue(&self, endpoint: &str) -> PathBuf {
        let hash = Sha256::digest(endpoint.as_bytes());
        self.folder.join(base16ct::lower::encode_string(&hash[..16]))
    }

    /// Removes what is empty; what waits for an endpoint that is not configured any more stays.
    pub(super) fn remove_if_empty(self) -> io::Result<bool> {
        let mut left = false;
        let entries = match std::fs::read_dir(&self.folder) {
            // Another process took it over between our look and our lock.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                left = true;
            }
        }
        if !left {
            std::fs::remove_dir_all(&self.folder)?;
        }
        Ok(!left)
    }
}

/// `None`: somebody holds it.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(LOCK))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_an_orphan_only_when_its_owner_is_gone_and_only_once() {
        let all = tempfile::tempdir().unwrap();
        let owner = Instance::create(all.path(), "one").unwrap();
        assert_eq!(Instance::orphans(all.path()).unwrap().len(), 0);
        std::fs::create_dir(owner.queue("hook")).unwrap();
        drop(owner);
        let mut orphans = Instance::orphans(all.path()).unwrap();
        assert_eq!(orphans.len(), 1);
        assert_eq!(
            Instance::orphans(all.path()).unwrap().len(),
            0,
            "it has been taken over"
        );
        let orphan = orphans.remove(0);
        let queue = orphan.queue("hook");
        assert!(!orphan.remove_if_empty().unwrap(), "something waits in it");
        std::fs::remove_dir(queue).unwrap();
        assert!(
            Instance::orphans(all.path())
                .unwrap()
                .remove(0)
                .remove_if_empty()
                .unwrap()
        );
        assert_eq!(std::fs::read_dir(all.path()).unwrap().count(), 0);
    }
}
