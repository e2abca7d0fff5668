//! A private container registry, drop-in for registry:2.
//!
//! ```text
//! config ─► what is wanted        log, metrics ─► what happens
//!
//! http ─► auth       who is asking, what they may do
//!   │ └─► content ─► storage
//!   │     what a registry means; bytes by key
//!   ├─► notifications  who else is told
//!  tls    certificates by name, reloaded
//! ```

pub mod auth;
pub mod cli;
pub mod config;
pub mod content;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod go;
pub mod http;
pub mod log;
pub mod metrics;
pub mod notifications;
mod recent;
mod source;
mod standalone;
pub mod storage;
pub mod tls;
mod watch;
