//! A containerd, as far as the agent can tell: it reads its certs.d folder anew for every pull. Its registry may lie.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixListener;
use tokio::task::AbortHandle;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::cri::messages::{
    AbortRequest, Empty, IngestStatus, ListStatusesRequest, ListStatusesResponse, PullImageRequest,
    PullImageResponse, RemoveImageRequest, StatusRequest, StatusResponse, VersionRequest, VersionResponse,
};

/// What a registry does when it is asked for an image.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Refusal,
    /// An image for whatever is asked.
    Image,
    /// The beginning of content without an end.
    Flood,
}

pub(crate) struct Containerd {
    shared: Arc<Shared>,
    socket: PathBuf,
    serving: AbortHandle,
}

struct Shared {
    root: PathBuf,
    /// What its registry's certificate is signed by.
    authority: Mutex<String>,
    registry_is_up: AtomicBool,
    answer: Mutex<Answer>,
    pulls: AtomicUsize,
    /// What is kept: images that were pulled, and content that was begun.
    images: Mutex<Vec<String>>,
    ingests: Mutex<Vec<String>>,
}

impl Containerd {
    /// Starts one on the node whose root is `root`.
    pub(crate) fn start(root: &Path, authority: &str) -> Self {
        let folder = root.join("run/containerd");
        std::fs::create_dir_all(&folder).expect("a folder");
        let socket = folder.join("containerd.sock");
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            authority: Mutex::new(authority.to_owned()),
            registry_is_up: AtomicBool::new(true),
            answer: Mutex::new(Answer::Refusal),
            pulls: AtomicUsize::new(0),
            images: Mutex::default(),
            ingests: Mutex::default(),
        });
        let serving = serve(&socket, shared.clone());
        Self {
            shared,
            socket,
            serving,
        }
    }

    pub(crate) fn restart(&mut self) {
        self.serving.abort();
        std::fs::remove_file(&self.socket).expect("a socket");
        self.serving = serve(&self.socket, self.shared.clone());
    }

    pub(crate) fn registry(&self, is_up: bool) {
        self.shared.registry_is_up.store(is_up, Ordering::SeqCst);
    }

    pub(crate) fn answers(&self, answer: Answer) {
        *self.shared.answer.lock().expect("a lock") = answer;
    }

    /// Everything that a registry has brought onto the node.
    pub(crate) fn kept(&self) -> Vec<String> {
        let mut kept = self.shared.images.lock().expect("a lock").clone();
        kept.extend(self.shared.ingests.lock().expect("a lock").iter().cloned());
        kept
    }

    pub(crate) fn pulls(&self) -> usize {
        self.shared.pulls.load(Ordering::SeqCst)
    }
}

fn serve(socket: &Path, shared: Arc<Shared>) -> AbortHandle {
    let listener = UnixListener::bind(socket).expect("a socket");
    let serve = async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let shared = shared.clone();
            let service = service_fn(move |request| answer(shared.clone(), request));
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            connections.spawn(connection);
        }
    };
    tokio::spawn(serve).abort_handle()
}

