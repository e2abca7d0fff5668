//! Making a name that must be new.
//!
//! A hard link fails where a rename would replace: the kernel, also that of an NFS server, picks one winner. Some
//! shares (SMB, exFAT, many of those behind FUSE) have no hard links; there a rename that may not replace does it,
//! and where that is missing too, a copy into a file that is opened as a new one.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Gives the file a second name, or moves it there: the caller removes the first one either way. Fails with
/// `AlreadyExists` if there is something.
pub(super) fn place(file: &Path, at: &Path) -> io::Result<()> {
    match fs::hard_link(file, at) {
        Err(error) if is_unsupported(&error) => place_without_links(file, at),
        result => result,
    }
}

pub(super) fn place_without_links(file: &Path, at: &Path) -> io::Result<()> {
    match renameat_with(CWD, file, CWD, at, RenameFlags::NOREPLACE).map_err(io::Error::from) {
        Err(error) if is_unsupported(&error) || error.kind() == io::ErrorKind::InvalidInput => copy(file, at),
        result => result,
    }
}

/// For a moment there is a name without all of its bytes. Whoever reads it then takes it for torn, which is as good as
/// absent. It does not stay so: what was copied may be removed next, and a torn copy would hide it for good.
pub(super) fn copy(file: &Path, at: &Path) -> io::Result<()> {
    let mut from = File::open(file)?;
    let mut to = File::create_new(at)?;
    io::copy(&mut from, &mut to)
        .and_then(|_| to.sync_all())
        .inspect_err(|_| drop(fs::remove_file(at)))
}

pub(super) fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied | io::ErrorKind::TooManyLinks
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    type Place = fn(&Path, &Path) -> io::Result<()>;

    #[test]
    fn whatever_the_filesystem_can_do_one_of_two_gets_the_name() {
        let ways: [(&str, Place); 3] = [
            ("links", place),
            ("renames", place_without_links),
            ("copies", copy),
        ];
        for (way, place) in ways {
            let folder = tempfile::tempdir().unwrap();
            let [first, second, name] = ["first", "second", "name"].map(|name| folder.path().join(name));
            fs::write(&first, "first").unwrap();
            fs::write(&second, "second").unwrap();
            place(&first, &name).unwrap();
            let error = place(&second, &name).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{way}");
            assert_eq!(fs::read(&name).unwrap(), b"first", "{way}");
            assert_eq!(fs::read(&second).unwrap(), b"second", "{way}");
        }
    }
}
