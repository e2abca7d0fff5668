//! Requests by HTTP/1.1, or by HTTP/2 as clients written in Go speak it.

use http::{Request, Response, Uri, header, request};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Payload;

/// What is spoken over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// How much the server may send before it is read, on a stream and in all, in frames of the smallest size: what Go's
/// net/http tells servers, and with it crane, oras and cosign.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 1 << 30;
const FRAME: u32 = 16 << 10;

/// Where requests go in.
pub(super) enum Sender {
    Http1(http1::SendRequest<Payload>),
    Http2(http2::SendRequest<Payload>),
}

impl Sender {
    /// The connection ends with its sender; what goes wrong is seen by whoever awaits an answer.
    pub(super) async fn over<S>(stream: S, protocol: Protocol) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(stream);
        match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(stream).await?;
                tokio::spawn(connection);
                Ok(Self::Http1(sender))
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                    .initial_stream_window_size(STREAM_WINDOW)
                    .initial_connection_window_size(CONNECTION_WINDOW)
                    .max_frame_size(FRAME)
                    .handshake(stream)
                    .await?;
                tokio::spawn(connection);
                Ok(Self::Http2(sender))
            }
        }
    }

    /// A request for a path of this host.
    pub(super) fn request(&self, host: &str, path: &str) -> http::Result<request::Builder> {
        match self {
            Self::Http1(_) => Ok(Request::builder().uri(path).header(header::HOST, host)),
            Self::Http2(_) => {
                let uri = Uri::builder().scheme("https").authority(host);
                Ok(Request::builder().uri(uri.path_and_query(path).build()?))
            }
        }
    }

    pub(super) async fn send(&mut self, request: Request<Payload>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}
