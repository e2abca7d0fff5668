//! Tags that went with their manifest, where the store cannot delete a tag and spare what somebody else writes meanwhile.
//!
//! There the tag itself stays until a collection takes it. A tombstone names the manifest that the tag pointed at, and the
//! tag does not count as long as it points there. Tombstones are written before the manifest's link goes, and a push
//! removes its tag's after it has written the tag, then looks for the manifest's link: so of a push and a deletion of the
//! same manifest the one that is answered last has its way. registry:2 knows no tombstones: one does not count for a tag
//! that was written later. Elsewhere there are none, and nobody looks for them.

use std::sync::Arc;

use futures::future::try_join;
use roadstead_oci::{Digest, RepositoryName, Tag};

use crate::content::error::Error;
use crate::content::{layout, link};
use crate::storage::Storage;

#[derive(Debug)]
pub(super) struct Tombstones {
    storage: Arc<dyn Storage>,
    are_used: bool,
}

impl Tombstones {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Tombstones {
            are_used: !storage.can_delete_if_same(),
            storage,
        }
    }

    pub(super) fn are_used(&self) -> bool {
        self.are_used
    }

    pub(super) async fn add(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), Error> {
        link::write(&*self.storage, &layout::tombstone(repository, tag), digest).await
    }

    /// After the tag was written, before that is answered.
    pub(super) async fn remove(&self, repository: &RepositoryName, tag: &Tag) -> Result<(), Error> {
        if self.are_used {
            self.storage.delete(&layout::tombstone(repository, tag)).await?;
        }
        Ok(())
    }

    /// Which manifest the tag does not count for.
    pub(super) async fn find(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<Digest>, Error> {
        if !self.are_used {
            return Ok(None);
        }
        let at = layout::tombstone(repository, tag);
        let Some(digest) = link::read(&*self.storage, &at).await? else {
            return Ok(None);
        };
        let link = layout::tag_link(repository, tag);
        let (tombstone, link) = try_join(self.storage.stat(&at), self.storage.stat(&link)).await?;
        let counts = tombstone.is_some_and(|at| link.is_none_or(|link| link.modified <= at.modified));
        Ok(counts.then_some(digest))
    }

    /// Those of these that count.
    pub(super) async fn without_dead(
        &self,
        repository: &RepositoryName,
        tags: Vec<(Tag, Digest)>,
    ) -> Result<Vec<(Tag, Digest)>, Error> {
        if !self.are_used {
            return Ok(tags);
        }
        let keys = tags.iter().map(|(tag, _)| layout::tombstone(repository, tag));
        let tombstones = link::read_many(&*self.storage, keys.collect()).await?;
        let mut counting = Vec::with_capacity(tags.len());
        for ((tag, digest), tombstone) in tags.into_iter().zip(tombstones) {
            if tombstone != Some(digest) || self.find(repository, &tag).await? != Some(digest) {
                counting.push((tag, digest));
            }
        }
        Ok(counting)
    }
}
