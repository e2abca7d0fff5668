//! The distribution API over HTTP.
//!
//! ```text
//! connection ─► App: route ─► who is asking ─► may they ─► handler ─► answer
//!                 │                                           │
//!                 └── observe (log line, metrics)             ├─► content
//!                                                             └─► events ─► notifications
//! ```
//! `route` alone knows URLs, `error` alone knows status numbers. What blobs and manifests are is known to `content`.

mod accept;
mod app;
mod body;
mod caller;
mod carried_through;
mod challenge;
mod error;
mod events;
mod forwarded;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod handlers;
mod locations;
mod observe;
mod range;
mod request_id;
mod route;
pub mod server;
#[cfg(test)]
mod tests;

pub use app::{App, Settings, State};
pub use locations::Locations;
pub use observe::AccessLines;
