//! Verifies passwords without letting bcrypt hurt anyone.
//!
//! bcrypt is slow on purpose. So it runs off the async threads, on all cores but one, once for a credential however
//! many connections send it, and its answer is kept: a right password until the user's hash changes, a wrong one
//! for a moment. What is kept is keyed by a keyed hash, never by the password.
//!
//! Users wait for their own only: each has one password verified at a time, so that they take turns, and those whose hash
//! is dearer than usual share one turn beside the others'.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use tokio::sync::{Semaphore, watch};

use super::basic::Credentials;
use super::users::{Users, Version};
use crate::source::source_of;

/// How long a wrong password is remembered.
const WRONG_FOR: Duration = Duration::from_secs(5);
/// How many credentials may wait to be verified. With bcrypt's usual cost that is some seconds of work.
const WAITING: usize = 64;
/// How many in all, with one more for each client and for each user that has none among them: one client's flood, or one
/// for one user's name, must not keep the others out. Half of them at most are for one name.
const WAITING_IN_ALL: usize = 4 * WAITING;
/// Cores that bcrypt may have at most: it shares the threads with whatever waits for a disk.
const CORES: usize = 32;
/// How many answers are kept. Only a flood of wrong passwords comes near it.
const KEPT: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Too many are waiting already.
    Busy,
}

type Key = [u8; 32];

enum Answer {
    /// The user, and the hash that the password is right for.
    Right(Box<str>, Box<str>),
    /// By this version of the users, at this time.
    Wrong(u64, Instant),
}

impl Answer {
    fn is_right(&self) -> bool {
        matches!(self, Answer::Right(..))
    }

    fn holds(&self, users: &Version, now: Instant) -> bool {
        match self {
            Answer::Right(user, hash) => users.htpasswd.hash(user) == Some(hash),
            Answer::Wrong(version, at) => *version == users.number && now.duration_since(*at) < WRONG_FOR,
        }
    }
}

/// One that is being verified.
struct Running {
    outcome: watch::Receiver<Option<bool>>,
    /// Who sent it first.
    peer: Option<IpAddr>,
    line: Line,
}

/// Whose password is verified. All names that nobody has are one.
#[derive(Clone)]
struct Line {
    user: Option<Box<str>>,
    /// The users take turns for the cores by this: each has one place among those who wait there.
    turn: Arc<Semaphore>,
    is_dear: bool,
}

pub(super) struct Verifier {
    users: Arc<Users>,
    /// Made anew for each process, so that what is kept means nothing elsewhere.
    secret: hmac::Key,
    answers: RwLock<HashMap<Key, Answer>>,
    /// Those being verified now, so that a second connection with the same credential waits for the first.
    running: Mutex<HashMap<Key, Running>>,
    cores: Semaphore,
    /// For those whose hash is dearer than usual.
    dear_core: Semaphore,
}

