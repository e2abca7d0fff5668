//! One connection: HTTP/1.1 or HTTP/2, from its first request to its gentle end.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use futures::future::Either;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::activity::{Activity, Expired, Limits, Watched};
use super::gathered::Gathering;
use crate::http::body::{RequestBody, ResponseBody};

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Http1,
    Http2,
}

impl Kind {
    pub(super) fn negotiated(protocol: Option<&[u8]>) -> Self {
        if protocol == Some(b"h2") {
            Kind::Http2
        } else {
            Kind::Http1
        }
    }
}

/// HTTP/2 lets a client send this much of one body before it is read: enough for a fast line, little enough for
/// hundreds of uploads.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Layers come in frames of this size at most; those that go out are as large as the client allows. Each is received
/// into memory of its own, which the allocator would take from the kernel for each if it were larger (`cli/allocator.rs`).
/// `registry/PERFORMANCE.md` has the figures.
const FRAME: u32 = 32 * 1024;
/// What waits to be sent on one stream of HTTP/2: both pieces of a blob that its transfer may have, so that one is read
/// while the other is sent.
const SEND_BUFFER: usize = 512 * 1024;
const STREAMS: u32 = 128;
/// The largest head of a request, and how much of a body HTTP/1.1 reads at once.
const HEAD: u32 = 32 * 1024;

/// Answers what comes, until either side has had enough, or it is the `end`: then what has begun is still answered. Gives
/// why it was cut off, if it was.
pub(super) fn serve<S, F, A, E>(
    stream: S,
    kind: Kind,
    answer: F,
    end: E,
) -> impl Future<Output = Option<Expired>> + Send
where
    E: Future<Output = ()> + Send,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<RequestBody>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    serve_within(Limits::USUAL, stream, kind, answer, end)
}

/// Thousands of connections may be idle. So the stream goes straight into a box: an `async fn` would keep room for it
/// wherever it passes.
pub(super) fn serve_within<S, F, A, E>(
    limits: Limits,
    stream: S,
    kind: Kind,
    answer: F,
    end: E,
) -> impl Future<Output = Option<Expired>> + Send
where
    E: Future<Output = ()> + Send,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<RequestBody>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let activity = Activity::new(limits, kind != Kind::Http2);
    let stream = Watched::new(stream, activity.clone());
    let service = {
        let activity = activity.clone();
        service_fn(move |request: Request<Incoming>| {
            let handling = activity.handling();
            let answer = answer(request.map(RequestBody::new));
            async move {
                let response = answer.await;
                drop(handling);
                Ok::<_, Infallible>(response)
            }
        })
    };
    let builder = builder(kind);
    match kind {
        Kind::Http1 => {
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            let connection = Box::pin(connection.into_owned());
            Either::Left(until_it_ends(connection, activity, end, |connection| {
                connection.as_mut().graceful_shutdown();
            }))
        }
        Kind::Http2 => {
            let connection = Gathering::new(stream).connection(|stream| {
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                Box::pin(connection.into_owned())
            });
            Either::Right(until_it_ends(connection, activity, end, |connection| {
                connection.get_mut().as_mut().graceful_shutdown();
            }))
        }
    }
}

async fn until_it_ends<C, T, X>(
    mut connection: C,
    activity: Arc<Activity>,
    end: impl Future<Output = ()>,
    shut_down: impl FnOnce(&mut C),
) -> Option<Expired>
where
    C: Future<Output = Result<T, X>> + Unpin,
    X: Display,
{
    let ended = tokio::select! {
        ended = &mut connection => ended,
        expired = activity.expired() => return Some(expired),
        () = end => {
            shut_down(&mut connection);
            tokio::select! {
                ended = &mut connection => ended,
                expired = activity.expired() => return Some(expired),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    None
}

/// Returns when the server stops. A sender that is gone has stopped too.
pub(super) async fn begins(mut draining: watch::Receiver<bool>) {
    let _ = draining.wait_for(|draining| *draining).await;
}

fn builder(kind: Kind) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    let mut builder = match kind {
        Kind::Http1 => builder.http1_only(),
        Kind::Http2 => builder.http2_only(),
    };
    // No time limit for heads: `activity` keeps it.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        // A client may say that it has asked for everything. Without this, hyper also makes a buffer for each request,
        // to look whether the client is still there while it is answered.
        .half_close(true)
        // As registry:2 spells them: scripts look for `Docker-Content-Digest`.
        .title_case_headers(true)
        .max_buf_size(HEAD as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_send_buf_size(SEND_BUFFER)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD);
    builder
}
