//! Verifies secrets that are slow to verify, without letting that hurt anyone.
//!
//! A secret is verified once, however many connections send it, and the answer is kept: that it is right for as long as
//! that holds, that it is wrong for a moment. What is kept is keyed by a keyed hash, never by the secret.
//!
//! What is slow (bcrypt, a review of a token by somebody else) is a [`Verify`]; here it is not known which.

mod answers;
mod queue;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use tokio::sync::watch;

use self::answers::{Answer, Answers};
#[cfg(test)]
pub(super) use self::queue::WAITING;
use self::queue::{Queue, Turn};

/// How secrets of one kind are verified.
pub(super) trait Verify: Send + Sync + 'static {
    /// What somebody sent. It should not be `Debug`, for it must not get into a log.
    type Secret: Send + Sync + 'static;
    /// What is known of a secret that is right: whose it is, and what that rests on. Kept in memory, so not the secret.
    type Proof: Send + Sync + 'static;

    /// Puts all of the secret into a keyed hash, so that two that differ in anything never look alike.
    fn digest(secret: &Self::Secret, into: &mut hmac::Context);

    /// In which line it waits. Cheap: it is asked under a lock.
    fn line(&self, secret: &Self::Secret) -> Line;

    /// The slow work. It must not hold up an async thread. Whoever asked may have gone away meanwhile; it goes on for
    /// those who have not.
    fn verify(&self, secret: Arc<Self::Secret>) -> impl Future<Output = Finding<Self::Proof>> + Send;

    /// Whether what was found right is right still. Asked at every use, so it is cheap.
    fn holds(&self, proof: &Self::Proof) -> bool;

    /// Counts up when what was wrong before may be right now.
    fn generation(&self) -> u64;
}

/// What was found out about a secret.
#[derive(Debug)]
pub(super) enum Finding<P> {
    Right(P),
    Wrong,
    /// It could not be found out now. Nothing is kept.
    Unknown,
}

/// Whose secret is verified: they take turns, each in a line of their own, so that they wait for their own only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Absent: one of whom nothing is known; all of these are one line.
    pub(super) name: Option<Box<str>>,
    /// It takes much longer than others, and shares a few places with its like.
    pub(super) is_dear: bool,
}

/// How many secrets are verified at the same time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) at_once: usize,
    /// Of those who are dear, beside the others.
    pub(super) dear_at_once: usize,
}

pub(super) enum Verdict<P> {
    Right(Arc<P>),
    Wrong,
    /// Too many are waiting already, or it cannot be found out now: try again.
    Busy,
}

impl<P> Clone for Verdict<P> {
    fn clone(&self) -> Self {
        match self {
            Verdict::Right(proof) => Verdict::Right(Arc::clone(proof)),
            Verdict::Wrong => Verdict::Wrong,
            Verdict::Busy => Verdict::Busy,
        }
    }
}

/// The keyed hash of a secret.
type Key = [u8; 32];

pub(super) struct Verifier<V: Verify> {
    pub(super) kind: V,
    /// Made anew for each process, so that what is kept means nothing elsewhere.
    secret: hmac::Key,
    answers: Answers<V::Proof>,
    queue: Queue<V::Proof>,
}

impl<V: Verify> Verifier<V> {
    pub(super) fn new(kind: V, limits: Limits) -> Arc<Self> {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).expect("the system's random source works");
        Arc::new(Verifier {
            kind,
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            answers: Answers::default(),
            queue: Queue::new(limits),
        })
    }

    /// What is known without any work.
    pub(super) fn known(&self, secret: &V::Secret) -> Option<Verdict<V::Proof>> {
        self.answers.get(&self.key(secret), &self.kind)
    }

    /// `peer`: who sends it.
    pub(super) async fn verify(
        self: &Arc<Self>,
        secret: V::Secret,
        peer: Option<IpAddr>,
    ) -> Verdict<V::Proof> {
        let key = self.key(&secret);
        if let Some(verdict) = self.answers.get(&key, &self.kind) {
            return verdict;
        }
        let Some(mut outcome) = self.join_or_start(key, secret, peer) else {
            return Verdict::Busy;
        };
        // The other end is gone without an answer only when the verification itself died.
        let outcome = outcome.wait_for(Option::is_some).await;
        outcome
            .ok()
            .and_then(|verdict| verdict.clone())
            .unwrap_or(Verdict::Busy)
    }

    #[cfg(test)]
    pub(super) fn dear_waiting(&self) -> usize {
        self.queue.dear_waiting()
    }

    fn key(&self, secret: &V::Secret) -> Key {
        let mut context = hmac::Context::with_key(&self.secret);
        V::digest(secret, &mut context);
        context
            .sign()
            .as_ref()
            .try_into()
            .expect("HMAC-SHA-256 has 32 bytes")
    }

    /// `None`: there is no room.
    fn join_or_start(
        self: &Arc<Self>,
        key: Key,
        secret: V::Secret,
        peer: Option<IpAddr>,
    ) -> Option<watch::Receiver<Option<Verdict<V::Proof>>>> {
        let (outcome, turn) = self.queue.enter(key, || self.kind.line(&secret), peer)?;
        if let Some(turn) = turn {
            // A task of its own: the caller may go away, the others who wait for the same answer may not be let down.
            tokio::spawn(Arc::clone(self).run(key, secret, turn));
        }
        Some(outcome)
    }

    async fn run(self: Arc<Self>, key: Key, secret: V::Secret, turn: Turn<V::Proof>) {
        let place = Place { verifier: &self, key };
        let _permits = self.queue.wait(&turn).await;
        let secret = Arc::new(secret);
        let verdict = loop {
            let generation = self.kind.generation();
            let answer = match self.kind.verify(Arc::clone(&secret)).await {
                Finding::Right(proof) => Answer::right(proof),
                Finding::Wrong => Answer::wrong(generation),
                Finding::Unknown => break Verdict::Busy,
            };
            // Not by what was true and is not any more: those who came since wait for it too.
            if answer.holds(&self.kind) {
                let verdict = answer.verdict();
                self.answers.keep(key, answer, &self.kind);
                break verdict;
            }
        };
        drop(place);
        turn.end(verdict);
    }
}

/// Among those who are being verified, until it is left; also by one that died.
struct Place<'a, V: Verify> {
    verifier: &'a Verifier<V>,
    key: Key,
}

impl<V: Verify> Drop for Place<'_, V> {
    fn drop(&mut self) {
        self.verifier.queue.leave(&self.key);
    }
}
