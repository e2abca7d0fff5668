//! Referrers: the manifests whose subject is a given one.
//!
//! The list is derived and lies where registry:2 does not look. An entry is added before the manifest becomes
//! visible and removed after it is gone, and each is checked against the manifest's link when it is read, so that
//! a crash at any point leaves at most an entry that is not shown. What registry:2 wrote without telling us is
//! found at each process's first question about a repository.

mod unwritten;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryFutureExt;
use futures::future::try_join;
use futures::stream::{self, StreamExt, TryStreamExt};
use roadstead_oci::{Descriptor, Digest, Manifest, RepositoryName};
use tracing::{debug, warn};

use super::error::Error;
use super::listing::{in_batches, names};
use super::page::Page;
use super::per_repository::OncePerRepository;
use super::repositories::Repositories;
use super::revisions::Revisions;
use super::{layout, link};
use crate::storage::Storage;
use unwritten::Unwritten;

/// A descriptor with all its annotations; a manifest's own are bounded by its size.
const ENTRY_LIMIT: usize = 8 << 20;
/// Nearly all are smaller, and some batches of these may be in memory at the same time. Larger ones are read a second time.
const SMALL_ENTRY: usize = 8 << 10;
/// Clients take a manifest of up to 4 MiB, and the list of referrers is one: a page ends before that. A single
/// descriptor that is larger has a page of its own.
const PAGE_BYTES: usize = 3 << 20;
const EXAMINED_LIMIT: usize = 1 << 30;
/// Manifests that are examined at the same time.
const AT_ONCE: usize = 16;

#[derive(Debug)]
pub struct Referrers {
    storage: Arc<dyn Storage>,
    revisions: Arc<Revisions>,
    /// The repositories whose index of referrers has been compared with their manifests.
    examined: OncePerRepository,
    unwritten: Unwritten,
}

