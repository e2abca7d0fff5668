//! What can go wrong in a store, as far as callers act on it.

use std::io;

use thiserror::Error;

#[derive(Debug, Error)]
pub enum Error {
    #[error("{0} is not in the store")]
    NotFound(String),
    #[error("no space left in the store for {key}")]
    NoSpace { key: String, source: io::Error },
    #[error("cannot {action} {key} in the store")]
    Io {
        action: &'static str,
        key: String,
        source: io::Error,
    },
}
