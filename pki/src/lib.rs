//! Certificates, keys and htpasswd lines: parse them, check them, issue them.
//!
//! Everything here works on bytes in memory: no file, no socket, no clock. Callers read the files and say
//! what time it is, so each rule is a plain function that a plain test can pin down. It knows neither
//! registries nor Kubernetes; both halves of Roadstead use it, so that they judge a certificate alike.
//!
//! ```text
//!   PEM ──► certificate ──► server (chain + key, and what is wrong with them) ──► problem (in words)
//!             ▲
//!   authority ┘ issues     htpasswd: users and bcrypt hashes     password: random ones
//! ```

pub mod any_certificate;
pub mod authority;
pub mod certificate;
pub mod htpasswd;
pub mod password;
pub mod problem;
pub mod server;
