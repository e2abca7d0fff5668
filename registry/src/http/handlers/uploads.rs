//! Uploads: started, continued, finished, asked after, given up.

use http::header::{LOCATION, RANGE};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use roadstead_oci::{Algorithm, Digest, RepositoryName};

use super::{Answer, Handlers, RequestContext, created, empty, plain, tell};
use crate::auth::access::Action;
use crate::content::{self, Blob, UploadId};
use crate::http::body::ResponseBody;
use crate::http::error::Error;
use crate::http::events::Outcome;
use crate::http::range;
use crate::http::route::{Links, Start};
use crate::metrics::Upload;

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

impl Handlers {
    pub(super) async fn start_upload(
        &self,
        repository: &RepositoryName,
        start: Start,
        context: RequestContext<'_>,
    ) -> Answer {
        let links = self.links(&context);
        match start {
            Start::Session(algorithm) => self.open_session(repository, algorithm, &links).await,
            Start::Whole(digest) => {
                let blob = self
                    .content
                    .uploads
                    .push(repository, &digest, context.body)
                    .await?;
                tell(context.events.as_ref(), repository, Outcome::BlobPushed(blob)).await;
                Ok(created(&links.blob(repository, &digest), &digest))
            }
            Start::Mount { digest, from } => {
                let from = from.as_ref();
                if let Some(blob) = self.mount(repository, &digest, from, &context).await? {
                    let mounted = Outcome::BlobMounted { blob, from };
                    tell(context.events.as_ref(), repository, mounted).await;
                    return Ok(created(&links.blob(repository, &digest), &digest));
                }
                // The client goes on as if it had not asked.
                self.open_session(repository, Some(digest.algorithm()), &links)
                    .await
            }
        }
    }

    /// A mount must not hand the caller bytes that they could not read otherwise.
    async fn mount(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
        context: &RequestContext<'_>,
    ) -> Result<Option<Blob>, content::Error> {
        match from {
            Some(from) if self.may(context, from, Action::Pull) => {
                self.content.blobs.mount(repository, digest, from).await
            }
            Some(_) => Ok(None),
            None => {
                let may_pull = |from: &RepositoryName| self.may(context, from, Action::Pull);
                self.content
                    .blobs
                    .mount_from_any(repository, digest, may_pull)
                    .await
            }
        }
    }

    async fn open_session(
        &self,
        repository: &RepositoryName,
        algorithm: Option<Algorithm>,
        links: &Links,
    ) -> Answer {
        let id = self.content.uploads.start(repository, algorithm).await?;
        self.metrics.upload(Upload::Started);
        Ok(progress(
            StatusCode::ACCEPTED,
            links.upload(repository, &id),
            &id,
            0,
        ))
    }

    pub(super) async fn append_upload(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        context: RequestContext<'_>,
    ) -> Answer {
        let at = range::sent_at(context.headers)?;
        let location = self.links(&context).upload(repository, id);
        match self
            .content
            .uploads
            .append(repository, id, at, context.body)
            .await
        {
            Ok(size) => Ok(progress(StatusCode::ACCEPTED, location, id, size)),
            Err(error) => Err(explain(error, location, id)),
        }
    }

    pub(super) async fn finish_upload(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        digest: &Digest,
        context: RequestContext<'_>,
    ) -> Answer {
        let at = range::sent_at(context.headers)?;
        let links = self.links(&context);
        let finished = self
            .content
            .uploads
            .finish(repository, id, digest, at, context.body)
            .await;
        let blob = finished.map_err(|error| explain(error, links.upload(repository, id), id))?;
        tell(context.events.as_ref(), repository, Outcome::BlobPushed(blob)).await;
        self.metrics.upload(Upload::Finished);
        Ok(created(&links.blob(repository, digest), digest))
    }

    pub(super) async fn upload_status(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        context: &RequestContext<'_>,
    ) -> Answer {
        let size = self.content.uploads.status(repository, id).await?;
        let location = self.links(context).upload(repository, id);
        Ok(progress(StatusCode::NO_CONTENT, location, id, size))
    }

    pub(super) async fn cancel_upload(&self, repository: &RepositoryName, id: &UploadId) -> Answer {
        self.content.uploads.cancel(repository, id).await?;
        self.metrics.upload(Upload::Cancelled);
        let mut response = empty(StatusCode::NO_CONTENT);
        response.headers_mut().insert(UPLOAD_ID, plain(id.to_string()));
        Ok(response)
    }
}

fn progress(status: StatusCode, location: String, id: &UploadId, size: u64) -> Response<ResponseBody> {
    let mut response = empty(status);
    *response.headers_mut() = whereabouts(location, id, size);
    response
}

/// Where an upload stands. Clients take `0-0` for nothing, as registry:2 writes it.
fn whereabouts(location: String, id: &UploadId, size: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(LOCATION, plain(location));
    headers.insert(RANGE, plain(format!("0-{}", size.saturating_sub(1))));
    headers.insert(UPLOAD_ID, plain(id.to_string()));
    headers
}

/// A client that sent the wrong part is told where to go on.
fn explain(error: content::Error, location: String, id: &UploadId) -> Error {
    match error {
        content::Error::RangeInvalid { received } => Error::OutOfOrder {
            received,
            headers: Box::new(whereabouts(location, id, received)),
        },
        error => error.into(),
    }
}
