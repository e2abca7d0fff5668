//! Mounts that nobody else sees, and that vanish with the thread that made them, whatever becomes of it.

use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// From here on this thread, and the programs that it starts, have mounts of their own.
pub(crate) fn of_our_own() {
    unshare(CloneFlags::CLONE_NEWNS).expect("root: the test mounts filesystems");
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).unwrap();
}

/// A small disk, with room for some hundred files.
pub(crate) fn small_disk(at: &Path, bytes: usize) {
    let size = format!("size={bytes},nr_inodes=400");
    mount(
        Some("small"),
        at,
        Some("tmpfs"),
        MsFlags::empty(),
        Some(size.as_str()),
    )
    .unwrap();
}

pub(crate) fn make_read_only(at: &Path) {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, at, None::<&str>, flags, None::<&str>).unwrap();
}
