//! Which tags point at a manifest, so that deleting it does not have to read every tag of its repository.
//!
//! The index is derived and lies where registry:2 does not look. An entry is made before the tag is written, and checked
//! against the tag when it is read; it goes only when the tag points elsewhere, with the next deletion that meets it. What a
//! power cut took from it, or registry:2 wrote without it, is found when a process first asks for a repository.

use futures::stream::{self, StreamExt, TryStreamExt};
use roadstead_oci::{Digest, RepositoryName, Tag};

use super::batches::all;
use super::error::Error;
use super::{Content, layout};

/// Tags that are looked at, at the same time.
const AT_ONCE: usize = 16;

impl Content {
    /// Before a tag is pointed at a manifest.
    pub(super) async fn index_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), Error> {
        let entry = layout::tag_index_entry(repository, digest, tag);
        if self.storage().stat(&entry).await?.is_none() {
            // An index that is incomplete after a power cut is completed by the next process: no need for a flush.
            self.storage().write_lazily(&entry, bytes::Bytes::new()).await?;
        }
        Ok(())
    }

    /// After a tag has been taken away from a manifest.
    pub(super) async fn unindex_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), Error> {
        let entry = layout::tag_index_entry(repository, digest, tag);
        let within = layout::tag_index(repository);
        self.storage().delete(&entry, &within).await?;
        // A push that brings it back looks for its entry after it has written the tag. If that was before the entry
        // went, the tag is seen here.
        if self.tag(repository, tag).await? == Some(*digest) {
            self.index_tag(repository, tag, digest).await?;
        }
        Ok(())
    }

    /// The tags that may point at this manifest, all that do among them.
    pub(super) async fn tags_that_may_name(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Tag>, Error> {
        let job = self.index_all_tags(repository);
        match self.0.indexed.ensure(self, repository, job).await {
            // Deleting is the way out of a full disk, and must not need room for an index.
            Err(Error::NoSpace(_)) => return self.all_tags(repository).await,
            result => result?,
        }
        let folder = layout::tag_index_of(repository, digest);
        let entries = all(self.storage(), &folder).await?;
        Ok(entries
            .iter()
            .filter_map(|entry| entry.name.parse().ok())
            .collect())
    }

    async fn index_all_tags(&self, repository: &RepositoryName) -> Result<(), Error> {
        let looks = self
            .all_tags(repository)
            .await?
            .into_iter()
            .map(|tag| async move {
                match self.tag(repository, &tag).await? {
                    Some(digest) => self.index_tag(repository, &tag, &digest).await,
                    None => Ok(()),
                }
            });
        stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn all_tags(&self, repository: &RepositoryName) -> Result<Vec<Tag>, Error> {
        let folder = layout::tags(repository);
        let entries = all(self.storage(), &folder).await?;
        Ok(entries
            .iter()
            .filter_map(|entry| entry.name.parse().ok())
            .collect())
    }
}
