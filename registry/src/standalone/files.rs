//! Files that are whole or not there, and that nobody else may read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::Context as _;

pub(super) const SECRET: u32 = 0o600;
pub(super) const PUBLIC: u32 = 0o644;

pub(super) fn make_folder(path: &Path, mode: u32) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .with_context(|| format!("cannot make the folder {}", path.display()))
}

/// `None`: there is no such file.
pub(super) fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// A crash leaves the old file or the new one, never a part.
pub(super) fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    write_aside(path, text, mode).with_context(|| format!("cannot write {}", path.display()))
}

fn write_aside(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let aside = path.with_extension("new");
    // Left over from a crash, perhaps; its mode could be anything.
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&aside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
