//! Manifests: read, pushed, deleted, by tag and by digest.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use roadstead_oci::{Digest, Reference, RepositoryName, Tag};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Answer, DIGEST, FOREVER, Handlers, RequestContext, created, empty, etag, plain, tell};
use crate::auth::access::Action;
use crate::content::{self, StoredManifest};
use crate::http::accept;
use crate::http::body::ResponseBody;
use crate::http::error::Error;
use crate::http::events::Outcome;
use crate::http::range;

/// Hardly any manifest is larger. Clients that send larger ones, and slowly, must not keep the others out.
const SMALL: usize = 64 << 10;
/// How long one waits for room.
const WAITING: Duration = Duration::from_secs(60);

/// How many manifests may be pushed at the same time: room for them in memory, in KiB.
pub(in crate::http) struct ManifestMemory {
    /// Each is received as a whole.
    small: Semaphore,
    large: Semaphore,
    /// A parsed one takes many times its size.
    parsed: Semaphore,
}

impl Default for ManifestMemory {
    fn default() -> Self {
        ManifestMemory {
            small: Semaphore::new(8 << 10),
            large: Semaphore::new(24 << 10),
            parsed: Semaphore::new(8 << 10),
        }
    }
}

impl Handlers {
    pub(super) async fn read_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        context: &RequestContext<'_>,
    ) -> Answer {
        let manifest = if context.head && self.may(context, repository, Action::Push) {
            self.content.manifests.get_for_push(repository, reference).await?
        } else {
            self.content.manifests.get(repository, reference).await?
        };
        let manifest = self
            .for_old_clients(repository, reference, manifest, context)
            .await?;
        let etag = etag(&manifest.digest);
        let mut response = if range::is_known(context.headers, &etag) {
            empty(StatusCode::NOT_MODIFIED)
        } else {
            let pulled = Outcome::ManifestPulled {
                reference,
                manifest: &manifest,
            };
            tell(context.events.as_ref(), repository, pulled).await;
            Response::new(ResponseBody::whole(manifest.bytes))
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(manifest.media_type));
        headers.insert(DIGEST, plain(manifest.digest.to_string()));
        headers.insert(ETAG, plain(etag));
        if matches!(reference, Reference::Digest(_)) {
            headers.insert(CACHE_CONTROL, FOREVER);
        }
        Ok(response)
    }

    /// As registry:2, of a tag that names a list, the image for linux/amd64 to a client that takes images and no
    /// lists: pages that show an image know nothing else. Every other client gets what the tag names.
    async fn for_old_clients(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        manifest: StoredManifest,
        context: &RequestContext<'_>,
    ) -> Result<StoredManifest, Error> {
        let is_list = matches!(reference, Reference::Tag(_)) && manifest.media_type == accept::LIST;
        if !is_list || !accept::images_alone(context.headers) {
            return Ok(manifest);
        }
        let Some(child) = self.usual_image(manifest.bytes.clone()).await? else {
            return Ok(manifest);
        };
        match self
            .content
            .manifests
            .get(repository, &Reference::Digest(child))
            .await
        {
            Err(content::Error::ManifestUnknown { .. }) => Ok(manifest),
            image => Ok(image?),
        }
    }

    /// A large list is read off the async threads, and not many at once.
    async fn usual_image(&self, list: Bytes) -> Result<Option<Digest>, Error> {
        if list.len() <= SMALL {
            return Ok(accept::usual_image(&list));
        }
        let _parsed = take(&self.memory.parsed, list.len()).await?;
        let found = tokio::task::spawn_blocking(move || accept::usual_image(&list)).await;
        found.map_err(|_| Error::Panic)
    }

    pub(super) async fn put_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        tags: &[Tag],
        context: RequestContext<'_>,
    ) -> Answer {
        let limit = self.content.max_manifest_bytes();
        let too_large = || content::Error::TooLarge { limit };
        let announced = context
            .headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        // Said before the client has sent it all.
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(too_large().into());
        }
        let content_type = context
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let length = announced.map_or(limit, |length| length.min(limit as u64) as usize);
        let receiving = match length {
            ..=SMALL => &self.memory.small,
            _ => &self.memory.large,
        };
        let _received = take(receiving, length).await?;
        let links = self.links(&context);
        let bytes = context.body.collect(limit).await?.ok_or_else(too_large)?;
        let _parsed = take(&self.memory.parsed, bytes.len()).await?;
        let pushed = self
            .content
            .manifests
            .put(repository, reference, tags, content_type, bytes)
            .await?;
        tell(
            context.events.as_ref(),
            repository,
            Outcome::ManifestPushed(&pushed),
        )
        .await;
        let mut response = created(&links.manifest(repository, &pushed.digest), &pushed.digest);
        let headers = response.headers_mut();
        if let Some(subject) = pushed.manifest.subject() {
            let subject = plain(subject.digest.to_string());
            headers.insert(HeaderName::from_static("oci-subject"), subject);
        }
        for tag in tags {
            headers.append(HeaderName::from_static("oci-tag"), plain(tag.as_str()));
        }
        Ok(response)
    }

    pub(super) async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        context: &RequestContext<'_>,
    ) -> Answer {
        let events = context.events.as_ref();
        match reference {
            Reference::Tag(tag) => {
                self.content.tags.delete(repository, tag).await?;
                tell(events, repository, Outcome::TagDeleted(tag)).await;
            }
            Reference::Digest(digest) => {
                let deleted = self.content.manifests.delete(repository, digest).await?;
                tell(events, repository, Outcome::ManifestDeleted(&deleted)).await;
            }
        }
        Ok(empty(StatusCode::ACCEPTED))
    }
}

/// Waits until there is room for so many bytes.
async fn take(memory: &Semaphore, bytes: usize) -> Result<SemaphorePermit<'_>, Error> {
    let size = u32::try_from(bytes / 1024 + 1).expect("a manifest is smaller than 4 GiB");
    let taken = tokio::time::timeout(WAITING, memory.acquire_many(size)).await;
    Ok(taken.map_err(|_| Error::Crowded)?.expect("nobody closes it"))
}