async fn answer(
    shared: Arc<Shared>,
    request: http::Request<Incoming>,
) -> Result<http::Response<tonic::body::Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let request = request.map(tonic::body::Body::new);
    Ok(match path.as_str() {
        "/runtime.v1.RuntimeService/Version" => {
            let service = tower::service_fn(async |_: Request<VersionRequest>| {
                let (name, version) = ("containerd".to_owned(), "1.6.20".to_owned());
                Ok::<_, Status>(Response::new(VersionResponse {
                    runtime_name: name,
                    runtime_version: version,
                }))
            });
            tonic::server::Grpc::new(ProstCodec::default())
                .unary(service, request)
                .await
        }
        "/runtime.v1.RuntimeService/Status" => {
            let service = tower::service_fn(async |_: Request<StatusRequest>| {
                let config = r#"{"registry":{"configPath":"/etc/containerd/certs.d"}}"#;
                let info = [("config".to_owned(), config.to_owned())].into();
                Ok::<_, Status>(Response::new(StatusResponse { info }))
            });
            tonic::server::Grpc::new(ProstCodec::default())
                .unary(service, request)
                .await
        }
        "/runtime.v1.ImageService/PullImage" => {
            let service = tower::service_fn(move |request: Request<PullImageRequest>| {
                let image = request.into_inner().image.unwrap_or_default().image;
                let shared = shared.clone();
                async move { shared.pulled(image).await }
            });
            tonic::server::Grpc::new(ProstCodec::default())
                .unary(service, request)
                .await
        }
        "/runtime.v1.ImageService/RemoveImage" => {
            let service = tower::service_fn(move |request: Request<RemoveImageRequest>| {
                let image = request.into_inner().image.unwrap_or_default().image;
                shared
                    .images
                    .lock()
                    .expect("a lock")
                    .retain(|kept| *kept != image);
                async { Ok::<_, Status>(Response::new(Empty {})) }
            });
            tonic::server::Grpc::new(ProstCodec::default())
                .unary(service, request)
                .await
        }
        "/containerd.services.content.v1.Content/ListStatuses" => {
            let service = tower::service_fn(move |_: Request<ListStatusesRequest>| {
                let ingests = shared.ingests.lock().expect("a lock").clone();
                let statuses = ingests
                    .into_iter()
                    .map(|reference| IngestStatus { reference })
                    .collect();
                async { Ok::<_, Status>(Response::new(ListStatusesResponse { statuses })) }
            });
            tonic::server::Grpc::new(ProstCodec::default())
                .unary(service, request)
                .await
        }
        "/containerd.services.content.v1.Content/Abort" => {
            let service = tower::service_fn(move |request: Request<AbortRequest>| {
                let reference = request.into_inner().reference;
                shared
                    .ingests
                    .lock()
                    .expect("a lock")
                    .retain(|kept| *kept != reference);
                async { Ok::<_, Status>(Response::new(Empty {})) }
            });
            tonic::server::Grpc::new(ProstCodec::default())
                .unary(service, request)
                .await
        }
        other => panic!("the agent has no business at {other}"),
    })
}

impl Shared {
    async fn pulled(&self, image: String) -> Result<Response<PullImageResponse>, Status> {
        let answer = *self.answer.lock().expect("a lock");
        let digest = image.split_once('@').map(|(_, digest)| digest.to_owned());
        match (answer, digest) {
            (Answer::Refusal, _) => Err(Status::unknown(self.pull(&image))),
            (Answer::Flood, Some(digest)) => {
                self.ingests
                    .lock()
                    .expect("a lock")
                    .push(format!("manifest-{digest}"));
                std::future::pending().await
            }
            // Of a tag, containerd believes whatever it gets.
            (Answer::Image | Answer::Flood, _) => {
                self.pulls.fetch_add(1, Ordering::SeqCst);
                self.images.lock().expect("a lock").push(image.clone());
                Ok(Response::new(PullImageResponse { image_ref: image }))
            }
        }
    }

    fn pull(&self, image: &str) -> String {
        self.pulls.fetch_add(1, Ordering::SeqCst);
        let host = image.split('/').next().unwrap_or_default();
        let folder = self.root.join("etc/containerd/certs.d").join(host);
        let name = host.split(':').next().unwrap_or_default();
        let what = match std::fs::read_to_string(folder.join("hosts.toml")) {
            Err(_) => format!("dial tcp: lookup {name} on 10.0.0.2:53: no such host"),
            Ok(_) if !self.registry_is_up.load(Ordering::SeqCst) => {
                "dial tcp 10.96.0.1:5000: connect: connection refused".to_owned()
            }
            Ok(_) => {
                let authority = self.authority.lock().expect("a lock").clone();
                match std::fs::read_to_string(folder.join("ca.crt")) {
                    Ok(ca) if ca == authority => "401 Unauthorized".to_owned(),
                    Ok(_) => "x509: certificate signed by unknown authority".to_owned(),
                    Err(_) => "unable to read CA cert".to_owned(),
                }
            }
        };
        format!("failed to resolve reference \"{image}\": {what}")
    }
}
