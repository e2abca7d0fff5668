//! What the log is to look like.

use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub struct Settings {
    pub level: tracing::Level,
    pub format: Format,
    pub access: bool,
    /// Whether a line in Apache's combined format is written beside the own line of each request.
    pub combined: bool,
    /// Written into every line, typed as registry:2 reads them.
    pub fields: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}
