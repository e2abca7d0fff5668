//! What is told of each request: one log line and some numbers, when its answer has gone out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::header::{REFERER, USER_AGENT};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri, Version};

use jiff::Timestamp;

use super::caller::Client;
use super::request_id::RequestId;
use crate::log::combined;
use crate::metrics::{Answered, Handler, Metrics};

/// Where whole lines of an access log go.
#[derive(Clone)]
pub struct AccessLines(Arc<dyn Fn(String) + Send + Sync>);

impl AccessLines {
    pub fn new(write: impl Fn(String) + Send + Sync + 'static) -> Self {
        AccessLines(Arc::new(write))
    }
}

impl std::fmt::Debug for AccessLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessLines").finish_non_exhaustive()
    }
}

/// What a line in Apache's format has beside the rest.
struct Combined {
    lines: AccessLines,
    began: Timestamp,
    version: Version,
    referer: Option<HeaderValue>,
}

/// Follows one request to its end, and tells of it when it is dropped.
pub(super) struct Observation {
    metrics: Arc<Metrics>,
    started: Instant,
    id: RequestId,
    method: Method,
    uri: Uri,
    user_agent: Option<HeaderValue>,
    client: Client,
    /// Who the client is said to be.
    told: Option<String>,
    user: Option<String>,
    handler: Handler,
    status: StatusCode,
    /// The size of the request's head.
    head: u64,
    received: Received,
    sent: u64,
    log: bool,
    combined: Option<Combined>,
}

/// Counts what a request brought.
#[derive(Clone, Default)]
pub(super) struct Received(Arc<AtomicU64>);

impl Received {
    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Observation {
    pub(super) fn begin(
        metrics: &Arc<Metrics>,
        parts: &Parts,
        client: Client,
        id: RequestId,
        log: bool,
    ) -> Self {
        Observation {
            metrics: Arc::clone(metrics),
            started: Instant::now(),
            id,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            user_agent: parts.headers.get(USER_AGENT).cloned(),
            client,
            told: log.then(|| client.told(&parts.headers)).flatten(),
            user: None,
            handler: Handler::None,
            // Stands if the client goes away before there is an answer.
            status: StatusCode::from_u16(499).expect("a number of three digits"),
            head: if metrics.shows_sizes() {
                head_size(parts)
            } else {
                0
            },
            received: Received::default(),
            sent: 0,
            log,
            combined: None,
        }
    }

    /// Has a line in Apache's combined format written, too.
    pub(super) fn combined(&mut self, lines: &AccessLines, parts: &Parts) {
        self.combined = Some(Combined {
            lines: lines.clone(),
            began: Timestamp::now(),
            version: parts.version,
            referer: parts.headers.get(REFERER).cloned(),
        });
    }

    pub(super) fn client(&self) -> Client {
        self.client
    }

    pub(super) fn routed(&mut self, handler: Handler) {
        self.handler = handler;
        self.metrics.begun(handler);
    }

    pub(super) fn user(&mut self, user: &str) {
        self.user = Some(user.to_owned());
    }

    pub(super) fn received(&self) -> Received {
        self.received.clone()
    }

    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = status;
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    fn write_combined(&self, combined: &Combined) {
        fn bytes(value: Option<&HeaderValue>) -> &[u8] {
            value.map_or(&[], HeaderValue::as_bytes)
        }
        let host = self
            .client
            .counts()
            .map_or_else(|| "@".to_owned(), |host| host.to_string());
        let line = combined::Request {
            host: &host,
            began: combined.began,
            method: self.method.as_str(),
            target: self.uri.path_and_query().map_or("", |target| target.as_str()),
            protocol: match combined.version {
                Version::HTTP_2 => "HTTP/2.0",
                Version::HTTP_10 => "HTTP/1.0",
                _ => "HTTP/1.1",
            },
            status: self.status.as_u16(),
            written: self.sent,
            referer: bytes(combined.referer.as_ref()),
            user_agent: bytes(self.user_agent.as_ref()),
        };
        (combined.lines.0)(line.line());
    }

    fn write_line(&self, received: u64, seconds: f64) {
        let uri = self.uri.path_and_query().map_or("", |path| path.as_str());
        let user_agent = self
            .user_agent
            .as_ref()
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        let socket = self.client.socket().map(|socket| socket.to_string());
        let (remote, peer) = match &self.told {
            Some(client) => (Some(client.as_str()), socket.as_deref()),
            None => (socket.as_deref(), None),
        };
        // The names that registry:2 gives them.
        tracing::info!(
            http.request.id = self.id.as_str(),
            http.request.method = self.method.as_str(),
            http.request.uri = uri,
            http.request.remoteaddr = remote,
            http.request.peeraddr = peer,
            http.request.useragent = user_agent.as_deref(),
            http.request.received = received,
            http.response.status = self.status.as_u16(),
            http.response.written = self.sent,
            http.response.duration = seconds,
            auth.user.name = self.user,
            "response completed"
        );
    }
}

fn head_size(parts: &Parts) -> u64 {
    let headers = parts.headers.iter();
    let headers: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let line = parts.method.as_str().len() + parts.uri.path().len() + parts.uri.query().map_or(0, str::len);
    (line + headers) as u64
}

impl Drop for Observation {
    fn drop(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        let received = self.received.0.load(Ordering::Relaxed);
        self.metrics.answered(&Answered {
            handler: self.handler,
            method: &self.method,
            status: self.status,
            seconds,
            request_size: self.head + received,
            received,
            sent: self.sent,
        });
        if self.log {
            self.write_line(received, seconds);
        }
        if let Some(combined) = &self.combined {
            self.write_combined(combined);
        }
    }
}
