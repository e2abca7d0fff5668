//! The container runtime interface, as far as the agent speaks it: a few calls over a unix socket.

mod client;
pub(crate) mod messages;

pub use client::{Client, RUNTIME_SILENT, Version};
