//! Calls to a runtime. Knows nothing of what the answers mean.

use std::error::Error;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::messages::{
    ImageSpec, PullImageRequest, PullImageResponse, StatusRequest, StatusResponse, VersionRequest,
    VersionResponse,
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

    /// Pulls without credentials; gives what the runtime says.
    pub async fn pull(&self, image: &str) -> Result<(), Status> {
        let request = PullImageRequest {
            image: Some(ImageSpec {
                image: image.to_owned(),
            }),
        };
        let _: PullImageResponse = self
            .call("/runtime.v1.ImageService/PullImage", request, PULL)
            .await?;
        Ok(())
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
            let answer = grpc
                .unary(Request::new(message), PathAndQuery::from_static(path), codec)
                .await;
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

/// Only a connection that broke has a cause; what the runtime itself answers has none. tonic's own text is
/// "transport error", the last cause says what happened.
fn silent(error: &(dyn Error + 'static)) -> Status {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    Status::new(Code::Unavailable, format!("{RUNTIME_SILENT}: {last}"))
}
