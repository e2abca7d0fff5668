//! Ends connections that hold on to something and do nothing with it.
//!
//! hyper's own time limit for a request's head also runs while a connection is merely kept open, so it cannot be used:
//! clients keep connections for minutes, and a head takes no time at all.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long connections may do nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From a head's first byte to its last.
    pub(super) head: Duration,
    /// Nothing is sent, nothing is asked, or an answer is not taken.
    pub(super) idle: Duration,
    /// After the end, for the other side to read what it was told.
    pub(super) linger: Duration,
}

impl Limits {
    pub(super) const USUAL: Limits = Limits {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(120),
        linger: Duration::from_secs(2),
    };
}

/// Why a connection should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    Head,
    Idle,
}

impl Expired {
    /// One word, for metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Expired::Head => "head",
            Expired::Idle => "idle",
        }
    }
}

/// What a connection is doing. Times are milliseconds since it began.
#[derive(Debug)]
pub(super) struct Activity {
    limits: Limits,
    began: Instant,
    /// When a byte last went either way.
    moved: AtomicU64,
    /// When the head that is being read began; 0 when none is.
    head: AtomicU64,
    /// Requests whose handler is at work: it has its own limits.
    handling: AtomicUsize,
    /// Heads of HTTP/2 come in frames between others, and cannot be told from them here.
    heads_are_seen: bool,
}

impl Activity {
    pub(super) fn new(limits: Limits, heads_are_seen: bool) -> Arc<Self> {
        Arc::new(Activity {
            limits,
            began: Instant::now(),
            moved: AtomicU64::new(0),
            head: AtomicU64::new(0),
            handling: AtomicUsize::new(0),
            heads_are_seen,
        })
    }

    /// A request has come; its handler is at work until the guard is dropped.
    pub(super) fn handling(self: &Arc<Self>) -> Handling {
        self.head.store(0, Ordering::Relaxed);
        self.handling.fetch_add(1, Ordering::Relaxed);
        Handling(Arc::clone(self))
    }

    /// Returns when the connection should end.
    pub(super) async fn expired(&self) -> Expired {
        let look = (self.limits.head / 2).max(Duration::from_millis(1));
        loop {
            tokio::time::sleep(look).await;
            if let Some(expired) = self.look() {
                return expired;
            }
        }
    }

    fn look(&self) -> Option<Expired> {
        if self.handling.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let now = self.now();
        let since = |then: u64| Duration::from_millis(now.saturating_sub(then));
        let head = self.head.load(Ordering::Relaxed);
        if head > 0 && since(head) > self.limits.head {
            return Some(Expired::Head);
        }
        (since(self.moved.load(Ordering::Relaxed)) > self.limits.idle).then_some(Expired::Idle)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    fn read(&self) {
        let now = self.now();
        self.moved.store(now, Ordering::Relaxed);
        if self.heads_are_seen && self.handling.load(Ordering::Relaxed) == 0 {
            // The first byte counts: who sends one byte a second does not gain time.
            let _ = self
                .head
                .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn wrote(&self) {
        self.moved.store(self.now(), Ordering::Relaxed);
    }
}

/// A handler is at work.
pub(super) struct Handling(Arc<Activity>);

impl Drop for Handling {
    fn drop(&mut self) {
        self.0.wrote();
        self.0.handling.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that is watched, and that ends gently: bytes that nobody read when a connection closes would reset it, and
/// the answer that says why (401, 413) would be lost on its way.
pub(super) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    /// After our end was sent.
    lingering: Option<Pin<Box<Sleep>>>,
    drained: usize,
}

/// How much is read after the end before patience ends too.
const DRAIN: usize = 4 << 20;

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Watched {
            stream,
            activity,
            lingering: None,
            drained: 0,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.read();
        }
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        if result.is_ready() {
            self.activity.wrote();
        }
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        if result.is_ready() {
            self.activity.wrote();
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            std::task::ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.lingering = Some(Box::pin(tokio::time::sleep(self.activity.limits.linger)));
        }
        self.poll_linger(context).map(Ok)
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 16 * 1024];
        while self.drained < DRAIN {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.drained += buffer.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    let lingering = self.lingering.as_mut().expect("our end was sent just before");
                    return lingering.as_mut().poll(context);
                }
            }
        }
        Poll::Ready(())
    }
}
