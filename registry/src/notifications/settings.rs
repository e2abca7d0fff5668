//! Who is to be told of what.

use std::path::PathBuf;
use std::time::Duration;

use super::Action;

/// Who is told of what happens.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub endpoints: Vec<EndpointSettings>,
    /// Whether the event of a manifest lists what the manifest names.
    pub include_references: bool,
}

#[derive(Clone)]
pub struct EndpointSettings {
    /// No two have the same.
    pub name: String,
    /// Of `http` or `https`, without a password.
    pub url: http::Uri,
    /// The password that was in the URL, as a header.
    pub login: Option<http::HeaderValue>,
    pub headers: http::HeaderMap,
    pub timeout: Duration,
    pub threshold: u32,
    pub backoff: Duration,
    pub ignored_media_types: Vec<String>,
    pub ignored_actions: Vec<Action>,
    /// Absent: the system's CAs.
    pub root_cert_bundle: Option<PathBuf>,
}

/// The address and the headers may hold secrets.
impl std::fmt::Debug for EndpointSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointSettings")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
