//! What a process does once for each repository.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roadstead_oci::RepositoryName;
use tokio::sync::OnceCell;

use super::error::Error;
use super::repositories::Repositories;

/// Knows the repositories for which it has been done.
#[derive(Debug)]
pub(super) struct OncePerRepository {
    repositories: Arc<Repositories>,
    cells: Mutex<Cells>,
}

type Cells = HashMap<RepositoryName, Arc<OnceCell<()>>>;

impl OncePerRepository {
    pub(super) fn new(repositories: Arc<Repositories>) -> Self {
        OncePerRepository {
            repositories,
            cells: Mutex::default(),
        }
    }

    /// Does it, unless that has been done; whoever comes meanwhile waits. What failed is done again the next time.
    /// Nothing is done for a repository that is not there.
    pub(super) async fn ensure(
        &self,
        repository: &RepositoryName,
        job: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        let known = self.cells().get(repository).cloned();
        let cell = match known {
            Some(cell) => cell,
            // Not remembered: names that nobody has pushed to must not use memory.
            None if !self.repositories.exists(repository).await? => return Ok(()),
            None => Arc::clone(self.cells().entry(repository.clone()).or_default()),
        };
        cell.get_or_try_init(|| job).await.copied()
    }

    fn cells(&self) -> MutexGuard<'_, Cells> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::layout;
    use crate::storage::Storage;
    use crate::storage::memory::MemoryStorage;

    #[tokio::test]
    async fn it_is_done_once_and_repositories_that_are_not_there_use_no_memory() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let (here, nowhere): (RepositoryName, RepositoryName) =
            ("here".parse().unwrap(), "nowhere".parse().unwrap());
        let link = layout::layer_link(&here, &roadstead_oci::Digest::sha256([0; 32]));
        storage.write(&link, bytes::Bytes::new()).await.unwrap();
        let once = OncePerRepository::new(Arc::new(Repositories::new(storage)));
        let done = Mutex::new(Vec::new());
        for name in [&here, &nowhere, &here] {
            let job = async {
                done.lock().unwrap().push(name.clone());
                Ok(())
            };
            once.ensure(name, job).await.unwrap();
        }
        assert_eq!(done.into_inner().unwrap(), std::slice::from_ref(&here));
        assert_eq!(once.cells().keys().collect::<Vec<_>>(), [&here]);
    }
}
