//! The admin port: is it alive, is it ready, what does it do. Plain HTTP, for whoever can reach it; it tells nothing
//! of what the registry holds.

use std::pin::pin;
use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::connection::{self, Kind};
use super::places::Places;
use super::readiness::Readiness;
use crate::http::body::{RequestBody, ResponseBody};
use crate::metrics::Metrics;

/// What the admin port shows.
pub struct Admin {
    pub metrics: Arc<Metrics>,
    pub readiness: Arc<Readiness>,
    /// Absent: no metrics.
    pub metrics_path: Option<String>,
}

/// What the port is called in metrics.
const PORT: &str = "admin";
/// Probes and scrapers are few: connections in all, and from one address.
const IN_ALL: usize = 256;
const PER_ADDRESS: usize = 64;

/// Serves until `stop` says so. It outlives the API: probes ask until the very end.
pub async fn serve_admin(admin: Admin, listener: TcpListener, stop: watch::Receiver<bool>) {
    let admin = Arc::new(admin);
    let mut places = Places::new(IN_ALL, PER_ADDRESS);
    let mut stopping = pin!(connection::begins(stop.clone()));
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    tokio::time::sleep(super::PAUSE).await;
                    continue;
                }
            },
            () = &mut stopping => return,
        };
        let asked = Arc::clone(&admin);
        let answer = move |request: Request<RequestBody>| {
            let response = asked.answer(
                request.method(),
                request.uri().path(),
                request.headers().get(ACCEPT),
            );
            async move { response }
        };
        let serving = connection::serve(stream, Kind::Http1, answer, connection::begins(stop.clone()));
        let metrics = Arc::clone(&admin.metrics);
        let serving = async move {
            if let Some(expired) = serving.await {
                metrics.cut_off(PORT, expired.reason());
            }
        };
        // If a probe were turned away, the kubelet would end a pod that is well.
        if let Some(excess) = places.take(peer.ip(), serving) {
            admin.metrics.turned_away(PORT, excess.reason());
        }
    }
}

impl Admin {
    pub(super) fn answer(
        &self,
        method: &Method,
        path: &str,
        accept: Option<&HeaderValue>,
    ) -> Response<ResponseBody> {
        if method != Method::GET && method != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        }
        match path {
            "/livez" => text(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => match self.readiness.problem() {
                None => text(StatusCode::OK, self.ready()),
                Some(problem) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")),
            },
            // Where registry:2 has it, and what it says there.
            "/debug/health" => match self.readiness.problem() {
                None => json("{}".to_owned(), StatusCode::OK),
                Some(problem) => json(
                    serde_json::json!({"storagedriver": problem}).to_string(),
                    StatusCode::SERVICE_UNAVAILABLE,
                ),
            },
            path if self.metrics_path.as_deref() == Some(path) => self.metrics(accept),
            _ => text(
                StatusCode::NOT_FOUND,
                "there is /livez, /readyz and the metrics\n".to_owned(),
            ),
        }
    }

    /// What is not as it should be, but is no reason to send pulls elsewhere, has a line of its own.
    fn ready(&self) -> String {
        match self.readiness.refusal() {
            None => "ok\n".to_owned(),
            Some(reason) => format!("ok\nstorage: not writable: {reason}\n"),
        }
    }

    /// As registry:2, in the older format, except to whom asks for OpenMetrics, as Prometheus does.
    fn metrics(&self, accept: Option<&HeaderValue>) -> Response<ResponseBody> {
        let open = "application/openmetrics-text";
        let wanted = accept.and_then(|accept| accept.to_str().ok());
        let (body, kind) = match wanted.is_some_and(|wanted| wanted.contains(open)) {
            true => (
                self.metrics.encode(),
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            ),
            false => (
                self.metrics.encode_plain(),
                "text/plain; version=0.0.4; charset=utf-8",
            ),
        };
        with_type(StatusCode::OK, body, HeaderValue::from_static(kind))
    }
}

fn text(status: StatusCode, body: String) -> Response<ResponseBody> {
    with_type(
        status,
        body,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    )
}

fn json(body: String, status: StatusCode) -> Response<ResponseBody> {
    with_type(status, body, HeaderValue::from_static("application/json"))
}

fn with_type(status: StatusCode, body: String, kind: HeaderValue) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
