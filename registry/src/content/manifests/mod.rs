//! Manifests: by digest, and by the tags that point at them.

mod references;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{try_join, try_join_all};
use roadstead_oci::{Algorithm, Digest, Manifest, Reference, RepositoryName, Tag};

use super::batch::Condemned;
use super::durable::Durable;
use super::error::{Error, ROUNDS};
use super::hashing::{digest_of, same_digest};
use super::leases::Leases;
use super::options::Options;
use super::referrers::Referrers;
use super::revisions::{CachedManifest, Revisions};
use super::tags::Tags;
use super::{layout, link, visible};
use crate::storage::Storage;
pub(super) use references::References;

/// A manifest as it is served: byte for byte as it was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    pub digest: Digest,
    pub media_type: &'static str,
    pub bytes: Bytes,
}

/// A manifest that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    pub digest: Digest,
    pub size: u64,
    /// All that point at it now because of this push.
    pub tags: Vec<Tag>,
    pub manifest: Manifest,
}

/// A manifest that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    pub digest: Digest,
    /// Those that pointed at it, and went with it.
    pub tags: Vec<Tag>,
}

#[derive(Debug)]
pub struct Manifests {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) options: Options,
    pub(super) durable: Arc<Durable>,
    pub(super) leases: Arc<Leases>,
    pub(super) revisions: Arc<Revisions>,
    pub(super) tags: Arc<Tags>,
    pub(super) referrers: Arc<Referrers>,
    pub(super) references: References,
}

impl Manifests {
    pub async fn get(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest, Error> {
        let unknown = || Error::ManifestUnknown {
            repository: repository.clone(),
            reference: reference.clone(),
        };
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            Reference::Tag(tag) => self.tags.target(repository, tag).await?.ok_or_else(unknown)?,
        };
        // A tag counts only as long as the repository has the manifest: deleting begins with the revision.
        let target = self
            .revisions
            .find(repository, &digest)
            .await?
            .ok_or_else(unknown)?;
        let CachedManifest { media_type, bytes } = self.revisions.load(&target).await?.ok_or_else(unknown)?;
        Ok(StoredManifest {
            digest,
            media_type,
            bytes,
        })
    }

