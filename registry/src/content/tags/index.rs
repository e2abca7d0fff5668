//! Which tags point at a manifest, so that deleting it does not have to read every tag of its repository.
//!
//! The index is derived and lies where registry:2 does not look. An entry is made before the tag is written, and checked
//! against the tag when it is read; it goes only when the tag points elsewhere, with the next deletion that meets it. What a
//! power cut took from it, or registry:2 wrote without it, is found when a process first asks for a repository.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use roadstead_oci::{Digest, RepositoryName, Tag};

use crate::content::error::Error;
use crate::content::listing::all;
use crate::content::per_repository::OncePerRepository;
use crate::content::repositories::Repositories;
use crate::content::{layout, link};
use crate::storage::Storage;

/// Tags that are looked at, at the same time.
const AT_ONCE: usize = 16;

#[derive(Debug)]
pub(in crate::content) struct TagIndex {
    storage: Arc<dyn Storage>,
    /// The repositories whose index of tags has been compared with their tags.
    compared: OncePerRepository,
}

impl TagIndex {
    pub(in crate::content) fn new(storage: Arc<dyn Storage>, repositories: Arc<Repositories>) -> Self {
        TagIndex {
            storage,
            compared: OncePerRepository::new(repositories),
        }
    }

    /// Before a tag is pointed at a manifest.
    pub(in crate::content) async fn add(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), Error> {
        let entry = layout::tag_index_entry(repository, digest, tag);
        if self.storage.stat(&entry).await?.is_none() {
            // An index that is incomplete after a power cut is completed by the next process: no need for a flush.
            self.storage.write_lazily(&entry, bytes::Bytes::new()).await?;
        }
        Ok(())
    }

    /// After a tag has been taken away from a manifest.
    pub(in crate::content) async fn remove(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), Error> {
        let entry = layout::tag_index_entry(repository, digest, tag);
        self.storage.delete(&entry).await?;
        // A push that brings it back looks for its entry after it has written the tag. If that was before the entry
        // went, the tag is seen here.
        if self.target(repository, tag).await? == Some(*digest) {
            self.add(repository, tag, digest).await?;
        }
        Ok(())
    }

    /// The tags that may point at this manifest, all that do among them.
    pub(in crate::content) async fn candidates(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Tag>, Error> {
        let job = self.compare(repository);
        match self.compared.ensure(repository, job).await {
            // Deleting is the way out of a full disk, and must not need room for an index.
            Err(Error::NoSpace(_)) => return self.all_tags(repository).await,
            result => result?,
        }
        let folder = layout::tag_index_of(repository, digest);
        let entries = all(&*self.storage, &folder).await?;
        Ok(entries
            .iter()
            .filter_map(|entry| entry.name.parse().ok())
            .collect())
    }

    async fn compare(&self, repository: &RepositoryName) -> Result<(), Error> {
        let looks = self
            .all_tags(repository)
            .await?
            .into_iter()
            .map(|tag| async move {
                match self.target(repository, &tag).await? {
                    Some(digest) => self.add(repository, &tag, &digest).await,
                    None => Ok(()),
                }
            });
        stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn target(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<Digest>, Error> {
        link::read(&*self.storage, &layout::tag_link(repository, tag)).await
    }

    async fn all_tags(&self, repository: &RepositoryName) -> Result<Vec<Tag>, Error> {
        let folder = layout::tags(repository);
        let entries = all(&*self.storage, &folder).await?;
        Ok(entries
            .iter()
            .filter_map(|entry| entry.name.parse().ok())
            .collect())
    }
}
