//! Files that are whole or not there, and that nobody else may read.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;

pub(super) const SECRET: u32 = 0o600;
pub(super) const PUBLIC: u32 = 0o644;

/// A folder of this mode, which nobody else can write or replace.
pub(super) fn make_folder(path: &Path, mode: u32) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .with_context(|| format!("cannot make the folder {}", path.display()))?;
    let found = check_ours(path)?;
    // Never wider than it was.
    std::fs::set_permissions(path, Permissions::from_mode(found & mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

/// Whoever owns a folder or a file, or may write it, decides whom this registry lets in. Gives its mode.
pub(super) fn check_ours(path: &Path) -> anyhow::Result<u32> {
    let (shown, us) = (path.display(), rustix::process::geteuid().as_raw());
    let found = std::fs::metadata(path).with_context(|| format!("cannot look at {shown}"))?;
    let owner = found.uid();
    anyhow::ensure!(
        owner == us,
        "{shown} belongs to user {owner}, and this runs as user {us}: run it as that user, give the folder away \
         (chown -R {us} {shown}), or choose another with --data FOLDER"
    );
    let mode = found.mode() & 0o7777;
    anyhow::ensure!(
        mode & 0o022 == 0,
        "{shown} can be written by others (its mode is {mode:o}), who could let themselves in: look at what is in it, then \
         chmod go-w {shown}, or choose another folder with --data FOLDER"
    );
    Ok(mode)
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
    // Whatever the umask takes away.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
