//! Making objects: written aside, flushed, and put in their place in one step.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use bytes::Bytes;

use super::super::Key;
use super::tree::{Temporary, Tree};

impl Tree {
    pub(super) fn write(&self, key: &Key, bytes: &Bytes) -> io::Result<()> {
        let temporary = self.temporary_file(bytes, true)?;
        self.place(&temporary, key)
    }

    pub(super) fn create(&self, key: &Key, bytes: &Bytes) -> io::Result<bool> {
        let temporary = self.temporary_file(bytes, false)?;
        let path = self.path(key);
        // A link fails where a rename would replace: the kernel, also that of an NFS server, picks one winner.
        let put = || fs::hard_link(&temporary.0, &path);
        match self.folders.place_unflushed(&path, put) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn publish(&self, parts: &[Key], to: &Key) -> io::Result<()> {
        let temporary = match parts {
            [part] => self.second_name(&self.path(part))?,
            parts => self.joined(parts)?,
        };
        self.place(&temporary, to)
    }

    pub(super) fn make_folder(&self, folder: &Key) -> io::Result<()> {
        self.folders.make(&self.path(folder))
    }

    fn place(&self, temporary: &Temporary, key: &Key) -> io::Result<()> {
        let path = self.path(key);
        // Where both names are one file already, a rename does nothing, and dropping the temporary name is right.
        self.folders.place(&path, || fs::rename(&temporary.0, &path))
    }

    /// The part under a temporary name too, so that it stays where it is when that one is renamed.
    fn second_name(&self, part: &Path) -> io::Result<Temporary> {
        let temporary = self.temporary_name();
        match self.in_temporary_folder(|| fs::hard_link(part, &temporary.0)) {
            Ok(()) => Ok(temporary),
            // A filesystem without hard links has to copy.
            Err(error) if is_unsupported(&error) => {
                let (temporary, file) = self.new_temporary()?;
                append(part, &file)?;
                file.sync_data()?;
                Ok(temporary)
            }
            Err(error) => Err(error),
        }
    }

    fn joined(&self, parts: &[Key]) -> io::Result<Temporary> {
        let (temporary, file) = self.new_temporary()?;
        for part in parts {
            append(&self.path(part), &file)?;
        }
        file.sync_data()?;
        Ok(temporary)
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied | io::ErrorKind::TooManyLinks
    )
}

/// Within one filesystem this is `copy_file_range`: shared extents where there are such, else a copy in the kernel.
fn append(part: &Path, mut to: &File) -> io::Result<()> {
    io::copy(&mut File::open(part)?, &mut to).map(|_| ())
}