impl Referrers {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        revisions: Arc<Revisions>,
        repositories: Arc<Repositories>,
    ) -> Self {
        Referrers {
            storage,
            revisions,
            examined: OncePerRepository::new(repositories),
            unwritten: Unwritten::default(),
        }
    }

    /// The manifests whose subject is this one, in the order of their digests, after `last`, at most `n` of them.
    /// A subject or repository that is not known has none.
    pub async fn list(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        n: Option<usize>,
        last: Option<&str>,
    ) -> Result<Page<Descriptor>, Error> {
        let examination = self.examine(repository);
        self.examined.ensure(repository, examination).await?;
        let mut page = Page::of(n);
        let mut bytes = 0;
        let mut after = last
            .and_then(|last| last.parse().ok())
            .map(|last: Digest| layout::referrer_entry(&last));
        while page.wants_more() {
            let folder = layout::referrers(repository, subject);
            let (mut batch, more) = names(&*self.storage, &folder, after.as_deref(), n).await?;
            self.unwritten.add(&folder, after.as_deref(), &mut batch, more);
            let Some(end) = batch.last() else { break };
            after = Some(end.clone());
            let digests: Vec<Digest> = batch
                .iter()
                .filter_map(|entry| layout::referrer_of_entry(entry))
                .collect();
            let mut reads = in_batches(&digests, |digests| {
                self.live_entries(repository, subject, digests)
            });
            while page.wants_more()
                && let Some(entries) = reads.try_next().await?
            {
                for entry in entries {
                    if !page.wants_more() {
                        break;
                    }
                    let Some((descriptor, size)) = self.read(repository, subject, entry).await? else {
                        continue;
                    };
                    if artifact_type.is_some_and(|wanted| descriptor.artifact_type.as_deref() != Some(wanted))
                    {
                        continue;
                    }
                    bytes += size;
                    if bytes > PAGE_BYTES && !page.is_empty() {
                        page.close();
                    } else {
                        page.add(descriptor);
                    }
                }
            }
        }
        Ok(page.finish(|descriptor| descriptor.digest.to_string()))
    }

    pub(super) async fn add(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        digest: &Digest,
        manifest: &Manifest,
        size: usize,
    ) -> Result<(), Error> {
        let at = layout::referrer(repository, subject, digest);
        self.storage.write(&at, entry_of(digest, manifest, size)).await?;
        Ok(())
    }

    /// Of these referrers those that the repository has, each with the beginning of what its entry says.
    async fn live_entries(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Bytes)>, Error> {
        let named = digests.iter();
        let entries = named.clone().map(|it| layout::referrer(repository, subject, it));
        let links = named.map(|it| layout::revision_link(repository, it));
        let (read, revisions) = try_join(
            self.storage.read_many(entries.collect(), SMALL_ENTRY).err_into(),
            link::read_many(&*self.storage, links.collect()),
        )
        .await?;
        let mut live = Vec::with_capacity(digests.len());
        for ((digest, bytes), revision) in digests.into_iter().zip(read).zip(revisions) {
            if revision.is_none() {
                continue;
            }
            let entry = match bytes {
                Some(bytes) => Some(bytes),
                None => self.unwritten_entry(repository, subject, &digest).await?,
            };
            live.extend(entry.map(|entry| (digest, entry)));
        }
        Ok(live)
    }

    /// What the entry says and how long it is, if it is one.
    async fn read(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        (digest, beginning): (Digest, Bytes),
    ) -> Result<Option<(Descriptor, usize)>, Error> {
        // Hardly ever asked for, where a page has a thousand entries.
        let at = || layout::referrer(repository, subject, &digest);
        let bytes = match beginning.len() {
            SMALL_ENTRY => match self.storage.read(&at(), ENTRY_LIMIT).await? {
                Some(whole) => Some(whole),
                None => self.unwritten_entry(repository, subject, &digest).await?,
            },
            _ => Some(beginning),
        };
        let Some(bytes) = bytes else { return Ok(None) };
        match serde_json::from_slice::<Descriptor>(&bytes) {
            Ok(descriptor) if descriptor.digest == digest => Ok(Some((descriptor, bytes.len()))),
            _ => {
                warn!(
                    entry = %at(),
                    "referrer entry is torn and left out; delete the folder roadstead/referrers to rebuild"
                );
                Ok(None)
            }
        }
    }

    /// Reads the manifests that nobody has examined yet, and adds those that have a subject.
    async fn examine(&self, repository: &RepositoryName) -> Result<(), Error> {
        let present = self.revisions.list(repository).await?;
        let at = layout::examined(repository);
        let known = self.storage.read(&at, EXAMINED_LIMIT).await?;
        let known = known.map(|bytes| parse_examined(&bytes)).unwrap_or_default();
        let unknown: Vec<Digest> = present.difference(&known).copied().collect();
        if unknown.is_empty() && known.len() == present.len() {
            return Ok(());
        }
        // Owned, as above.
        let examinations = unknown
            .into_iter()
            .map(|digest| async move { self.examine_manifest(repository, &digest).await });
        let all_written = stream::iter(examinations)
            .buffer_unordered(AT_ONCE)
            .try_fold(true, async |all, one| Ok(all && one))
            .await?;
        if !all_written {
            warn!(%repository, "not all referrers could be indexed on the store; those are known until this process ends");
            return Ok(());
        }
        let text: String = present.iter().map(|digest| format!("{digest}\n")).collect();
        if let Err(error) = self.storage.write(&at, text.into()).await {
            debug!(%repository, %error, "cannot keep what was examined; the next process examines again");
        }
        Ok(())
    }

    /// Adds it if it has a subject. `false`: the store does not take the entry, which is remembered.
    pub(super) async fn examine_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, Error> {
        let Some((subject, entry)) = self.make_entry(repository, digest).await? else {
            return Ok(true);
        };
        let at = layout::referrer(repository, &subject, digest);
        // Hardly ever, and to read what is not there takes long in a large folder.
        if self.storage.stat(&at).await?.is_some()
            && self.storage.read(&at, entry.len() + 1).await?.as_ref() == Some(&entry)
        {
            return Ok(true);
        }
        let written = self.storage.write(&at, entry).await;
        if let Err(error) = &written {
            debug!(%repository, %error, "cannot index a referrer");
            self.unwritten.remember(&at);
        }
        Ok(written.is_ok())
    }

    async fn unwritten_entry(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        digest: &Digest,
    ) -> Result<Option<Bytes>, Error> {
        if !self.unwritten.has(&layout::referrer(repository, subject, digest)) {
            return Ok(None);
        }
        let made = self.make_entry(repository, digest).await?;
        Ok(made.map(|(_, entry)| entry))
    }

    /// The subject of a manifest of the repository, and the entry that it should have there, if it has a subject.
    async fn make_entry(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<(Digest, Bytes)>, Error> {
        let Some(target) = self.revisions.find(repository, digest).await? else {
            return Ok(None);
        };
        let Some(stored) = self.revisions.load(&target).await? else {
            return Ok(None);
        };
        let Ok(manifest) = Manifest::parse(&stored.bytes, None) else {
            return Ok(None);
        };
        let entry = |subject: &Descriptor| (subject.digest, entry_of(digest, &manifest, stored.bytes.len()));
        Ok(manifest.subject().map(entry))
    }
}

/// What is kept of a referrer: its descriptor.
fn entry_of(digest: &Digest, manifest: &Manifest, size: usize) -> Bytes {
    let mut descriptor = Descriptor::new(manifest.media_type().as_str(), *digest, size as u64);
    descriptor.artifact_type = manifest.artifact_type().map(str::to_owned);
    descriptor.annotations = manifest.annotations().clone();
    serde_json::to_vec(&descriptor)
        .expect("texts and numbers are always JSON")
        .into()
}

/// One digest a line. A line that is torn is a manifest to examine again.
fn parse_examined(bytes: &[u8]) -> BTreeSet<Digest> {
    String::from_utf8_lossy(bytes)
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect()
}
