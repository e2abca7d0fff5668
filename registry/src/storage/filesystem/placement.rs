//! Making objects: written aside, flushed, and put in their place in one step.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW};

use super::super::{Key, Version};
use super::absent_as_none;
use super::conditional::version;
use super::exclusive::{self, is_unsupported};
use super::tree::{Temporary, Tree};

/// How often a filesystem's clock ticks: every few milliseconds, or every second.
pub(super) const TICK: Duration = Duration::from_secs(1);

impl Tree {
    pub(super) fn write(&self, key: &Key, bytes: &Bytes) -> io::Result<Version> {
        let begun = SystemTime::now();
        let (temporary, file) = self.temporary_file(bytes, true)?;
        let metadata = file.metadata()?;
        self.clock.observe(metadata.modified()?, begun, TICK);
        self.place(&temporary, key)?;
        version(&metadata)
    }

    pub(super) fn write_lazily(&self, key: &Key, bytes: &Bytes) -> io::Result<()> {
        let (temporary, _) = self.temporary_file(bytes, false)?;
        let path = self.path(key);
        self.folders
            .place_unflushed(&path, || fs::rename(&temporary.0, &path))
    }

    /// Makes an object unless there is one: of several who try, exactly one gets `true`. Not durable.
    pub(super) fn create(&self, key: &Key, bytes: &Bytes) -> io::Result<bool> {
        let (temporary, _) = self.temporary_file(bytes, false)?;
        let path = self.path(key);
        let put = || exclusive::place(&temporary.0, &path);
        is_first(self.folders.place_unflushed(&path, put))
    }

    /// As [`Self::create`], in a folder that is there: `NotFound` if it is not.
    pub(super) fn create_beside(&self, key: &Key, bytes: &Bytes) -> io::Result<bool> {
        let (temporary, _) = self.temporary_file(bytes, false)?;
        is_first(exclusive::place(&temporary.0, &self.path(key)))
    }

    pub(super) fn publish(&self, parts: &[Key], to: &Key) -> io::Result<()> {
        let temporary = match parts {
            [part] => self.second_name(&self.path(part))?,
            parts => self.joined(parts)?,
        };
        self.place(&temporary, to)
    }

    pub(super) fn flush(&self, key: &Key) -> io::Result<bool> {
        let path = self.path(key);
        let Some(file) = absent_as_none(File::open(&path))? else {
            self.folders.flush_absence(&path)?;
            return Ok(false);
        };
        file.sync_all()?;
        self.folders.place(&path, || Ok(()))?;
        Ok(absent_as_none(fs::metadata(&path))?.is_some())
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

/// Whether nobody had made it before.
fn is_first(placed: io::Result<()>) -> io::Result<bool> {
    match placed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Modified "now", by the store's own clock. Whoever may write the file or folder may set that, not only its owner.
pub(super) fn renew(file: &File) -> io::Result<()> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    Ok(rustix::fs::futimens(file, &times)?)
}

/// Within one filesystem this is `copy_file_range`: shared extents where there are such, else a copy in the kernel.
fn append(part: &Path, mut to: &File) -> io::Result<()> {
    io::copy(&mut File::open(part)?, &mut to).map(|_| ())
}