impl Verifier {
    pub(super) fn new(users: Arc<Users>) -> Arc<Self> {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).expect("the system's random source works");
        let cores = std::thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).clamp(1, CORES));
        Arc::new(Verifier {
            users,
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            answers: RwLock::default(),
            running: Mutex::default(),
            cores: Semaphore::new(cores),
            dear_core: Semaphore::new(1),
        })
    }

    /// `peer`: who sends them.
    pub(super) async fn verify(self: &Arc<Self>, credentials: Credentials, peer: Option<IpAddr>) -> Verdict {
        let key = self.key(&credentials);
        if let Some(right) = self.known(&key) {
            return if right { Verdict::Right } else { Verdict::Wrong };
        }
        let Some(mut outcome) = self.join_or_start(key, credentials, peer) else {
            return Verdict::Busy;
        };
        match outcome.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(true)) => Verdict::Right,
            // The other end is gone without an answer only when the verification itself died.
            Ok(_) | Err(_) => Verdict::Wrong,
        }
    }

    fn key(&self, credentials: &Credentials) -> Key {
        let mut context = hmac::Context::with_key(&self.secret);
        // The length keeps ("ab", "c") from ("a", "bc").
        context.update(&(credentials.user.len() as u64).to_le_bytes());
        context.update(credentials.user.as_bytes());
        context.update(credentials.password.as_bytes());
        context
            .sign()
            .as_ref()
            .try_into()
            .expect("HMAC-SHA-256 has 32 bytes")
    }

    fn known(&self, key: &Key) -> Option<bool> {
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        let answer = answers.get(key)?;
        answer
            .holds(&self.users.current(), Instant::now())
            .then_some(answer.is_right())
    }

    fn join_or_start(
        self: &Arc<Self>,
        key: Key,
        credentials: Credentials,
        peer: Option<IpAddr>,
    ) -> Option<watch::Receiver<Option<bool>>> {
        let peer = peer.map(source_of);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.get(&key) {
            return Some(running.outcome.clone());
        }
        let users = self.users.current();
        let user = users
            .htpasswd
            .hash(&credentials.user)
            .map(|_| credentials.user.as_str());
        let of_user = || {
            running
                .values()
                .find(|running| running.line.user.as_deref() == user)
        };
        let has_one = || running.values().any(|running| running.peer == peer) && of_user().is_some();
        let in_line = || {
            let line = running
                .values()
                .filter(|running| running.line.user.as_deref() == user);
            line.count()
        };
        let is_full = running.len() >= WAITING_IN_ALL || (running.len() >= WAITING && has_one());
        if is_full || in_line() >= WAITING_IN_ALL / 2 {
            return None;
        }
        let line = Line {
            user: user.map(Into::into),
            turn: of_user().map_or_else(
                || Arc::new(Semaphore::new(1)),
                |running| Arc::clone(&running.line.turn),
            ),
            is_dear: users.htpasswd.is_dear(&credentials.user),
        };
        let (sender, outcome) = watch::channel(None);
        let started = Running {
            outcome: outcome.clone(),
            peer,
            line: line.clone(),
        };
        running.insert(key, started);
        // A task of its own: the caller may go away, the others who wait for the same answer may not be let down.
        tokio::spawn(Arc::clone(self).run(key, credentials, line, sender));
        Some(outcome)
    }

    async fn run(
        self: Arc<Self>,
        key: Key,
        credentials: Credentials,
        line: Line,
        outcome: watch::Sender<Option<bool>>,
    ) {
        let cores = if line.is_dear {
            &self.dear_core
        } else {
            &self.cores
        };
        let _turn = line.turn.acquire().await;
        let _core = cores.acquire().await;
        let credentials = Arc::new(credentials);
        let answer = loop {
            let (users, asked) = (self.users.current(), Arc::clone(&credentials));
            let verified = tokio::task::spawn_blocking(move || {
                let (user, is_right) = (&asked.user, users.htpasswd.verify(&asked.user, &asked.password));
                match users.htpasswd.hash(user).filter(|_| is_right) {
                    Some(hash) => Answer::Right(user.as_str().into(), hash.into()),
                    None => Answer::Wrong(users.number, Instant::now()),
                }
            });
            let answer = verified
                .await
                .unwrap_or(Answer::Wrong(self.users.number(), Instant::now()));
            // Not by users who are gone meanwhile: those who came since wait for it too.
            if answer.holds(&self.users.current(), Instant::now()) {
                break answer;
            }
        };
        let right = answer.is_right();
        self.keep(key, answer);
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);
        outcome.send_replace(Some(right));
    }

    fn keep(&self, key: Key, answer: Answer) {
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= KEPT {
            let (users, now) = (self.users.current(), Instant::now());
            answers.retain(|_, kept| kept.holds(&users, now));
        }
        // Wrong answers are dropped first: a flood of them must not make everyone pay for bcrypt again.
        if answers.len() >= KEPT {
            answers.retain(|_, kept| kept.is_right());
        }
        if answers.len() < KEPT {
            answers.insert(key, answer);
        }
    }
}

#[cfg(test)]
mod tests;
