//! What the configuration says about content.

use std::time::Duration;

use super::error::Error;

/// A manifest's references that are not in its repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingReferences {
    #[default]
    Reject,
    Allow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl Options {
    pub(super) fn check_writable(&self) -> Result<(), Error> {
        if self.read_only {
            return Err(Error::Unsupported(
                "the registry is read-only for maintenance, try again later",
            ));
        }
        Ok(())
    }

    pub(super) fn check_deletable(&self) -> Result<(), Error> {
        self.check_writable()?;
        if !self.delete_enabled {
            return Err(Error::Unsupported(
                "deleting is off, set storage.delete.enabled to allow it",
            ));
        }
        Ok(())
    }
}
