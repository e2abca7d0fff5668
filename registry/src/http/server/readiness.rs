//! Whether requests should come here: asked all the time, so it is answered from memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use roadstead_oci::{Digest, RepositoryName};

use crate::config::Health;
use crate::content::{Content, Error};

/// How long the storage may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ready from the start, until the storage fails or the server stops.
#[derive(Debug, Default)]
pub struct Readiness {
    storage_fails: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Why not, if not.
    pub fn problem(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Relaxed) {
            Some("stopping")
        } else if self.storage_fails.load(Ordering::Relaxed) {
            Some("the storage does not answer; the log says why")
        } else {
            None
        }
    }

    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Looks at the storage for ever. One failure is not yet a reason: `threshold` in a row are.
    pub async fn watch(&self, content: Content, health: Health) {
        let mut failures = 0;
        loop {
            match look(&content).await {
                Ok(()) => failures = 0,
                Err(cause) => {
                    failures += 1;
                    tracing::error!(cause, failures, "the storage does not answer");
                }
            }
            self.storage_fails
                .store(failures >= health.threshold, Ordering::Relaxed);
            tokio::time::sleep(health.interval).await;
        }
    }
}

/// Asks for something that is not there: a storage that can say so works.
async fn look(content: &Content) -> Result<(), String> {
    let repository: RepositoryName = "roadstead/health".parse().map_err(|_| "bad name".to_owned())?;
    let nothing = Digest::sha256([0; 32]);
    match tokio::time::timeout(PATIENCE, content.blob(&repository, &nothing)).await {
        Ok(Ok(_) | Err(Error::BlobUnknown { .. } | Error::NameUnknown(_))) => Ok(()),
        Ok(Err(error)) => Err(crate::http::error::chain(&error)),
        Err(_) => Err(format!("no answer within {} seconds", PATIENCE.as_secs())),
    }
}
