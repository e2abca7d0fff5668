//! Bytes to send, in the pieces in which they came, and again if a request is tried again.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// Some bytes, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Heap {
    pieces: VecDeque<Bytes>,
    length: usize,
}

impl Heap {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.length += bytes.len();
            self.pieces.push_back(bytes);
        }
    }

    /// Takes away the first so many.
    pub(super) fn take(&mut self, wanted: usize) -> Self {
        let mut taken = Self::default();
        while taken.length < wanted {
            let Some(mut piece) = self.pieces.pop_front() else {
                break;
            };
            let missing = wanted - taken.length;
            if piece.len() > missing {
                self.pieces.push_front(piece.split_off(missing));
            }
            self.length -= piece.len();
            taken.push(piece);
        }
        taken
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = Bytes> + use<> {
        self.pieces.clone().into_iter()
    }

    /// `is_signed`: in one piece, whose hash is part of the signature.
    pub(super) fn to_send(&self, is_signed: bool) -> ByteStream {
        if is_signed {
            let mut all = BytesMut::with_capacity(self.length);
            self.pieces.iter().for_each(|piece| all.extend_from_slice(piece));
            return ByteStream::from(all.freeze());
        }
        let heap = self.clone();
        ByteStream::new(SdkBody::retryable(move || {
            SdkBody::from_body_1_x(Sending(heap.clone()))
        }))
    }
}

struct Sending(Heap);

impl Body for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.0.pieces.pop_front();
        self.0.length -= piece.as_ref().map_or(0, Bytes::len);
        Poll::Ready(piece.map(Frame::data).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.length as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_in_their_order_wherever_they_are_cut() {
        for cut in 0..=9 {
            let mut heap = Heap::default();
            ["abc", "", "def", "ghi"]
                .into_iter()
                .for_each(|piece| heap.push(piece.into()));
            let taken = heap.take(cut);
            assert_eq!((taken.len(), heap.len()), (cut, 9 - cut));
            let all: Vec<u8> = taken.pieces().chain(heap.pieces()).flatten().collect();
            assert_eq!(all, b"abcdefghi");
        }
    }
}
