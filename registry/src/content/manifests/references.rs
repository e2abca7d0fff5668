//! What a manifest refers to must be in its repository.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use roadstead_oci::{Descriptor, Digest, Manifest, RepositoryName};

use crate::content::durable::Durable;
use crate::content::error::Error;
use crate::content::options::{MissingReferences, Options};
use crate::content::verify::Verify;
use crate::content::{layout, link};
use crate::storage::Storage;

/// References that are looked up at the same time.
const AT_ONCE: usize = 16;

enum Kind {
    Blob,
    Manifest,
}

#[derive(Debug)]
pub(in crate::content) struct References {
    pub(in crate::content) storage: Arc<dyn Storage>,
    pub(in crate::content) options: Options,
    pub(in crate::content) durable: Arc<Durable>,
    pub(in crate::content) verify: Arc<Verify>,
}

impl References {
    /// Config and layers must be blobs of the repository, children of an index its manifests, each of the size that
    /// the descriptor says. The subject may be missing: a referrer may come first. Where all may be missing, this only
    /// makes sure that what is there stays.
    pub(in crate::content) async fn check(
        &self,
        repository: &RepositoryName,
        manifest: &Manifest,
    ) -> Result<(), Error> {
        let may_be_missing = self.options.missing_references == MissingReferences::Allow;
        let blobs = manifest
            .blobs()
            .filter(|blob| !blob.is_foreign())
            .map(|blob| (Kind::Blob, blob));
        let children = manifest.manifests().iter().map(|child| (Kind::Manifest, child));
        let references: Vec<(Kind, Descriptor)> = blobs
            .chain(children)
            .map(|(kind, descriptor)| (kind, descriptor.clone()))
            .collect();
        let looks = references.into_iter().map(|(kind, descriptor)| async move {
            match self.has(repository, &kind, &descriptor).await {
                Ok(is_here) => Ok::<_, Error>((!is_here).then_some(descriptor.digest)),
                Err(Error::SizeMismatch { digest, .. }) if may_be_missing => Ok(Some(digest)),
                Err(error) => Err(error),
            }
        });
        let missing: Vec<Option<Digest>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        let missing: Vec<Digest> = missing.into_iter().flatten().collect();
        if missing.is_empty() || may_be_missing {
            return Ok(());
        }
        Err(Error::ManifestBlobUnknown {
            repository: repository.clone(),
            missing,
        })
    }

    async fn has(
        &self,
        repository: &RepositoryName,
        kind: &Kind,
        descriptor: &Descriptor,
    ) -> Result<bool, Error> {
        let layer = layout::layer_link(repository, &descriptor.digest);
        let links = match kind {
            Kind::Blob => vec![layer],
            // As in registry:2 a layer will do: BuildKit's cache is an index whose children are layers.
            Kind::Manifest => vec![layout::revision_link(repository, &descriptor.digest), layer],
        };
        for at in links {
            let Some(target) = link::read(&*self.storage, &at).await? else {
                continue;
            };
            let data = layout::blob_data(&target);
            let Some(found) = self.storage.stat(&data).await? else {
                continue;
            };
            if self.verify.is_damaged(&target, found.size).await? {
                continue;
            }
            if found.size != descriptor.size {
                if self.verify.examine(&target, found).await? {
                    continue;
                }
                return Err(Error::SizeMismatch {
                    digest: descriptor.digest,
                    announced: descriptor.size,
                    actual: found.size,
                });
            }
            // The manifest will be acknowledged because this was found: it must not vanish with the power.
            let Some(link) = self.storage.stat(&at).await? else {
                continue;
            };
            if self.durable.ensure(&at, link).await? && self.durable.ensure(&data, found).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
