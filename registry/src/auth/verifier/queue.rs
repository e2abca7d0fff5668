//! Those who are being verified, and how many may be.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::{Key, Limits, Line, Verdict};
use crate::source::source_of;

/// How many secrets may wait to be verified. With bcrypt's usual cost that is some seconds of work.
pub(in crate::auth) const WAITING: usize = 64;
/// How many in all, with one more for each client and for each line that has none among them: one client's flood, or one
/// for one user's name, must not keep the others out. Half of them at most are in one line.
pub(super) const WAITING_IN_ALL: usize = 4 * WAITING;

type Outcome<P> = watch::Receiver<Option<Verdict<P>>>;

/// One that is being verified.
struct Running<P> {
    /// A second connection with the same secret waits for the first.
    outcome: Outcome<P>,
    /// Who sent it first.
    peer: Option<IpAddr>,
    line: Line,
    /// They take turns by this: each line has one place among those who wait to be verified now.
    turn: Arc<Semaphore>,
}

/// The right to verify one secret, in its turn.
pub(super) struct Turn<P> {
    outcome: watch::Sender<Option<Verdict<P>>>,
    line: Arc<Semaphore>,
    is_dear: bool,
}

impl<P> Turn<P> {
    pub(super) fn end(&self, verdict: Verdict<P>) {
        self.outcome.send_replace(Some(verdict));
    }
}

pub(super) struct Queue<P> {
    running: Mutex<HashMap<Key, Running<P>>>,
    places: Semaphore,
    /// For those who are dearer than usual.
    dear_places: Semaphore,
}

impl<P> Queue<P> {
    pub(super) fn new(limits: Limits) -> Self {
        Queue {
            running: Mutex::default(),
            places: Semaphore::new(limits.at_once),
            dear_places: Semaphore::new(limits.dear_at_once),
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Key, Running<P>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: there is no room. A turn is for the first who asks for this key.
    pub(super) fn enter(
        &self,
        key: Key,
        line: impl FnOnce() -> Line,
        peer: Option<IpAddr>,
    ) -> Option<(Outcome<P>, Option<Turn<P>>)> {
        let peer = peer.map(source_of);
        let mut running = self.running();
        if let Some(running) = running.get(&key) {
            return Some((running.outcome.clone(), None));
        }
        let line = line();
        let in_line = || running.values().filter(|running| running.line.name == line.name);
        let has_one = || running.values().any(|running| running.peer == peer) && in_line().next().is_some();
        let is_full = running.len() >= WAITING_IN_ALL || (running.len() >= WAITING && has_one());
        if is_full || in_line().count() >= WAITING_IN_ALL / 2 {
            return None;
        }
        let others = in_line().next().map(|running| Arc::clone(&running.turn));
        let turn = others.unwrap_or_else(|| Arc::new(Semaphore::new(1)));
        let (sender, outcome) = watch::channel(None);
        let right = Turn {
            outcome: sender,
            line: Arc::clone(&turn),
            is_dear: line.is_dear,
        };
        let started = Running {
            outcome: outcome.clone(),
            peer,
            line,
            turn,
        };
        running.insert(key, started);
        Some((outcome, Some(right)))
    }

    pub(super) fn leave(&self, key: &Key) {
        self.running().remove(key);
    }

    /// Waits until it may be verified; it may for as long as what is returned lives.
    pub(super) async fn wait<'a>(&'a self, turn: &'a Turn<P>) -> impl Sized + use<'a, P> {
        let places = if turn.is_dear {
            &self.dear_places
        } else {
            &self.places
        };
        let line: Option<SemaphorePermit<'a>> = turn.line.acquire().await.ok();
        (line, places.acquire().await.ok())
    }

    #[cfg(test)]
    pub(super) fn dear_waiting(&self) -> usize {
        self.running()
            .values()
            .filter(|running| running.line.is_dear)
            .count()
    }
}
