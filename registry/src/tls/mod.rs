//! TLS from files: several certificates chosen by the name that the client asks for, reloaded when they change.
//!
//! ```text
//! files ─► material (read, checked) ─► assembly (which of them is served) ─► rustls ServerConfig
//!   ▲                                                                             │
//!   └─ live: looks once a second                    stream ◄─ accept: handshakes ◄┘
//! ```
//! What is right or wrong with a certificate is known to `roadstead-pki`. HTTP is not known here, but for the
//! answer to a client that speaks plain HTTP by mistake.

mod accept;
mod assembly;
#[cfg(test)]
mod client_tests;
mod client_verifier;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod live;
mod look;
mod material;
mod provider;
mod queue;
mod received;
mod records;
mod refused;
mod resolver;
mod settings;
mod short_key;
mod stream;
#[cfg(test)]
mod tests;

pub use accept::{accept, client};
pub use live::{Live, Status, Watching};
pub use look::{Found, look_at};
pub use settings::{CertificateFiles, ClientAuth, OtherCertificate, Settings};
