//! Frames of HTTP/2 are written together.
//!
//! h2 writes and flushes each frame of a body by itself, and clients written in Go take frames of 16 KiB at most: each
//! would be a call into the kernel, two records of TLS (the frame has a head) and a packet. So what is written waits until
//! there is much of it, or until the connection has nothing more to do for now.
//!
//! `registry/PERFORMANCE.md` says what it buys.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// As much as TLS seals at once.
const MOST: usize = 64 << 10;
/// Memory for what waits is kept between writes if it was as much as this: a body is being sent.
const KEPT_FROM: usize = 16 << 10;

/// A stream whose flushes are for [`Gathered`] to do.
pub(super) struct Gathering<S>(Arc<Mutex<Waiting<S>>>);

struct Waiting<S> {
    stream: S,
    /// Written, but not to the stream yet.
    bytes: Vec<u8>,
}

/// A connection over such a stream, which is flushed whenever the connection was polled.
pub(super) struct Gathered<C, S> {
    connection: C,
    stream: Gathering<S>,
}

impl<S> Gathering<S> {
    pub(super) fn new(stream: S) -> Self {
        Gathering(Arc::new(Mutex::new(Waiting {
            stream,
            bytes: Vec::new(),
        })))
    }

    /// The connection that `make` makes of this stream.
    pub(super) fn connection<C>(self, make: impl FnOnce(Self) -> C) -> Gathered<C, S> {
        let stream = Gathering(Arc::clone(&self.0));
        Gathered {
            connection: make(self),
            stream,
        }
    }

    /// Never contended: whoever polls the connection has it alone.
    fn lock(&self) -> MutexGuard<'_, Waiting<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncWrite + Unpin> Waiting<S> {
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut written = 0;
        let outcome = loop {
            let rest = &self.bytes[written..];
            if rest.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.stream).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        if written == self.bytes.len() && written < KEPT_FROM {
            self.bytes = Vec::new();
        } else {
            self.bytes.drain(..written);
        }
        outcome
    }

    fn poll_flushed(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_written(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn take(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(MOST - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..count]);
        count
    }
}

impl<C: Future + Unpin, S: AsyncWrite + Unpin> Future for Gathered<C, S> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.connection).poll(context);
        // An error is told to the connection when it writes or reads next.
        let _ = this.stream.lock().poll_flushed(context);
        polled
    }
}

impl<C, S> Gathered<C, S> {
    pub(super) fn get_mut(&mut self) -> &mut C {
        &mut self.connection
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().stream).poll_read(context, target)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut waiting = self.lock();
        if waiting.bytes.len() >= MOST {
            ready!(waiting.poll_written(context))?;
        }
        Poll::Ready(Ok(parts.iter().map(|part| waiting.take(part)).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut waiting = self.lock();
        ready!(waiting.poll_flushed(context))?;
        Pin::new(&mut waiting.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_was_written_goes_out_when_the_connection_has_nothing_more_to_do() {
        let (ours, mut theirs) = duplex(1 << 20);
        let mut stream = None;
        let mut connection = Gathering::new(ours).connection(|gathering| {
            stream = Some(gathering);
            Box::pin(std::future::pending::<()>())
        });
        let mut stream = stream.unwrap();
        let mut received = [0; 6];
        stream.write_all(b"abc").await.unwrap();
        stream.flush().await.unwrap();
        stream.write_all(b"def").await.unwrap();
        let read = Pin::new(&mut theirs).poll_read(
            &mut Context::from_waker(std::task::Waker::noop()),
            &mut ReadBuf::new(&mut received),
        );
        assert!(read.is_pending(), "nothing was sent yet");
        poll_fn(|context| {
            assert!(Pin::new(&mut connection).poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        theirs.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"abcdef");
        assert_eq!(
            connection.stream.lock().bytes.capacity(),
            0,
            "an idle one keeps no memory"
        );
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_makes_the_writer_wait() {
        let (ours, mut theirs) = duplex(1000);
        let mut stream = Gathering::new(ours);
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * MOST).collect();
        let mut received = vec![0; bytes.len()];
        let sending = async {
            stream.write_all(&bytes).await.unwrap();
            assert!(stream.lock().bytes.len() <= MOST);
            stream.shutdown().await.unwrap();
        };
        let (read, ()) = tokio::join!(theirs.read_exact(&mut received), sending);
        read.unwrap();
        assert!(received == bytes);
    }
}
