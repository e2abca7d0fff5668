//! Calls to a runtime. Knows nothing of what the answers mean.

use std::error::Error;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::messages::{
    AbortRequest, Empty, ImageSpec, ListStatusesRequest, ListStatusesResponse, PullImageRequest,
    PullImageResponse, RemoveImageRequest, StatusRequest, StatusResponse, VersionRequest, VersionResponse,
};
use crate::host::{HostPath, HostRoot};

/// A connection to one runtime's socket, made when it is needed and again when it broke.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub name: String,
    pub version: String,
}

/// Begins the text of every failure that is not the runtime's own answer.
pub const RUNTIME_SILENT: &str = "the runtime does not answer";

const QUESTION: Duration = Duration::from_secs(5);
/// Longer than a registry that is there takes, shorter than containerd waits for one that is not.
const PULL: Duration = Duration::from_secs(12);

impl Client {
    /// A client of the socket at `path` on the host.
    pub fn new(host: Arc<HostRoot>, path: HostPath) -> Self {
        let connect = move |_: Uri| {
            let (host, path) = (host.clone(), path.clone());
            async move {
                // A socket cannot be opened, only connected to by path; this one leads to the inode that was
                // found beneath the host's root.
                let handle = host.handle(&path)?;
                let stream = UnixStream::connect(format!("/proc/self/fd/{}", handle.as_raw_fd())).await?;
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        };
        // The authority is never looked up: the connector dials the socket. gRPC wants one in its headers.
        let endpoint = Endpoint::from_static("http://localhost");
        Self {
            channel: endpoint.connect_with_connector_lazy(tower::service_fn(connect)),
        }
    }

    pub async fn version(&self) -> Result<Version, Status> {
        let request = VersionRequest {
            version: "v1".to_owned(),
        };
        let response: VersionResponse = self
            .call("/runtime.v1.RuntimeService/Version", request, QUESTION)
            .await?;
        Ok(Version {
            name: response.runtime_name,
            version: response.runtime_version,
        })
    }

    /// The runtime's own configuration as it tells it, JSON in whatever shape this version has.
    pub async fn configuration(&self) -> Result<Option<String>, Status> {
        let request = StatusRequest { verbose: true };
        let mut response: StatusResponse = self
            .call("/runtime.v1.RuntimeService/Status", request, QUESTION)
            .await?;
        Ok(response.info.remove("config"))
    }

    /// Pulls without credentials; gives the name of the image, or what the runtime says.
    pub async fn pull(&self, image: &str) -> Result<String, Status> {
        let request = PullImageRequest { image: named(image) };
        let response: PullImageResponse = self
            .call("/runtime.v1.ImageService/PullImage", request, PULL)
            .await?;
        Ok(response.image_ref)
    }

    pub async fn remove_image(&self, image: &str) -> Result<(), Status> {
        let request = RemoveImageRequest { image: named(image) };
        let _: Empty = self
            .call("/runtime.v1.ImageService/RemoveImage", request, QUESTION)
            .await?;
        Ok(())
    }

    /// Whether containerd is receiving anything under this digest. A runtime that does not tell is receiving nothing.
    pub async fn is_receiving(&self, digest: &str) -> bool {
        self.ingests(digest)
            .await
            .is_ok_and(|ingests| !ingests.is_empty())
    }

    /// Throws away what containerd has received under this digest; it would keep it for a day, to go on with it.
    pub async fn discard(&self, digest: &str) {
        for reference in self.ingests(digest).await.unwrap_or_default() {
            let request = AbortRequest { reference };
            let path = "/containerd.services.content.v1.Content/Abort";
            if let Err(status) = self.call::<_, Empty>(path, request, QUESTION).await {
                tracing::warn!(
                    "what was received for a canary is still there: {}",
                    status.message()
                );
            }
        }
    }

    /// The names under which containerd receives something of this digest: they say what the server calls it.
    async fn ingests(&self, digest: &str) -> Result<Vec<String>, Status> {
        let path = "/containerd.services.content.v1.Content/ListStatuses";
        let all: ListStatusesResponse = self.call(path, ListStatusesRequest {}, QUESTION).await?;
        let references = all.statuses.into_iter().map(|status| status.reference);
        Ok(references
            .filter(|reference| reference.ends_with(digest))
            .collect())
    }

    async fn call<Q, A>(&self, path: &'static str, message: Q, within: Duration) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let call = async {
            let mut grpc = tonic::client::Grpc::new(self.channel.clone());
            grpc.ready().await.map_err(|error| silent(&error))?;
            let codec: ProstCodec<Q, A> = ProstCodec::default();
            let mut request = Request::new(message);
            // The CRI's images live there; the CRI itself takes no notice.
            let namespace = AsciiMetadataValue::from_static("k8s.io");
            request.metadata_mut().insert("containerd-namespace", namespace);
            let answer = grpc.unary(request, PathAndQuery::from_static(path), codec).await;
            answer.map_err(|status| {
                if status.source().is_some() {
                    silent(&status)
                } else {
                    status
                }
            })
        };
        match tokio::time::timeout(within, call).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => Err(Status::deadline_exceeded(format!(
                "no answer within {} s",
                within.as_secs()
            ))),
        }
    }
}

fn named(image: &str) -> Option<ImageSpec> {
    Some(ImageSpec {
        image: image.to_owned(),
    })
}

/// Only a connection that broke has a cause; what the runtime itself answers has none. tonic's own text is
/// "transport error", the last cause says what happened.
fn silent(error: &(dyn Error + 'static)) -> Status {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    Status::new(Code::Unavailable, format!("{RUNTIME_SILENT}: {last}"))
}
