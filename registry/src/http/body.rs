//! What comes in and what goes out.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::Stream;
use http::HeaderValue;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use tokio::time::{Instant, Sleep};

use super::observe::Observation;
use crate::content::{BlobStream, BodyError};

/// How long a client may send nothing while a body is expected of it.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a body may take that is received into memory: 4 MiB over a line of 0.3 Mbit/s.
const COLLECTING: Duration = Duration::from_secs(120);

/// The type of what is JSON, as registry:2 has it.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How much of a body that nobody wants is read all the same, and for how long. A client that is told of an error
/// while it still sends takes the reset of its HTTP/2 stream for the answer (curl 7.88 does), so what is on its way
/// already is taken in.
const DISCARDED: usize = 64 * 1024;
const DISCARDING: Duration = Duration::from_secs(2);

/// The body of a request. Most have none, and cost nothing.
pub struct RequestBody(Unread);

/// What of a body has not been read yet; nothing, once its end or an error was seen.
struct Unread(Option<BoxBody<Bytes, BoxError>>);

impl Drop for Unread {
    fn drop(&mut self) {
        let Some(body) = self.0.take().filter(|body| !body.is_end_stream()) else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(DISCARDING, discard(body)));
        }
    }
}

async fn discard(mut body: BoxBody<Bytes, BoxError>) {
    let mut seen = 0;
    while let Some(Ok(frame)) = body.frame().await {
        seen += frame.data_ref().map_or(0, Bytes::len);
        if seen > DISCARDED {
            return;
        }
    }
}

impl RequestBody {
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + Sync + 'static,
        B::Error: Into<BoxError>,
    {
        RequestBody(Unread(
            (!body.is_end_stream()).then(|| body.map_err(Into::into).boxed()),
        ))
    }

    /// Pieces as they come. A client that falls silent has come to its end.
    pub(super) fn pieces(self, observation: &Observation) -> Pieces {
        Pieces {
            body: self.0,
            silence: None,
            patience: SILENCE,
            received: observation.received(),
        }
    }
}

/// The client took too long.
#[derive(Debug, thiserror::Error)]
pub(super) enum TooSlow {
    #[error("nothing came for {} seconds", SILENCE.as_secs())]
    Silence,
    #[error("it did not come whole within {} seconds", COLLECTING.as_secs())]
    Whole,
}

/// A request's body as a stream.
pub(super) struct Pieces {
    body: Unread,
    /// Runs only while nothing comes.
    silence: Option<Pin<Box<Sleep>>>,
    /// How long that may be.
    patience: Duration,
    received: super::observe::Received,
}

impl Pieces {
    /// The whole body, unless it is longer than `limit`. It must come in time.
    pub(super) async fn collect(self, limit: usize) -> Result<Option<Bytes>, BodyError> {
        let collected = tokio::time::timeout(COLLECTING, self.collect_slowly(limit)).await;
        collected.unwrap_or_else(|_| Err(BodyError(Box::new(TooSlow::Whole))))
    }

    async fn collect_slowly(mut self, limit: usize) -> Result<Option<Bytes>, BodyError> {
        use futures::StreamExt as _;
        let announced = self.body.0.as_ref().map_or(0, |body| body.size_hint().lower());
        let mut whole = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(limit).min(limit));
        while let Some(piece) = self.next().await {
            let piece = piece?;
            if whole.len() + piece.len() > limit {
                return Ok(None);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(Some(whole.freeze()))
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience;
        let silence = self
            .silence
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        silence.as_mut().poll(context)
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.body.0 else {
            return Poll::Ready(None);
        };
        loop {
            return match Pin::new(&mut *body).poll_frame(context) {
                Poll::Ready(None) => {
                    self.body.0 = None;
                    Poll::Ready(None)
                }
                Poll::Ready(Some(Err(error))) => {
                    self.body.0 = None;
                    Poll::Ready(Some(Err(BodyError(error))))
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) => {
                        self.received.add(piece.len());
                        let end = Instant::now() + self.patience;
                        if let Some(silence) = &mut self.silence {
                            silence.as_mut().reset(end);
                        }
                        Poll::Ready(Some(Ok(piece)))
                    }
                    // Trailers mean nothing here.
                    Err(_) => continue,
                },
                Poll::Pending => match self.poll_silence(context) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(()) => {
                        self.body.0 = None;
                        Poll::Ready(Some(Err(BodyError(Box::new(TooSlow::Silence)))))
                    }
                },
            };
        }
    }
}

/// The body of an answer.
pub struct ResponseBody {
    content: Content,
    /// Tells, when the body is gone, what became of the request.
    observation: Option<Box<Observation>>,
}

enum Content {
    Empty,
    Whole(Bytes),
    Blob { stream: BlobStream, left: u64 },
}

impl ResponseBody {
    pub(super) fn empty() -> Self {
        ResponseBody {
            content: Content::Empty,
            observation: None,
        }
    }

    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let content = if bytes.is_empty() {
            Content::Empty
        } else {
            Content::Whole(bytes)
        };
        ResponseBody {
            content,
            observation: None,
        }
    }

    pub(super) fn blob(stream: BlobStream, length: u64) -> Self {
        ResponseBody {
            content: Content::Blob { stream, left: length },
            observation: None,
        }
    }

    pub(super) fn observed(mut self, observation: Box<Observation>) -> Self {
        self.observation = Some(observation);
        self
    }

    pub(super) fn length(&self) -> u64 {
        match &self.content {
            Content::Empty => 0,
            Content::Whole(bytes) => bytes.len() as u64,
            Content::Blob { left, .. } => *left,
        }
    }

    fn sent(&mut self, bytes: usize) {
        if let Some(observation) = &mut self.observation {
            observation.sent(bytes);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut self.content {
            Content::Empty => Poll::Ready(None),
            Content::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.content = Content::Empty;
                self.sent(bytes.len());
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Content::Blob { stream, left } => match std::task::ready!(Pin::new(stream).poll_next(context)) {
                Some(Ok(piece)) => {
                    *left = left.saturating_sub(piece.len() as u64);
                    self.sent(piece.len());
                    Poll::Ready(Some(Ok(Frame::data(piece))))
                }
                Some(Err(error)) => {
                    tracing::error!(%error, "a blob could not be read to its end; the connection is cut");
                    Poll::Ready(Some(Err(error)))
                }
                None => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Empty | Content::Blob { left: 0, .. })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};
    use http_body_util::StreamBody;

    use super::*;

    /// Pieces that come with a pause before each, and then nothing more, without an end.
    fn pieces(pause: Duration, count: usize, patience: Duration) -> Pieces {
        let coming = Box::pin(stream::unfold(count, move |left| async move {
            if left == 0 {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(pause).await;
            Some((
                Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"piece"))),
                left - 1,
            ))
        }));
        Pieces {
            body: RequestBody::new(StreamBody::new(coming)).0,
            silence: None,
            patience,
            received: Default::default(),
        }
    }

    #[tokio::test]
    async fn a_body_that_falls_silent_ends_and_one_that_is_merely_slow_does_not() {
        let patience = Duration::from_millis(400);
        // All pieces together take longer than the patience, none does.
        let mut pieces = pieces(patience / 8, 12, patience);
        for _ in 0..12 {
            assert!(matches!(pieces.next().await, Some(Ok(_))));
        }
        let Some(Err(error)) = pieces.next().await else {
            panic!("it does not wait for ever");
        };
        assert!(error.0.is::<TooSlow>(), "{error}");
        assert!(pieces.next().await.is_none());
    }
}
