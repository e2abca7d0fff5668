//! A store that is opened again by the content layer in this process: thousands of crash states need no program each.

use std::path::Path;
use std::sync::Arc;

use futures::{TryStreamExt, stream};
use roadstead_oci::{Digest, Reference, RepositoryName};
use roadstead_registry::store::{BodyError, Content, Error, FilesystemStorage, Options, Wanted};
use tokio::runtime::Runtime;

use crate::check::Reader;
use crate::images::digest_of;

pub(crate) struct Reopened<'a> {
    content: Content,
    runtime: &'a Runtime,
}

impl<'a> Reopened<'a> {
    pub(crate) fn open(folder: &Path, runtime: &'a Runtime) -> Result<Self, String> {
        let storage =
            FilesystemStorage::open(folder).map_err(|error| format!("the store does not open: {error}"))?;
        let options = Options {
            delete_enabled: true,
            ..Options::default()
        };
        Ok(Reopened {
            content: Content::new(Arc::new(storage), options),
            runtime,
        })
    }

    /// A push after the accident must work whatever the accident left, and be whole.
    pub(crate) fn push(&self, repository: &str, blobs: &[Vec<u8>], manifest: &[u8]) -> Result<(), String> {
        let name = repository_name(repository);
        let failed = |what: &str, error: Error| format!("pushing {what} after the power cut: {error}");
        for blob in blobs {
            let digest = digest(&digest_of(blob));
            let body = stream::iter([Ok::<_, BodyError>(blob.clone().into())]);
            let push = self.content.uploads.push(&name, &digest, body);
            self.runtime
                .block_on(push)
                .map_err(|error| failed("a blob", error))?;
        }
        let reference: Reference = "pushed-again".parse().map_err(|_| "no tag".to_owned())?;
        let push = self
            .content
            .manifests
            .put(&name, &reference, &[], None, manifest.to_vec().into());
        self.runtime
            .block_on(push)
            .map_err(|error| failed("a manifest", error))?;
        for blob in blobs {
            let found = self.blob(repository, &digest_of(blob))?;
            if found.as_ref() != Some(blob) {
                return Err(format!(
                    "a blob pushed after the power cut is {:?}",
                    found.map(|found| found.len())
                ));
            }
        }
        match self.manifest(repository, "pushed-again")? {
            Some(found) if found == manifest => Ok(()),
            other => Err(format!("a manifest pushed after the power cut is {other:?}")),
        }
    }
}

impl Reader for Reopened<'_> {
    fn manifest(&self, repository: &str, reference: &str) -> Result<Option<Vec<u8>>, String> {
        let (name, reference) = (repository_name(repository), reference.parse().unwrap());
        match self
            .runtime
            .block_on(self.content.manifests.get(&name, &reference))
        {
            Ok(manifest) => Ok(Some(manifest.bytes.to_vec())),
            Err(Error::ManifestUnknown { .. }) => Ok(None),
            Err(error) => Err(format!("manifest {reference} of {repository}: {error}")),
        }
    }

    fn blob(&self, repository: &str, hash: &str) -> Result<Option<Vec<u8>>, String> {
        let whole = async {
            let reading = self
                .content
                .blobs
                .read(&repository_name(repository), &digest(hash), Wanted::All)
                .await?;
            let (_, stream) = reading.part.expect("all of it is always there");
            let bytes: Result<Vec<bytes::Bytes>, _> = stream.try_collect().await;
            Ok(bytes.map(|bytes| bytes.concat()))
        };
        match self.runtime.block_on(whole) {
            Ok(bytes) => bytes.map(Some).map_err(|error| format!("blob {hash}: {error}")),
            Err(Error::BlobUnknown { .. }) => Ok(None),
            Err(error) => Err(format!("blob {hash} of {repository}: {error}")),
        }
    }

    fn referrers(&self, repository: &str, subject: &str) -> Result<Vec<String>, String> {
        let (name, subject) = (repository_name(repository), digest(subject));
        let list = self.content.referrers.list(&name, &subject, None, None, None);
        let page = self.runtime.block_on(list);
        let page = page.map_err(|error| format!("referrers of {subject}: {error}"))?;
        Ok(page.items.iter().map(|one| one.digest.to_string()).collect())
    }
}

fn repository_name(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

fn digest(text: &str) -> Digest {
    text.parse().unwrap()
}
