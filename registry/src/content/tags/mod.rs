//! Tags: registers that the last writer wins.

mod index;
mod tombstones;

use std::sync::Arc;

use futures::future::{join, try_join};
use futures::stream::TryStreamExt;
use roadstead_oci::{Digest, Reference, RepositoryName, Tag};

use super::durable::Durable;
use super::error::{Error, ROUNDS};
use super::listing::{in_batches, names};
use super::options::Options;
use super::page::Page;
use super::repositories::Repositories;
use super::revisions::Revisions;
use super::{layout, link};
use crate::storage::{Removal, Storage, Version};
use index::TagIndex;
use tombstones::Tombstones;

#[derive(Debug)]
pub struct Tags {
    storage: Arc<dyn Storage>,
    options: Options,
    durable: Arc<Durable>,
    repositories: Arc<Repositories>,
    revisions: Arc<Revisions>,
    pub(super) index: TagIndex,
    tombstones: Tombstones,
}

/// What became of a tag whose manifest is deleted.
enum Taken {
    Gone,
    /// It points at another one, or is not there.
    Elsewhere,
    /// The manifest was pushed again, and its tags are those of that push.
    CameBack,
}

impl Tags {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        options: Options,
        durable: Arc<Durable>,
        repositories: Arc<Repositories>,
        revisions: Arc<Revisions>,
    ) -> Self {
        Tags {
            index: TagIndex::new(Arc::clone(&storage), Arc::clone(&repositories)),
            tombstones: Tombstones::new(Arc::clone(&storage)),
            storage,
            options,
            durable,
            repositories,
            revisions,
        }
    }

    /// Tags in lexical order, after `last`, at most `n` of them.
    pub async fn list(
        &self,
        repository: &RepositoryName,
        n: Option<usize>,
        last: Option<&str>,
    ) -> Result<Page<Tag>, Error> {
        if !self.repositories.exists(repository).await? {
            return Err(Error::NameUnknown(repository.clone()));
        }
        let mut page = Page::of(n);
        let mut after = last.map(str::to_owned);
        while page.wants_more() {
            let folder = layout::tags(repository);
            let (batch, _) = names(&*self.storage, &folder, after.as_deref(), n).await?;
            let Some(end) = batch.last() else { break };
            after = Some(end.clone());
            let tags: Vec<Tag> = batch.iter().filter_map(|name| name.parse().ok()).collect();
            let mut reads = in_batches(&tags, |tags| self.live(repository, tags));
            while page.wants_more()
                && let Some(tags) = reads.try_next().await?
            {
                tags.into_iter().for_each(|tag| page.add(tag));
            }
        }
        Ok(page.finish(Tag::to_string))
    }

    /// Deletes a tag. The manifest stays.
    pub async fn delete(&self, repository: &RepositoryName, tag: &Tag) -> Result<(), Error> {
        self.options.check_deletable()?;
        let link = layout::tag_link(repository, tag);
        let unknown = || Error::ManifestUnknown {
            repository: repository.clone(),
            reference: Reference::Tag(tag.clone()),
        };
        // Before the look at the revision, as in `untag`.
        let Some((digest, version)) = link::read_version(&*self.storage, &link).await? else {
            self.durable.ensure_gone(&link).await?;
            return Err(unknown());
        };
        if self.tombstones.find(repository, tag).await? == Some(digest) {
            return Err(unknown());
        }
        if self.revisions.find(repository, &digest).await?.is_none() {
            // The manifest's delete was interrupted: its next push would bring the tag back.
            self.durable
                .ensure_gone(&layout::revision_link(repository, &digest))
                .await?;
            self.delete_if(repository, tag, &version).await?;
            self.index.remove(repository, tag, &digest).await?;
            return Err(unknown());
        }
        self.storage.delete(&link).await?;
        self.forget_history(repository, tag).await?;
        self.index.remove(repository, tag, &digest).await
    }

    /// What the tag points at, whether or not the repository still has it.
    pub(super) async fn target(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Digest>, Error> {
        let link = layout::tag_link(repository, tag);
        let (target, dead) = try_join(
            link::read(&*self.storage, &link),
            self.tombstones.find(repository, tag),
        )
        .await?;
        Ok(target.filter(|target| dead != Some(*target)))
    }

    pub(super) async fn point(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), Error> {
        link::write(&*self.storage, &layout::tag_link(repository, tag), digest).await?;
        self.tombstones.remove(repository, tag).await?;
        // A deletion may have taken the entry away between the two.
        self.index.add(repository, tag, digest).await
    }

    /// What is written before the tag itself: registry:2 keeps a link for every manifest that a tag ever pointed at, and
    /// whoever deletes the manifest has to find the tag.
    pub(super) async fn announce(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), Error> {
        let history = layout::tag_history_link(repository, tag, digest);
        let (written, indexed) = join(
            link::write(&*self.storage, &history, digest),
            self.index.add(repository, tag, digest),
        )
        .await;
        written.and(indexed)
    }

    /// Before the manifest's revision link goes, where [`Self::untag`] may not be able to delete.
    pub(super) async fn bury(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), Error> {
        if !self.tombstones.are_used() {
            return Ok(());
        }
        for tag in self.index.candidates(repository, digest).await? {
            if self.target(repository, &tag).await? == Some(*digest) {
                self.tombstones.add(repository, &tag, digest).await?;
            }
        }
        Ok(())
    }

    /// After [`Self::bury`], where the manifest stays.
    pub(super) async fn unbury(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), Error> {
        for tag in self.index.candidates(repository, digest).await? {
            if self.tombstones.find(repository, &tag).await? == Some(*digest) {
                self.tombstones.remove(repository, &tag).await?;
            }
        }
        Ok(())
    }

    /// Deletes every tag that points at this manifest, which has no revision link any more. A tag that is moved
    /// meanwhile stays with its new value; once the manifest is pushed again its tags are those of that push: it writes
    /// the revision before the tag, so whoever misses the revision after having seen the tag has not seen that push's.
    /// Gives those that it deleted.
    pub(super) async fn untag(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Tag>, Error> {
        let mut deleted = Vec::new();
        for tag in self.index.candidates(repository, digest).await? {
            match self.take_from(repository, &tag, digest).await? {
                Taken::CameBack => break,
                Taken::Gone => deleted.push(tag.clone()),
                Taken::Elsewhere => {}
            }
            self.index.remove(repository, &tag, digest).await?;
        }
        Ok(deleted)
    }

    /// Takes this tag away from a manifest that is deleted.
    async fn take_from(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<Taken, Error> {
        let link = layout::tag_link(repository, tag);
        let mut taken = Taken::Elsewhere;
        for _ in 0..ROUNDS {
            let version = match link::read_version(&*self.storage, &link).await? {
                Some((found, version)) if found == *digest => version,
                _ => return Ok(taken),
            };
            if self.revisions.find(repository, digest).await?.is_some() {
                return Ok(Taken::CameBack);
            }
            match self.delete_if(repository, tag, &version).await? {
                Removal::Deleted => taken = Taken::Gone,
                Removal::Moved => {}
                // It stays, and is not followed if there is a tombstone over it.
                Removal::Unsure if self.tombstones.find(repository, tag).await? == Some(*digest) => {
                    return Ok(Taken::Gone);
                }
                Removal::Unsure => return Ok(taken),
            }
        }
        // Some shares give a file another time when it is renamed.
        Err(Error::Contended {
            repository: repository.clone(),
            reference: Reference::Tag(tag.clone()),
        })
    }

    /// Deletes a tag unless it has been written since.
    async fn delete_if(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        version: &Version,
    ) -> Result<Removal, Error> {
        let link = layout::tag_link(repository, tag);
        let removal = self.storage.delete_if_same(&link, version).await?;
        if removal == Removal::Deleted {
            self.forget_history(repository, tag).await?;
        }
        Ok(removal)
    }

    /// Those of which the repository has the manifest.
    async fn live(&self, repository: &RepositoryName, tags: Vec<Tag>) -> Result<Vec<Tag>, Error> {
        let links = tags.iter().map(|tag| layout::tag_link(repository, tag)).collect();
        let digests = link::read_many(&*self.storage, links).await?;
        let pointing: Vec<(Tag, Digest)> = tags
            .into_iter()
            .zip(digests)
            .filter_map(|(tag, digest)| Some((tag, digest?)))
            .collect();
        let pointing = self.tombstones.without_dead(repository, pointing).await?;
        let links = pointing
            .iter()
            .map(|(_, digest)| layout::revision_link(repository, digest))
            .collect();
        let revisions = link::read_many(&*self.storage, links).await?;
        let live = pointing.into_iter().zip(revisions);
        Ok(live
            .filter_map(|((tag, _), revision)| revision.map(|_| tag))
            .collect())
    }

    /// registry:2 lists a tag as long as its folder is there. A push that brings the tag back at this moment may
    /// lose its entry of the history, never the tag.
    async fn forget_history(&self, repository: &RepositoryName, tag: &Tag) -> Result<(), Error> {
        let history = layout::tag_history(repository, tag);
        Ok(self.storage.delete_folder(&history).await?)
    }
}
