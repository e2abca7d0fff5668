//! What the configuration says about content.

use std::time::Duration;

/// A manifest's references that are not in its repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingReferences {
    #[default]
    Reject,
    Allow,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `validation.manifests.missing`
    pub missing_references: MissingReferences,
    /// `storage.delete.enabled`
    pub delete_enabled: bool,
    /// `storage.maintenance.readonly.enabled`
    pub read_only: bool,
    /// What every registry takes, and few manifests come near.
    pub max_manifest_bytes: usize,
    /// How long a push waits for a collection that is deleting, before its client is told to try again.
    pub collection_patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            missing_references: MissingReferences::Reject,
            delete_enabled: false,
            read_only: false,
            max_manifest_bytes: 4 << 20,
            collection_patience: Duration::from_secs(60),
        }
    }
}
