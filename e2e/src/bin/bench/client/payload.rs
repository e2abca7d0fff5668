//! What a request brings.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::pace::Pace;
use crate::content::Blob;

/// The body of a request. A large one is made while it is sent: nothing of it is kept.
#[derive(Debug)]
pub(crate) enum Payload {
    Empty,
    Bytes(Bytes),
    Blob {
        blob: Blob,
        sent: u64,
        pace: Option<Pace>,
    },
}

impl Payload {
    pub(crate) fn blob(blob: &Blob) -> Self {
        Self::Blob {
            blob: blob.clone(),
            sent: 0,
            pace: None,
        }
    }

    /// At this many bytes per second.
    pub(crate) fn paced(blob: &Blob, bytes_per_second: u64) -> Self {
        Self::Blob {
            blob: blob.clone(),
            sent: 0,
            pace: Some(Pace::of(bytes_per_second)),
        }
    }

    fn left(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob { blob, sent, .. } => blob.size() - sent,
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut *self {
            Self::Empty => Bytes::new(),
            Self::Bytes(bytes) => std::mem::take(bytes),
            Self::Blob { blob, sent, pace } => {
                if let Some(pace) = pace {
                    ready!(pace.poll_due(context));
                }
                let piece = blob.piece(*sent);
                *sent += piece.len() as u64;
                if let Some(pace) = pace {
                    pace.count(piece.len());
                }
                piece
            }
        };
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}
