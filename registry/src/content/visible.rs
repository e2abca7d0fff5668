//! What registry:2 needs to see a repository.
//!
//! It takes a folder for a repository by its `_layers` alone. Without one the manifests of a repository are not marked by
//! its collection, and go. So whoever has a manifest has something there, if only a link to the manifest itself.

use roadstead_oci::{Algorithm, Digest, RepositoryName};

use super::error::Error;
use super::{layout, link};
use crate::storage::Storage;

/// After a revision was linked that relies on no layer.
pub(super) async fn after_push(
    storage: &dyn Storage,
    repository: &RepositoryName,
    manifest: &Digest,
) -> Result<(), Error> {
    if has_layers(storage, repository).await? {
        return Ok(());
    }
    link::write(storage, &layout::layer_link(repository, manifest), manifest).await
}

/// After a layer was taken away, perhaps the last one. A push writes its revision before it looks at the layers, so
/// one of the two sees what the other did.
pub(super) async fn after_deletion(storage: &dyn Storage, repository: &RepositoryName) -> Result<(), Error> {
    if has_layers(storage, repository).await? {
        return Ok(());
    }
    for algorithm in Algorithm::ALL {
        let folder = layout::revisions_by(repository, algorithm);
        let page = storage.list(&folder, None, 1).await?;
        let name = page.entries.first().map(|entry| &entry.name);
        let Some(Ok(manifest)) = name.map(|name| Digest::from_parts(algorithm, name)) else {
            continue;
        };
        let revision = layout::revision_link(repository, &manifest);
        if let Some(target) = link::read(storage, &revision).await? {
            return link::write(storage, &layout::layer_link(repository, &manifest), &target).await;
        }
    }
    Ok(())
}

async fn has_layers(storage: &dyn Storage, repository: &RepositoryName) -> Result<bool, Error> {
    let page = storage.list(&layout::layers(repository), None, 1).await?;
    Ok(!page.entries.is_empty())
}
