//! Bytes by key. Knows no digests, no repositories and no HTTP.

mod error;
mod filesystem;

pub use error::Error;
pub use filesystem::FilesystemStorage;

/// A place that keeps bytes by key, durably.
pub trait Storage: std::fmt::Debug + Send + Sync + 'static {}
