//! What a server listens on.

use std::fmt;
use std::path::PathBuf;

use super::Address;

/// A port, or a socket in the filesystem (`http.net: unix`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    Tcp(Address),
    Unix(PathBuf),
}

impl Listen {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Listen::Tcp(address) => address.is_loopback(),
            Listen::Unix(_) => true,
        }
    }

    /// None where there is none.
    pub fn port(&self) -> u16 {
        match self {
            Listen::Tcp(address) => address.port(),
            Listen::Unix(_) => 0,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => path.display().fmt(f),
        }
    }
}
