//! A private container registry, drop-in for registry:2.

pub mod content;
pub mod storage;
