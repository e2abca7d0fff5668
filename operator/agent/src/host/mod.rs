//! The node's file system, mounted as one folder.
//!
//! Every path is opened beneath that folder with `openat2(RESOLVE_IN_ROOT)`, so a symlink, absolute or not, leads
//! where it leads on the host and never out of it. Knows nothing of registries.

mod lock;
mod path;
mod root;
mod watch;
mod write;

pub use lock::Lock;
pub use path::{HostPath, NotAHostPath};
pub use root::{HostRoot, Identity, Node};
pub use watch::Watcher;
pub use write::{Disk, is_leftover, random};
