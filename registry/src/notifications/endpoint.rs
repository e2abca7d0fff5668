//! One endpoint: what waits for it, and the task that sends it.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::Notify;

use super::client::{Client, ClientError, SendError, is_taken};
use super::event::{Event, envelope};
use super::queue::{Next, Queue};
use super::settings::EndpointSettings;

/// How long to wait after the disk did not give what waits.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Endpoint {
    settings: EndpointSettings,
    client: arc_swap::ArcSwap<Client>,
    queue: Mutex<Queue>,
    came: Notify,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    /// Kept beside the queue: whoever asks must not wait for a disk.
    pending: AtomicU64,
    sent: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    /// How often the endpoint gave which status.
    answers: Mutex<BTreeMap<StatusCode, u64>>,
}

/// For metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub endpoint: String,
    pub pending: u64,
    /// Events that were taken.
    pub sent: u64,
    /// Attempts that were not.
    pub failed: u64,
    /// Events that will never be sent.
    pub lost: u64,
    pub answers: Vec<Answers>,
}

/// How often an endpoint gave one status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// With its words: `200 OK`.
    pub status: String,
    /// Whether it means that the event was taken.
    pub taken: bool,
    pub count: u64,
}

impl Endpoint {
    pub(super) fn new(settings: EndpointSettings, queue: Queue) -> Result<Self, ClientError> {
        Ok(Endpoint {
            client: arc_swap::ArcSwap::from_pointee(Client::new(&settings)?),
            settings,
            queue: Mutex::new(queue),
            came: Notify::new(),
            counts: Counts::default(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(super) fn wants(&self, event: &Event) -> bool {
        let media_type = event.target.media_type.as_deref();
        !self.settings.ignored_actions.contains(&event.action)
            && !media_type.is_some_and(|media_type| {
                self.settings
                    .ignored_media_types
                    .iter()
                    .any(|ignored| ignored == media_type)
            })
    }

    /// Blocks for as long as the disk does.
    pub(super) fn add(&self, lines: &[impl AsRef<[u8]>]) {
        if lines.is_empty() {
            return;
        }
        let added = self.with_queue(|queue| queue.add(lines));
        match added {
            Ok(0) => {}
            Ok(lost) => {
                self.lose(lost);
                tracing::warn!(
                    endpoint = self.name(),
                    lost,
                    "the oldest events were dropped: too many wait"
                );
            }
            Err(error) => {
                self.lose(lines.len() as u64);
                tracing::error!(endpoint = self.name(), %error, "events cannot be kept and are lost");
            }
        }
        self.came.notify_one();
    }

    pub(super) fn lose(&self, events: u64) {
        self.counts.lost.fetch_add(events, Ordering::Relaxed);
    }

    /// Takes over what waits in another queue for the same endpoint.
    pub(super) fn adopt(&self, mut other: Queue) -> io::Result<u64> {
        let mut adopted = 0;
        while let Some(lines) = other.first_file()? {
            let lost = self.with_queue(|queue| queue.add(&lines))?;
            self.lose(lost);
            // A crash just here makes these come twice, which is better than never.
            other.drop_first()?;
            adopted += lines.len() as u64;
        }
        self.came.notify_one();
        Ok(adopted)
    }

    pub(super) fn status(&self) -> Status {
        Status {
            endpoint: self.name().to_owned(),
            pending: self.counts.pending.load(Ordering::Relaxed),
            sent: self.counts.sent.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
            lost: self.counts.lost.load(Ordering::Relaxed),
            answers: self.answers(),
        }
    }

    fn answers(&self) -> Vec<Answers> {
        let answers = self.counts.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = answers.iter().map(|(status, count)| Answers {
            status: status.to_string(),
            taken: is_taken(*status),
            count: *count,
        });
        answers.collect()
    }

    fn answered(&self, status: StatusCode) {
        let mut answers = self.counts.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(status).or_default() += 1;
    }

    /// Never ends.
    pub(super) async fn send_all(self: Arc<Self>) {
        loop {
            match self.on_disk(Queue::next).await {
                Ok(Some(next)) => {
                    self.send_until_taken(&next).await;
                    let done = self.on_disk(move |queue| queue.done(&next)).await;
                    if let Err(error) = done {
                        tracing::error!(endpoint = self.name(), %error, "what was sent may be sent again");
                    }
                }
                Ok(None) => self.came.notified().await,
                Err(error) => {
                    tracing::error!(endpoint = self.name(), %error, "what waits for the endpoint cannot be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// As registry:2 does it: at once for `threshold` times, then again after each `backoff`, for ever.
    async fn send_until_taken(self: &Arc<Self>, next: &Next) {
        let body = envelope(&next.line);
        let mut failures = 0;
        loop {
            let client = self.client.load_full();
            let error = match client.send(body.clone()).await {
                Ok(status) => {
                    self.answered(status);
                    break;
                }
                Err(error) => error,
            };
            if let SendError::Status(status) = error {
                self.answered(status);
            }
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
            failures += 1;
            if failures == 1 {
                tracing::warn!(endpoint = self.name(), %error, "an event was not taken; it is tried again");
            }
            if failures == self.settings.threshold {
                tracing::error!(
                    endpoint = self.name(), %error, pending = self.counts.pending.load(Ordering::Relaxed),
                    "the endpoint takes no events; they wait on disk"
                );
            }
            if failures >= self.settings.threshold {
                tokio::time::sleep(self.settings.backoff).await;
                // Dropped meanwhile, because too much waits: the next is as good.
                if self.superseded(next).await {
                    return;
                }
            }
            self.renew(&client);
        }
        self.counts.sent.fetch_add(1, Ordering::Relaxed);
        if failures > 0 {
            tracing::info!(
                endpoint = self.name(),
                failures,
                "the endpoint takes events again"
            );
        }
    }

    async fn superseded(self: &Arc<Self>, next: &Next) -> bool {
        !matches!(self.on_disk(Queue::next).await, Ok(Some(now)) if now == *next)
    }

    /// Perhaps the endpoint has a certificate of a new CA, and the file knows it.
    fn renew(&self, client: &Client) {
        if !client.is_outdated() {
            return;
        }
        match Client::new(&self.settings) {
            Ok(client) => self.client.store(Arc::new(client)),
            Err(error) => {
                tracing::error!(endpoint = self.name(), %error, "the CA certificates stay as they were")
            }
        }
    }

    async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        what: impl FnOnce(&mut Queue) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let endpoint = Arc::clone(self);
        tokio::task::spawn_blocking(move || endpoint.with_queue(what))
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Blocks for as long as the disk does.
    fn with_queue<T>(&self, what: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = what(&mut queue);
        self.counts.pending.store(queue.len(), Ordering::Relaxed);
        outcome
    }
}
