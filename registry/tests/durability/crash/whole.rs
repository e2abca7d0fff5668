//! What holds of a volume at every moment, whatever was acknowledged.

use std::collections::BTreeMap;

use super::disk::{Disk, Inode, Link, ROOT};
use crate::images::digest_of;

/// What is in its place is whole: whoever pushes the same again relies on a blob that he finds there, and registry:2's
/// collection stops at a torn link.
pub(crate) fn check_whole(disk: &Disk) -> Result<(), String> {
    check_folder(disk, ROOT, "")
}

fn check_folder(disk: &Disk, folder: Inode, path: &str) -> Result<(), String> {
    let nothing = BTreeMap::new();
    for (name, link) in disk.folders.get(&folder).unwrap_or(&nothing) {
        let path = format!("{path}/{name}");
        match link {
            Link {
                inode,
                is_folder: true,
            } => check_folder(disk, *inode, &path)?,
            Link { inode, .. } => check_file(&path, disk.files.get(inode).map_or(&[][..], Vec::as_slice))?,
        }
    }
    Ok(())
}

fn check_file(path: &str, bytes: &[u8]) -> Result<(), String> {
    let Some((folder, name)) = path
        .strip_prefix("/docker/")
        .and_then(|path| path.rsplit_once('/'))
    else {
        return Ok(());
    };
    let digest = folder.rsplit('/').next().unwrap_or_default();
    let is_whole = match name {
        "data" => digest_of(bytes) == format!("sha256:{digest}"),
        "link" => bytes.len() == "sha256:".len() + 64 && bytes.starts_with(b"sha256:"),
        _ => true,
    };
    match is_whole {
        true => Ok(()),
        false => Err(format!("{path} is torn: {} bytes", bytes.len())),
    }
}
