//! Files that say who may log in, looked at once a second.

use std::sync::Arc;
use std::time::Duration;

use super::authenticator::Authenticator;
use crate::watch::{self, Watcher};

/// Looks at the files that say who may log in.
#[must_use = "changes of the users and keys are seen only while this runs"]
pub struct Watching(pub(super) Vec<(Arc<dyn Authenticator>, Watcher)>);

impl Watching {
    /// Ends only when there is nothing to look at.
    pub async fn run(self) {
        self.run_every(watch::INTERVAL).await;
    }

    pub(super) async fn run_every(mut self, interval: Duration) {
        while !self.0.is_empty() {
            tokio::time::sleep(interval).await;
            for (authenticator, watcher) in &mut self.0 {
                if let Some(files) = authenticator.files()
                    && let Some(reason) = watcher.look(files.fingerprint())
                {
                    watcher.failed(!files.reload(reason));
                }
            }
        }
    }
}
