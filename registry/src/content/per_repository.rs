//! What a process does once for each repository.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roadstead_oci::RepositoryName;
use tokio::sync::OnceCell;

use super::Content;
use super::error::Error;

/// The repositories for which it has been done.
#[derive(Debug, Default)]
pub(super) struct OncePerRepository(Mutex<Cells>);

type Cells = HashMap<RepositoryName, Arc<OnceCell<()>>>;

impl OncePerRepository {
    /// Does it, unless that has been done; whoever comes meanwhile waits. What failed is done again the next time.
    /// Nothing is done for a repository that is not there.
    pub(super) async fn ensure(
        &self,
        content: &Content,
        repository: &RepositoryName,
        job: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        let known = self.cells().get(repository).cloned();
        let cell = match known {
            Some(cell) => cell,
            // Not remembered: names that nobody has pushed to must not use memory.
            None if !content.repository_exists(repository).await? => return Ok(()),
            None => Arc::clone(self.cells().entry(repository.clone()).or_default()),
        };
        cell.get_or_try_init(|| job).await.copied()
    }

    fn cells(&self) -> MutexGuard<'_, Cells> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
