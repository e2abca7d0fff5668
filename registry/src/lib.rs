//! A private container registry, drop-in for registry:2.

pub mod auth;
pub mod config;
pub mod content;
pub mod storage;
mod watch;
