//! Bytes by key. Knows no digests, no repositories and no HTTP.
//!
//! ```text
//! content ──► dyn Storage ──► FilesystemStorage     a folder, registry:2's `filesystem` driver
//!             objects.rs: what is there, by key
//!             uploads.rs: what is on its way there
//! ```
//! Every backend passes the suites in `contract/`. For tests there are `memory`, and `faulty` around any of them.

mod buffers;
mod clock;
#[cfg(test)]
pub(crate) mod contract;
mod error;
#[cfg(test)]
pub(crate) mod faulty;
mod filesystem;
mod key;
#[cfg(test)]
pub(crate) mod memory;
mod objects;
mod pages;
mod s3;
mod timed;
mod uploads;

use futures::future::BoxFuture;

pub use buffers::{Buffer, Buffers, Transfer};
pub use clock::Clock;
pub use error::Error;
pub use filesystem::{DirectIo, FilesystemStorage};
pub use key::Key;
pub use objects::{Entry, Objects, Opened, Page, Pieces, Reading, Removal, Stat, Version, Walked, Wanted};
pub use s3::{S3Storage, settings as s3_settings};
pub use timed::Timed;
pub use uploads::{Kept, Resumed, Saved, Sealed, Uploads, Writer};

/// What a store answers, some time later.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// A store: both of its sides.
pub trait Storage: Objects + Uploads {}
impl<T: Objects + Uploads> Storage for T {}
