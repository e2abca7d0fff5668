//! Blobs: read in whole or in part, deleted.

use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use http::{HeaderValue, Response, StatusCode};
use roadstead_oci::{Digest, RepositoryName};

use super::{Answer, Asked, DIGEST, FOREVER, Handlers, empty, etag, plain};
use crate::auth::access::Action;
use crate::content::Blob;
use crate::http::body::ResponseBody;
use crate::http::error::Error;
use crate::http::range::{self, Part};

impl Handlers {
    pub(super) async fn read_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        asked: &Asked<'_>,
    ) -> Answer {
        // A pusher who hears "it is there" will not send it: it must stay there until the manifest comes.
        let blob = if asked.head && self.may(asked, repository, Action::Push) {
            self.content.blob_for_push(repository, digest).await?
        } else {
            self.content.blob(repository, digest).await?
        };
        if let Some(news) = &asked.news {
            news.pulled_blob(repository, digest, blob.size());
        }
        let etag = etag(digest);
        let mut response = if range::is_known(asked.headers, &etag) {
            empty(StatusCode::NOT_MODIFIED)
        } else {
            send(blob, asked, &etag)?
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
        asked: &Asked<'_>,
    ) -> Answer {
        self.content.delete_blob(repository, digest).await?;
        if let Some(news) = &asked.news {
            news.deleted_blob(repository, digest).await;
        }
        Ok(empty(StatusCode::ACCEPTED))
    }
}

fn send(blob: Blob, asked: &Asked<'_>, etag: &str) -> Answer {
    let size = blob.size();
    let (status, part) = match range::requested(asked.headers, size, etag) {
        Part::Unsatisfiable => return Err(Error::Unsatisfiable { size }),
        Part::Whole => (StatusCode::OK, 0..size),
        Part::Range(part) => (StatusCode::PARTIAL_CONTENT, part),
    };
    let length = part.end - part.start;
    let content_range = format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1));
    let body = if asked.head {
        ResponseBody::empty()
    } else {
        ResponseBody::blob(blob.read(part), length)
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, length.into());
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(CONTENT_RANGE, plain(content_range));
    }
    Ok(response)
}
