//! The Registry that a round is about.

use super::bounded::{self, Found};
use super::error::Error;
use crate::context::Context;
use kube::Resource as _;
use roadstead_api::registry::Registry;

/// The Registry, and not from the cache: a status compared with a stale one is written twice.
pub(super) async fn read(context: &Context, namespace: &str, name: &str) -> Result<Option<Registry>, Error> {
    let url = Registry::url_path(&(), Some(namespace));
    match bounded::get(&context.client, &url, name, bounded::OF_PEOPLE).await {
        Ok(Found::Nothing) => Ok(None),
        Ok(Found::Object(registry)) => Ok(Some(registry)),
        Ok(Found::TooLarge) => Err(Error::TooLarge),
        Err(kube::Error::SerdeError(error)) => Err(Error::Unreadable(error.to_string())),
        Err(error) => Err(error.into()),
    }
}
