//! One function for each thing that can be asked for: it calls one function of `content` and shapes the answer.

mod blobs;
mod lists;
mod manifests;
mod uploads;

pub(super) use self::manifests::ManifestMemory;

use std::future::ready;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use roadstead_oci::{Digest, RepositoryName};

use super::body::{JSON, Pieces, ResponseBody};
use super::caller::Caller;
use super::error::Error;
use super::events::{Events, Outcome};
use super::locations::Locations;
use super::route::{Links, Route};
use crate::auth::access::{Action, Identity};
use crate::auth::{Auth, Decision};
use crate::content::Content;
use crate::metrics::Metrics;
use crate::tls;

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Whatever is named by its digest never changes.
const FOREVER: HeaderValue = HeaderValue::from_static("max-age=31536000");

type Answer = Result<Response<ResponseBody>, Error>;

pub(super) struct Handlers {
    pub(super) content: Content,
    /// Of the pages of lists: relative, as registry:2's.
    pub(super) pages: Links,
    pub(super) prefix: String,
    pub(super) locations: Locations,
    pub(super) certificates: Option<Arc<tls::Live>>,
    pub(super) auth: Arc<Auth>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) memory: ManifestMemory,
    pub(super) catalog_page: usize,
}

/// The rest of a request, when its route is known and its caller was let through.
pub(super) struct RequestContext<'a> {
    /// Only the headers of the answer are wanted.
    pub(super) head: bool,
    pub(super) headers: &'a HeaderMap,
    /// Without its body, and who sent it.
    pub(super) request: (&'a Parts, &'a Caller),
    pub(super) identity: Identity,
    /// Absent: nobody is told.
    pub(super) events: Option<Events>,
    pub(super) body: Pieces,
}

impl Handlers {
    /// Boxed, for every connection has room for the largest of its futures, also when it is idle.
    pub(super) fn handle<'a>(&'a self, route: Route, context: RequestContext<'a>) -> BoxFuture<'a, Answer> {
        match route {
            Route::Root => ready(Ok(root())).boxed(),
            Route::Options { allowed, .. } => ready(Ok(options(allowed))).boxed(),
            Route::Base => ready(Ok(json(b"{}".to_vec()))).boxed(),
            Route::Catalog(paging) => async move { self.catalog(paging, &context).await }.boxed(),
            Route::Tags { repository, paging } => self.tags(repository, paging).boxed(),
            Route::Referrers {
                repository,
                subject,
                artifact_type,
                paging,
            } => async move {
                self.referrers(&repository, subject, artifact_type.as_deref(), paging)
                    .await
            }
            .boxed(),
            Route::ReadBlob { repository, digest } => {
                async move { self.read_blob(&repository, &digest, &context).await }.boxed()
            }
            Route::DeleteBlob { repository, digest } => {
                async move { self.delete_blob(&repository, &digest, &context).await }.boxed()
            }
            Route::ReadManifest {
                repository,
                reference,
            } => async move { self.read_manifest(&repository, &reference, &context).await }.boxed(),
            Route::PutManifest {
                repository,
                reference,
                tags,
            } => async move { self.put_manifest(&repository, &reference, &tags, context).await }.boxed(),
            Route::DeleteManifest {
                repository,
                reference,
            } => async move { self.delete_manifest(&repository, &reference, &context).await }.boxed(),
            Route::StartUpload { repository, start } => {
                async move { self.start_upload(&repository, start, context).await }.boxed()
            }
            Route::AppendUpload { repository, id } => {
                async move { self.append_upload(&repository, &id, context).await }.boxed()
            }
            Route::FinishUpload {
                repository,
                id,
                digest,
            } => async move { self.finish_upload(&repository, &id, &digest, context).await }.boxed(),
            Route::UploadStatus { repository, id } => {
                async move { self.upload_status(&repository, &id, &context).await }.boxed()
            }
            Route::CancelUpload { repository, id } => {
                async move { self.cancel_upload(&repository, &id).await }.boxed()
            }
        }
    }

    /// The addresses that this answer names.
    fn links(&self, context: &RequestContext<'_>) -> Links {
        let (parts, caller) = context.request;
        let origin = self.locations.origin(parts, caller, self.certificates.as_deref());
        Links::new(origin.as_deref(), &self.prefix)
    }

    fn may(&self, context: &RequestContext<'_>, repository: &RepositoryName, action: Action) -> bool {
        self.auth.authorize(&context.identity, repository, action) == Decision::Allowed
    }
}

/// After something was done, and before the client hears of it.
async fn tell(events: Option<&Events>, repository: &RepositoryName, outcome: Outcome<'_>) {
    if let Some(events) = events {
        events.record(repository, &outcome).await;
    }
}

/// What registry:2 answers at its root; people look there first.
fn root() -> Response<ResponseBody> {
    let mut response = empty(StatusCode::OK);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// What a browser asks before a script of another origin may do something. The configured headers say whether.
fn options(allowed: &'static str) -> Response<ResponseBody> {
    let mut response = empty(StatusCode::OK);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn empty(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    response
}

fn json(body: Vec<u8>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(body));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// 201: it is there, under this digest.
fn created(location: &str, digest: &Digest) -> Response<ResponseBody> {
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(LOCATION, plain(location));
    headers.insert(DIGEST, plain(digest.to_string()));
    response
}

/// Header values are made of parsed names, digests and ids, which are plain ASCII.
fn plain(text: impl Into<String>) -> HeaderValue {
    HeaderValue::try_from(text.into()).expect("it is made of parsed names, which are plain ASCII")
}

/// The version of what is named by a digest is the digest.
fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}
