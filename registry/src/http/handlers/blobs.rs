//! Blobs: read in whole or in part, deleted.

use std::ops::Range;

use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use http::{HeaderValue, Response, StatusCode};
use roadstead_oci::{Digest, RepositoryName};

use super::{Answer, DIGEST, FOREVER, Handlers, RequestContext, empty, etag, plain, tell};
use crate::auth::access::Action;
use crate::content::{Blob, BlobReading, Wanted};
use crate::http::body::ResponseBody;
use crate::http::error::Error;
use crate::http::events::Outcome;
use crate::http::range;

impl Handlers {
    pub(super) async fn read_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        context: &RequestContext<'_>,
    ) -> Answer {
        let etag = etag(digest);
        let is_known = range::is_known(context.headers, &etag);
        let wanted = range::requested(context.headers, &etag);
        // A pusher who hears "it is there" will not send it: it must stay there until the manifest comes.
        let blob = if context.head && self.may(context, repository, Action::Push) {
            let size = self.content.blobs.find_for_push(repository, digest).await?.size;
            Found::without_bytes(size, wanted)
        } else if context.head || is_known {
            Found::without_bytes(self.content.blobs.find(repository, digest).await?.size, wanted)
        } else {
            self.content.blobs.read(repository, digest, wanted).await?.into()
        };
        let pulled = Blob {
            digest: *digest,
            size: blob.size,
        };
        tell(context.events.as_ref(), repository, Outcome::BlobPulled(pulled)).await;
        let mut response = if is_known {
            empty(StatusCode::NOT_MODIFIED)
        } else {
            send(blob, wanted)?
        };
        let headers = response.headers_mut();
        headers.insert(DIGEST, plain(digest.to_string()));
        headers.insert(ETAG, plain(etag));
        headers.insert(CACHE_CONTROL, FOREVER);
        Ok(response)
    }

    pub(super) async fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        context: &RequestContext<'_>,
    ) -> Answer {
        self.content.blobs.delete(repository, digest).await?;
        tell(context.events.as_ref(), repository, Outcome::BlobDeleted(digest)).await;
        Ok(empty(StatusCode::ACCEPTED))
    }
}

struct Found {
    size: u64,
    part: Option<(Range<u64>, ResponseBody)>,
}

impl Found {
    fn without_bytes(size: u64, wanted: Wanted) -> Self {
        let part = wanted.of(size).map(|part| (part, ResponseBody::empty()));
        Found { size, part }
    }
}

impl From<BlobReading> for Found {
    fn from(BlobReading { size, part }: BlobReading) -> Self {
        let part = part.map(|(part, bytes)| {
            let length = part.end - part.start;
            (part, ResponseBody::blob(bytes, length))
        });
        Found { size, part }
    }
}

fn send(Found { size, part }: Found, wanted: Wanted) -> Answer {
    let (part, body) = part.ok_or(Error::Unsatisfiable { size })?;
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, (part.end - part.start).into());
    if wanted != Wanted::All {
        let content_range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        headers.insert(CONTENT_RANGE, plain(content_range));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}
