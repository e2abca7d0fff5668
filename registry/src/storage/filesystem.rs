//! The store as a folder.

use std::path::PathBuf;

use super::{Error, Storage};

#[derive(Debug)]
pub struct FilesystemStorage;

impl FilesystemStorage {
    /// Opens the folder that registry:2 calls `storage.filesystem.rootdirectory`, and makes it if it is not there.
    /// Blocking: for the start of the program.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let _ = root.into();
        unimplemented!()
    }
}

impl Storage for FilesystemStorage {}
