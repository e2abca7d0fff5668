//! A client that takes its time.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// So many bytes per second, counted from the first.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    moved: u64,
    started: Option<Instant>,
    pause: Option<std::pin::Pin<Box<Sleep>>>,
}

impl Pace {
    pub(super) fn of(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second,
            moved: 0,
            started: None,
            pause: None,
        }
    }

    /// Waits until it is time for more, after these bytes.
    pub(super) async fn wait(&mut self, bytes: usize) {
        self.count(bytes);
        std::future::poll_fn(|context| self.poll_due(context)).await;
    }

    /// Bytes were moved.
    pub(super) fn count(&mut self, bytes: usize) {
        let started = *self.started.get_or_insert_with(Instant::now);
        self.moved += bytes as u64;
        let due = Duration::from_secs_f64(self.moved as f64 / self.bytes_per_second as f64);
        self.pause = Some(Box::pin(sleep_until(started + due)));
    }

    /// Ready when it is time for more.
    pub(super) fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.pause {
            Some(pause) => pause.as_mut().poll(context),
            None => Poll::Ready(()),
        }
    }
}