    /// As [`Self::get`], for a caller who may push and takes the answer as "no need to send it again": renews
    /// the lease. For HEAD.
    pub async fn get_for_push(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest, Error> {
        let manifest = self.get(repository, reference).await?;
        let at = layout::revision_link(repository, &manifest.digest);
        match self.revisions.find(repository, &manifest.digest).await? {
            Some(target)
                if self
                    .leases
                    .renew(repository, &manifest.digest, &at, &target)
                    .await? =>
            {
                Ok(manifest)
            }
            _ => Err(Error::ManifestUnknown {
                repository: repository.clone(),
                reference: reference.clone(),
            }),
        }
    }

    /// Stores a manifest under its digest, and under `reference` if that is a tag, and under all of `tags`.
    pub async fn put(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        tags: &[Tag],
        content_type: Option<&str>,
        bytes: Bytes,
    ) -> Result<Pushed, Error> {
        self.options.check_writable()?;
        let limit = self.options.max_manifest_bytes;
        if bytes.len() > limit {
            return Err(Error::TooLarge { limit });
        }
        let digest = verified_digest(reference, &bytes)?;
        let manifest = Manifest::parse(&bytes, content_type)?;
        self.references.check(repository, &manifest).await?;
        let named = match reference {
            Reference::Tag(tag) => Some(tag),
            Reference::Digest(_) => None,
        };
        let tags: Vec<Tag> = named.into_iter().chain(tags).cloned().collect();
        self.store(repository, &digest, &manifest, &bytes, &tags).await?;
        let media_type = manifest.media_type().as_str();
        let size = bytes.len() as u64;
        self.revisions
            .remember(digest, CachedManifest { media_type, bytes });
        Ok(Pushed {
            digest,
            size,
            tags,
            manifest,
        })
    }

    /// Deletes a manifest and every tag that points at it. Who refers to it stays, as does what it refers to.
    pub async fn delete(&self, repository: &RepositoryName, digest: &Digest) -> Result<Deleted, Error> {
        self.options.check_deletable()?;
        let revision = layout::revision_link(repository, digest);
        let Some(target) = self.revisions.find(repository, digest).await? else {
            self.durable.ensure_gone(&revision).await?;
            // A delete that was interrupted left tags behind, which would come back with the next push of these bytes.
            self.tags.untag(repository, digest).await?;
            return Err(Error::ManifestUnknown {
                repository: repository.clone(),
                reference: Reference::Digest(*digest),
            });
        };
        let subject = self.subject_of(&target).await?;
        if subject.is_some() {
            // What was examined is not examined again, but registry:2 may bring it back, and then its entry is missing.
            self.storage.delete(&layout::examined(repository)).await?;
        }
        self.tags.bury(repository, digest).await?;
        // From here on it is gone: tags that still point at it are not followed.
        if let Err(error) = self.storage.delete(&revision).await {
            // Or not, and then its tags are to be seen as before.
            if matches!(self.revisions.find(repository, digest).await, Ok(Some(_))) {
                self.tags.unbury(repository, digest).await?;
            }
            return Err(error.into());
        }
        let tags = self.tags.untag(repository, digest).await?;
        if let Some(subject) = subject {
            let entry = layout::referrer(repository, &subject, digest);
            self.storage.delete(&entry).await?;
            // Pushed again meanwhile: its entry may have been the one just removed.
            if self.revisions.find(repository, digest).await?.is_some() {
                self.referrers.examine_manifest(repository, digest).await?;
            }
        }
        Ok(Deleted {
            digest: *digest,
            tags,
        })
    }

    async fn subject_of(&self, digest: &Digest) -> Result<Option<Digest>, Error> {
        let manifest = self
            .revisions
            .load(digest)
            .await?
            .and_then(|stored| Manifest::parse(&stored.bytes, None).ok());
        Ok(manifest.and_then(|manifest| manifest.subject().map(|subject| subject.digest)))
    }

    /// Somebody may delete the same manifest meanwhile. Of the two, this is answered last.
    async fn store(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        manifest: &Manifest,
        bytes: &Bytes,
        tags: &[Tag],
    ) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            self.store_manifest(repository, digest, manifest, bytes, tags)
                .await?;
            try_join_all(tags.iter().map(|tag| self.tags.point(repository, tag, digest))).await?;
            if self.revisions.find(repository, digest).await?.is_some() {
                return Ok(());
            }
        }
        Err(Error::Contended {
            repository: repository.clone(),
            reference: Reference::Digest(*digest),
        })
    }

    /// Data first, then the link: nothing is visible that is not whole. Then looks for a collection that did not
    /// see the link, and if there was one, whether all is still there.
    async fn store_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        manifest: &Manifest,
        bytes: &Bytes,
        tags: &[Tag],
    ) -> Result<(), Error> {
        if let Some(subject) = manifest.subject() {
            self.referrers
                .add(repository, &subject.digest, digest, manifest, bytes.len())
                .await?;
        }
        let revision = layout::revision_link(repository, digest);
        loop {
            self.write_data(digest, bytes).await?;
            let histories = tags.iter().map(|tag| self.tags.announce(repository, tag, digest));
            try_join(
                link::write(&*self.storage, &revision, digest),
                try_join_all(histories),
            )
            .await?;
            self.durable.remember(&revision).await?;
            if manifest.blobs().next().is_none() {
                visible::after_push(&*self.storage, repository, digest).await?;
            }
            if !self
                .leases
                .collection_passed(|| relied_on(repository, digest, manifest, tags))
                .await?
            {
                return Ok(());
            }
            if let Err(error) = self.references.check(repository, manifest).await {
                self.storage.delete(&revision).await?;
                return Err(error);
            }
            let is_there = self.storage.stat(&layout::blob_data(digest)).await?.is_some();
            if is_there && self.storage.stat(&revision).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Writes the manifest's bytes, unless the very same are there and certain to stay: reading a few KiB costs less
    /// than two flushes.
    async fn write_data(&self, digest: &Digest, bytes: &Bytes) -> Result<(), Error> {
        let data = layout::blob_data(digest);
        let found = self.storage.read(&data, bytes.len() + 1).await?;
        if found.as_ref() == Some(bytes)
            && let Some(stat) = self.storage.stat(&data).await?
            && self.durable.ensure(&data, stat).await?
        {
            return Ok(());
        }
        self.storage.write(&data, bytes.clone()).await?;
        self.durable.remember(&data).await
    }
}

/// What a collection must not take from whoever pushes this manifest.
fn relied_on(
    repository: &RepositoryName,
    digest: &Digest,
    manifest: &Manifest,
    tags: &[Tag],
) -> Vec<Condemned> {
    let references = manifest.blobs().chain(manifest.manifests());
    let digests = references.map(|reference| reference.digest).chain([*digest]);
    let links = digests.flat_map(|digest| {
        let layer = Condemned::Layer(repository.clone(), digest);
        [
            Condemned::Blob(digest),
            layer,
            Condemned::Revision(repository.clone(), digest),
        ]
    });
    let tags = tags
        .iter()
        .map(|tag| Condemned::Tag(repository.clone(), tag.clone()));
    links.chain(tags).collect()
}

/// The digest that the manifest is stored under: the one it is pushed by, else its sha256.
fn verified_digest(reference: &Reference, bytes: &[u8]) -> Result<Digest, Error> {
    match reference {
        Reference::Tag(_) => Ok(digest_of(Algorithm::Sha256, bytes)),
        Reference::Digest(expected) => same_digest(expected, digest_of(expected.algorithm(), bytes)),
    }
}
