//! HTTP to one endpoint.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use roadstead_pki::certificate::parse_certificates;
use roadstead_pki::problem::Problem;
use rustls::{ClientConfig, RootCertStore};

use super::event;
use super::settings::EndpointSettings;
use crate::watch::Fingerprint;

/// Why an endpoint cannot be spoken to at all.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot read the CA certificates {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the CA certificates {}: {problem}", path.display())]
    Unusable { path: PathBuf, problem: Problem },
    #[error(
        "this system has no CA certificates, so https cannot be verified; name the endpoint's CA in rootcertbundle"
    )]
    NoRoots,
    #[error("the TLS settings cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why an event was not taken. Never holds the address, which may have a password in it, nor a header.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("{0}")]
    Connection(String),
}

type Inner = HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>;

pub(super) struct Client {
    inner: Inner,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
    bundle: Option<(PathBuf, Fingerprint)>,
}

impl Client {
    pub(super) fn new(endpoint: &EndpointSettings) -> Result<Self, ClientError> {
        let bundle = endpoint.root_cert_bundle.clone();
        let bundle = bundle.map(|path| (path.clone(), of(&path)));
        let https = endpoint.url.scheme_str() == Some("https");
        let roots = match &endpoint.root_cert_bundle {
            _ if !https => RootCertStore::empty(),
            Some(path) => from_file(path)?,
            None => of_the_system()?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Client {
            inner: HyperClient::builder(TokioExecutor::new()).build(connector),
            uri: endpoint.url.clone(),
            headers: headers(endpoint),
            timeout: endpoint.timeout,
            bundle,
        })
    }

    /// Whether the CA file is another one than when this client was made.
    pub(super) fn is_outdated(&self) -> bool {
        let bundle = self.bundle.as_ref();
        bundle.is_some_and(|(path, fingerprint)| of(path) != *fingerprint)
    }

    /// The status of an endpoint that took it. A redirection is not followed.
    pub(super) async fn send(&self, body: Vec<u8>) -> Result<StatusCode, SendError> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(&self.uri);
        request.headers_mut().clone_from(&self.headers);
        let answer = tokio::time::timeout(self.timeout, self.inner.request(request))
            .await
            .map_err(|_| SendError::Timeout(self.timeout))?
            .map_err(|error| SendError::Connection(chain(&error)))?;
        match answer.status() {
            status if is_taken(status) => Ok(status),
            status => Err(SendError::Status(status)),
        }
    }
}

/// As registry:2 has it.
pub(super) fn is_taken(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

fn headers(endpoint: &EndpointSettings) -> HeaderMap {
    let mut headers = endpoint.headers.clone();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(event::MEDIA_TYPE));
    let agent = concat!("roadstead-registry/", env!("CARGO_PKG_VERSION"));
    headers
        .entry(USER_AGENT)
        .or_insert(HeaderValue::from_static(agent));
    if let Some(login) = &endpoint.login {
        headers.entry(AUTHORIZATION).or_insert_with(|| login.clone());
    }
    headers
}

fn of(path: &Path) -> Fingerprint {
    Fingerprint::of(std::iter::once(path))
}

fn from_file(path: &Path) -> Result<RootCertStore, ClientError> {
    let text = std::fs::read(path).map_err(|source| ClientError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let certificates = parse_certificates(&text).map_err(|problem| ClientError::Unusable {
        path: path.to_owned(),
        problem,
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.der().clone())?;
    }
    Ok(roots)
}

fn of_the_system() -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(ClientError::NoRoots);
    }
    Ok(roots)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
