//! A private container registry, drop-in for registry:2.
//!
//! ```text
//! cli, config ─► what is wanted    log, metrics ─► what happens
//!
//! http ─► auth       who is asking, what they may do
//!   │ └─► content ─► storage
//!   │     what a registry means; bytes by key
//!   ├─► notifications  who else is told
//!  tls    certificates by name, reloaded
//! ```

// Only what the program, its fuzz targets and its tests from outside use leaves the crate, so that the compiler sees dead
// code. Within it `pub` marks what a layer shows to the others.
#![allow(unreachable_pub)]

mod address;
mod auth;
pub mod cli;
mod config;
mod content;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod go;
mod http;
mod log;
mod metrics;
mod notifications;
mod recent;
mod source;
mod standalone;
mod storage;
mod tls;
mod watch;
mod workers;

/// A store, opened without a server: what power cuts left is looked at through it.
#[doc(hidden)]
pub mod store {
    pub use crate::content::{BodyError, Content, Error, Options, Wanted};
    pub use crate::storage::FilesystemStorage;
}
