//! What a process does once for each repository.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use roadstead_oci::RepositoryName;
use tokio::sync::OnceCell;

use super::error::Error;

/// The repositories for which it has been done.
#[derive(Debug, Default)]
pub(super) struct OncePerRepository(Mutex<HashMap<RepositoryName, Arc<OnceCell<()>>>>);

impl OncePerRepository {
    /// Does it, unless that has been done; whoever comes meanwhile waits. What failed is done again the next time.
    pub(super) async fn ensure(
        &self,
        repository: &RepositoryName,
        job: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        let cell = {
            let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(done.entry(repository.clone()).or_default())
        };
        cell.get_or_try_init(|| job).await.copied()
    }
}
