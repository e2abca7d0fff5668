//! When to tell the operator: after news, not while first answers are on their way, later and later after a failure.

use std::time::Duration;

use anyhow::Context;
use kube::Client;
use roadstead_api::trust::NodeTrust;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::acknowledge::Acknowledger;

/// Someone may have deleted our NodeTrust.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// A registry that is up answers faster; longer, and the operator had better know what we wait for.
const FIRST_ANSWER: Duration = Duration::from_secs(2);
const API_CALL: Duration = Duration::from_secs(15);
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Tells the operator what this node has to say.
pub struct Teller {
    acknowledger: Acknowledger,
    tell_at: Option<Instant>,
    /// Until when we wait for first answers before we acknowledge.
    hold_until: Option<Instant>,
    look_at: Instant,
    failures: u32,
}

impl Teller {
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            acknowledger: Acknowledger::new(client, namespace),
            tell_at: None,
            hold_until: None,
            look_at: Instant::now() + LOOK_AGAIN,
            failures: 0,
        }
    }

    /// Notes that there is something new to say.
    pub fn news(&mut self) {
        self.tell_at.get_or_insert_with(Instant::now);
    }

    /// When [`Self::work`] has something to do, if nothing happens.
    pub fn wake(&self) -> Instant {
        let tell = self.tell_at.map(|at| at.max(self.hold_until.unwrap_or(at)));
        tell.map_or(self.look_at, |tell| tell.min(self.look_at))
    }

    /// Whether [`Self::work`] has something to do now. While first answers are on their way it waits for them.
    pub fn is_due(&mut self, is_undecided: bool) -> bool {
        let now = Instant::now();
        self.hold_until = match self.hold_until {
            _ if !is_undecided => None,
            Some(until) => Some(until),
            None => Some(now + FIRST_ANSWER),
        };
        self.look_at <= now || self.tell_is_due(now)
    }

    /// Does whatever is due. `None`: there is nothing to say yet.
    pub async fn work(&mut self, node_trust: Option<NodeTrust>) {
        let now = Instant::now();
        let looks = self.look_at <= now;
        if looks {
            self.look_at = now + LOOK_AGAIN;
        }
        let Some(node_trust) = node_trust else {
            // The next pass will have something to say.
            self.tell_at = None;
            return;
        };
        if looks {
            self.look(&node_trust).await;
        }
        if self.tell_is_due(Instant::now()) {
            self.tell(&node_trust).await;
        }
    }

    fn tell_is_due(&self, now: Instant) -> bool {
        let held = self.hold_until.is_some_and(|until| now < until);
        !held && self.tell_at.is_some_and(|at| at <= now)
    }

    async fn look(&mut self, node_trust: &NodeTrust) {
        match answered(self.acknowledger.refresh(node_trust)).await {
            Ok(()) if self.acknowledger.is_told(node_trust) => {}
            Ok(()) => self.news(),
            Err(error) => debug!("cannot look at this node's NodeTrust: {error:#}"),
        }
    }

    async fn tell(&mut self, node_trust: &NodeTrust) {
        match answered(self.acknowledger.tell(node_trust)).await {
            Ok(()) => (self.tell_at, self.failures) = (None, 0),
            Err(error) => {
                warn!("cannot write the NodeTrust of this node: {error:#}");
                self.failures += 1;
                self.tell_at = Some(Instant::now() + delay(self.failures));
            }
        }
    }
}

/// An API server that hangs must not stop the loop.
async fn answered<T>(call: impl Future<Output = kube::Result<T>>) -> anyhow::Result<T> {
    let answer = tokio::time::timeout(API_CALL, call)
        .await
        .context("the API server does not answer")?;
    Ok(answer?)
}

/// How long to wait after so many failures in a row.
pub fn delay(failures: u32) -> Duration {
    MAX_DELAY.min(Duration::from_secs(1) * 2u32.saturating_pow(failures.saturating_sub(1).min(6)))
}
