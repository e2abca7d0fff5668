//! Keeping an eye on the runtime: asked anew at each start of it, and given time to restart.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::host::{HostPath, HostRoot, Identity};
use crate::runtime::{self, Found};

/// What is known of this node's runtime.
#[derive(Debug)]
pub struct RuntimeWatch {
    found: Found,
    /// The start that `found` is about.
    start: Option<(HostPath, Identity)>,
    /// Since when the runtime that we know is gone or silent.
    lost_since: Option<Instant>,
}

/// A runtime that is being restarted is not worth a word.
const RESTART: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Default for RuntimeWatch {
    fn default() -> Self {
        Self {
            found: Found::Nothing,
            start: None,
            lost_since: None,
        }
    }
}

impl RuntimeWatch {
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Asks the runtime again if it is another start of it. Gives the time after which to look again, if it has to
    /// be sooner than usual.
    pub async fn look(&mut self, host: &Arc<HostRoot>) -> Option<Duration> {
        let start = match runtime::start(host) {
            Ok(start) => start,
            Err(error) => {
                warn!("cannot look for the container runtime: {error}");
                return None;
            }
        };
        let is_answered = match self.found {
            Found::Runtime(_) | Found::Foreign { .. } => true,
            Found::Nothing => start.is_none(),
            Found::Silent { .. } => false,
        };
        if start == self.start && is_answered && self.lost_since.is_none() {
            return None;
        }
        let found = match &start {
            Some((socket, identity)) => runtime::discover(host, socket, identity).await,
            None => Found::Nothing,
        };
        self.take(start, found)
    }

    fn take(&mut self, start: Option<(HostPath, Identity)>, found: Found) -> Option<Duration> {
        let is_there = matches!(found, Found::Runtime(_) | Found::Foreign { .. });
        if matches!(self.found, Found::Runtime(_)) && !is_there {
            let since = *self.lost_since.get_or_insert_with(Instant::now);
            if since.elapsed() < RESTART {
                return Some(LOOK_AGAIN);
            }
            warn!("the container runtime is gone");
        }
        self.lost_since = None;
        self.start = start;
        self.found = found;
        match &self.found {
            Found::Runtime(runtime) => info!(
                "runtime: {} {} at {}, certificates in {}",
                runtime.version.name, runtime.version.version, runtime.socket, runtime.root
            ),
            Found::Foreign { socket } => warn!("{socket} does not speak the runtime interface v1"),
            Found::Silent { socket, why } => {
                debug!("{socket} does not answer yet: {why}");
                return Some(LOOK_AGAIN);
            }
            Found::Nothing => {}
        }
        None
    }
}
