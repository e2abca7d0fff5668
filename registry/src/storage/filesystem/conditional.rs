//! Deleting what was seen, and nothing that came later.
//!
//! A filesystem cannot delete a file on condition of what it is. So [`Tree::delete_if_same`] renames it aside, looks,
//! and links it back if it is not what was to be deleted. For that moment, and for ever if the program dies in it,
//! the value lies beside its name: reading looks there too, so nobody misses it.
//!
//! What tells two writes of the same bytes apart is the time of the writing, which a rename leaves as it is. Clocks of
//! filesystems tick every few milliseconds, or every second. So [`Tree::read_version`] returns when the tick of the write
//! that it saw is over: whatever is written from then on, by any machine, has another time. An inode's number would add
//! nothing: it may be given again, and on some shares it is another one after a rename.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tracing::warn;

use super::super::{Key, Removal, Version};
use super::absent_as_none;
use super::exclusive;
use super::folders::parent;
use super::placement::renew;
use super::removal::{aside_name, newest, open_set_aside, set_aside};
use super::tree::{Tree, read_to_limit};

/// How often the clock is read.
const POLL: Duration = Duration::from_millis(2);
/// No clock ticks more rarely than every two seconds, where there is one at all.
const LONGEST_TICK: Duration = Duration::from_secs(3);

impl Tree {
    pub(super) fn read_version(&self, key: &Key, limit: usize) -> io::Result<Option<(Bytes, Version)>> {
        let path = self.path(key);
        let found = match absent_as_none(File::open(&path))? {
            Some(file) => Some(file),
            None => open_set_aside(&path)?,
        };
        let Some(file) = found else { return Ok(None) };
        // Before the bytes: whoever writes into the file meanwhile makes it another version.
        let metadata = file.metadata()?;
        let bytes = read_to_limit(&file, limit)?;
        absent_as_none(outlast(metadata.modified()?, parent(&path)))?;
        Ok(Some((bytes, version(&metadata)?)))
    }

    pub(super) fn delete_if_same(&self, key: &Key, expected: &Version) -> io::Result<Removal> {
        let path = self.path(key);
        // What lies aside while there is a value came before that value: if the value goes, nothing older may come
        // back. So this list is made first.
        let older = set_aside(&path)?;
        match absent_as_none(fs::metadata(&path))? {
            Some(found) if version(&found)? == *expected => {
                if self.delete_unless_replaced(&path, expected)? {
                    remove_all(&older)?;
                }
            }
            Some(_) => return Ok(Removal::Moved),
            // An earlier attempt, cut off by a crash, left it aside.
            None => {
                if let Some(file) = newest(&older)?
                    && version(&file.metadata()?)? == *expected
                {
                    remove_all(&older)?;
                }
            }
        }
        for aside in set_aside(&path)? {
            if let Some(found) = absent_as_none(fs::metadata(&aside))?
                && version(&found)? == *expected
            {
                absent_as_none(fs::remove_file(&aside))?;
            }
        }
        self.tidy(&path)?;
        // What is there now came later, and may lie aside for the moment.
        let is_there = match absent_as_none(File::open(&path))? {
            Some(_) => true,
            None => open_set_aside(&path)?.is_some(),
        };
        Ok(if is_there {
            Removal::Moved
        } else {
            Removal::Deleted
        })
    }

    /// Whether it was this version that went away.
    fn delete_unless_replaced(&self, path: &Path, expected: &Version) -> io::Result<bool> {
        let aside = aside_name(path);
        if absent_as_none(fs::rename(path, &aside))?.is_none() {
            return Ok(false);
        }
        // Another deletion of the same version may have taken it from there.
        let Some(found) = absent_as_none(fs::metadata(&aside))? else {
            return Ok(false);
        };
        let is_expected = version(&found)? == *expected;
        if !is_expected {
            match exclusive::place(&aside, path) {
                // A still newer value has come: that one stands.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Deleted by somebody while it lay aside.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                result => result?,
            }
            // The name is on the disk before the only other one goes.
            absent_as_none(self.folders.flush(parent(path)))?;
        }
        absent_as_none(fs::remove_file(&aside))?;
        Ok(is_expected)
    }
}

pub(super) fn version(metadata: &Metadata) -> io::Result<Version> {
    let modified = metadata.modified()?;
    let (sign, since) = match modified.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => ("", since),
        Err(before) => ("-", before.duration()),
    };
    Ok(Version(
        format!("{sign}{} {}", since.as_nanos(), metadata.len()).into(),
    ))
}

/// Returns when what is written in this folder has another time than this one, by the clock of the store, which may be
/// another machine's. Takes no room: deleting is the way out of a full disk.
fn outlast(time: SystemTime, folder: &Path) -> io::Result<()> {
    let folder = File::open(folder)?;
    let began = Instant::now();
    loop {
        renew(&folder)?;
        if folder.metadata()?.modified()? != time {
            return Ok(());
        }
        if began.elapsed() > LONGEST_TICK {
            warn_of_standing_clock();
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
}

/// Where nothing can be waited for, deleting must still be possible.
fn warn_of_standing_clock() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        warn!(
            "this filesystem does not record when files are written: deleting a tag may take away the same tag if it is pushed \
             again at that moment; keep images on a filesystem with modification times"
        );
    });
}

fn remove_all(asides: &[PathBuf]) -> io::Result<()> {
    for aside in asides {
        absent_as_none(fs::remove_file(aside))?;
    }
    Ok(())
}
