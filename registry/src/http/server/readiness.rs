//! Whether requests should come here: asked all the time, so it is answered from memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::task::JoinHandle;

use crate::content::{self, Content, Probed};
use crate::http::error::chain;
use crate::metrics::Metrics;

/// How long the storage may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the storage is looked at, and how many failures in a row make the server not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    pub interval: Duration,
    pub threshold: u32,
}

/// Ready from the start, until the storage fails or the server stops.
#[derive(Debug, Default)]
pub struct Readiness {
    storage_fails: AtomicBool,
    /// Why the storage refuses writes, if it does. Pulls still come here.
    refusal: ArcSwapOption<String>,
    stopping: AtomicBool,
}

impl Readiness {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Why not, if not.
    pub fn problem(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Relaxed) {
            Some("stopping")
        } else if self.storage_fails.load(Ordering::Relaxed) {
            Some("the storage does not answer; the log says why")
        } else {
            None
        }
    }

    /// Why nothing can be pushed, if nothing can.
    pub fn refusal(&self) -> Option<Arc<String>> {
        self.refusal.load_full()
    }

    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Looks at the storage for ever. One failure is not yet a reason: `threshold` in a row are.
    pub async fn watch(&self, content: Content, health: Health, metrics: Arc<Metrics>) {
        let mut failures = 0;
        let mut look = None;
        loop {
            match outcome(&mut look, &content).await {
                Ok(probed) => {
                    failures = 0;
                    self.note(probed, &metrics);
                }
                Err(cause) => {
                    failures += 1;
                    tracing::error!(cause, failures, "the storage does not answer");
                }
            }
            self.storage_fails
                .store(failures >= health.threshold, Ordering::Relaxed);
            tokio::time::sleep(health.interval).await;
        }
    }

    /// One line when it changes, and not one each time.
    pub(super) fn note(&self, probed: Probed, metrics: &Metrics) {
        let refusal = match probed {
            Probed::Writable => None,
            Probed::NotWritable(error) => Some(chain(&error)),
        };
        let before = self.refusal.load();
        match &refusal {
            Some(reason) if before.as_deref() != Some(reason) => {
                tracing::error!(
                    reason,
                    "the storage cannot be written: pulls go on, pushes and deletes are refused"
                );
            }
            None if before.is_some() => tracing::info!("the storage can be written again"),
            _ => {}
        }
        metrics.storage_is_writable(refusal.is_none());
        self.refusal.store(refusal.map(Arc::new));
    }
}

type Look = JoinHandle<Result<Probed, content::Error>>;

/// One look has to end before the next begins: each that hangs in a dead disk holds a thread.
async fn outcome(look: &mut Option<Look>, content: &Content) -> Result<Probed, String> {
    let running = look.get_or_insert_with(|| {
        let content = content.clone();
        tokio::spawn(async move { content.probe().await })
    });
    let Ok(ended) = tokio::time::timeout(PATIENCE, running).await else {
        return Err(format!("no answer within {} seconds", PATIENCE.as_secs()));
    };
    *look = None;
    match ended {
        Ok(outcome) => outcome.map_err(|error| chain(&error)),
        Err(error) => Err(error.to_string()),
    }
}
