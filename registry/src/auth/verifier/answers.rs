//! What is known of secrets that were verified.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::{Key, Verdict, Verify};

/// How long a wrong secret is remembered.
const WRONG_FOR: Duration = Duration::from_secs(5);
/// How many answers are kept. Only a flood of wrong secrets comes near it.
const KEPT: usize = 4096;

pub(super) enum Answer<P> {
    Right(Arc<P>),
    /// Of this generation, at this time.
    Wrong(u64, Instant),
}

impl<P> Answer<P> {
    pub(super) fn right(proof: P) -> Self {
        Answer::Right(Arc::new(proof))
    }

    pub(super) fn wrong(generation: u64) -> Self {
        Answer::Wrong(generation, Instant::now())
    }

    pub(super) fn verdict(&self) -> Verdict<P> {
        match self {
            Answer::Right(proof) => Verdict::Right(Arc::clone(proof)),
            Answer::Wrong(..) => Verdict::Wrong,
        }
    }

    pub(super) fn holds<V: Verify<Proof = P>>(&self, kind: &V) -> bool {
        match self {
            Answer::Right(proof) => kind.holds(proof),
            Answer::Wrong(generation, at) => *generation == kind.generation() && at.elapsed() < WRONG_FOR,
        }
    }
}

pub(super) struct Answers<P>(RwLock<HashMap<Key, Answer<P>>>);

impl<P> Default for Answers<P> {
    fn default() -> Self {
        Answers(RwLock::default())
    }
}

impl<P> Answers<P> {
    pub(super) fn get<V: Verify<Proof = P>>(&self, key: &Key, kind: &V) -> Option<Verdict<P>> {
        let answers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let answer = answers.get(key)?;
        answer.holds(kind).then(|| answer.verdict())
    }

    pub(super) fn keep<V: Verify<Proof = P>>(&self, key: Key, answer: Answer<P>, kind: &V) {
        let mut answers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= KEPT {
            answers.retain(|_, kept| kept.holds(kind));
        }
        // Wrong answers are dropped first: a flood of them must not make everyone pay again.
        if answers.len() >= KEPT {
            answers.retain(|_, kept| matches!(kept, Answer::Right(_)));
        }
        if answers.len() < KEPT {
            answers.insert(key, answer);
        }
    }
}
