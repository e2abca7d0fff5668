//! Verifies passwords without letting bcrypt hurt anyone.
//!
//! bcrypt is slow on purpose. So it runs off the async threads, on all cores but one, once for a credential however
//! many connections send it, and its answer is kept: a right password until the file of users changes, a wrong one
//! for a moment. What is kept is keyed by a keyed hash, never by the password.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use tokio::sync::{Semaphore, watch};

use super::basic::Credentials;
use super::users::Users;

/// How long a wrong password is remembered.
const WRONG_FOR: Duration = Duration::from_secs(5);
/// How many credentials may wait to be verified. With bcrypt's usual cost that is some seconds of work.
const WAITING: usize = 64;
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

#[derive(Clone, Copy)]
struct Answer {
    right: bool,
    version: u64,
    at: Instant,
}

impl Answer {
    fn holds(&self, version: u64, now: Instant) -> bool {
        self.version == version && (self.right || now.duration_since(self.at) < WRONG_FOR)
    }
}

pub(super) struct Verifier {
    users: Arc<Users>,
    /// Made anew for each process, so that what is kept means nothing elsewhere.
    secret: hmac::Key,
    answers: RwLock<HashMap<Key, Answer>>,
    /// Those being verified now, so that a second connection with the same credential waits for the first.
    running: Mutex<HashMap<Key, watch::Receiver<Option<bool>>>>,
    cores: Arc<Semaphore>,
}

impl Verifier {
    pub(super) fn new(users: Arc<Users>) -> Arc<Self> {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).expect("the system's random source works");
        let cores = std::thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1));
        Arc::new(Verifier {
            users,
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            answers: RwLock::default(),
            running: Mutex::default(),
            cores: Arc::new(Semaphore::new(cores)),
        })
    }

    pub(super) async fn verify(self: &Arc<Self>, credentials: Credentials) -> Verdict {
        let key = self.key(&credentials);
        if let Some(right) = self.known(&key) {
            return if right { Verdict::Right } else { Verdict::Wrong };
        }
        let Some(mut outcome) = self.join_or_start(key, credentials) else {
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
        let answer = *self
            .answers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)?;
        answer
            .holds(self.users.number(), Instant::now())
            .then_some(answer.right)
    }

    fn join_or_start(
        self: &Arc<Self>,
        key: Key,
        credentials: Credentials,
    ) -> Option<watch::Receiver<Option<bool>>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = running.get(&key) {
            return Some(outcome.clone());
        }
        if running.len() >= WAITING {
            return None;
        }
        let (sender, outcome) = watch::channel(None);
        running.insert(key, outcome.clone());
        // A task of its own: the caller may go away, the others who wait for the same answer may not be let down.
        tokio::spawn(Arc::clone(self).run(key, credentials, sender));
        Some(outcome)
    }

    async fn run(self: Arc<Self>, key: Key, credentials: Credentials, outcome: watch::Sender<Option<bool>>) {
        let version = self.users.current();
        let number = version.number;
        let permit = Arc::clone(&self.cores).acquire_owned().await;
        let verified = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            version.htpasswd.verify(&credentials.user, &credentials.password)
        });
        let right = verified.await.unwrap_or(false);
        self.keep(
            key,
            Answer {
                right,
                version: number,
                at: Instant::now(),
            },
        );
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);
        outcome.send_replace(Some(right));
    }

    fn keep(&self, key: Key, answer: Answer) {
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= KEPT {
            let version = self.users.number();
            answers.retain(|_, kept| kept.holds(version, answer.at));
        }
        // Wrong answers are dropped first: a flood of them must not make everyone pay for bcrypt again.
        if answers.len() >= KEPT {
            answers.retain(|_, kept| kept.right);
        }
        if answers.len() < KEPT {
            answers.insert(key, answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use roadstead_pki::htpasswd::hash_line;

    use super::*;

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    fn verifier(cost: u32) -> (Arc<Verifier>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        std::fs::write(&path, hash_line("alice", "secret", cost).unwrap()).unwrap();
        let (users, _) = Users::load(&path).unwrap();
        (Verifier::new(Arc::new(users)), folder)
    }

    #[tokio::test]
    async fn only_the_right_password_is_right() {
        let (verifier, _folder) = verifier(4);
        for _ in 0..2 {
            assert_eq!(
                verifier.verify(credentials("alice", "secret")).await,
                Verdict::Right
            );
            assert_eq!(
                verifier.verify(credentials("alice", "wrong")).await,
                Verdict::Wrong
            );
            assert_eq!(
                verifier.verify(credentials("bob", "secret")).await,
                Verdict::Wrong
            );
            assert_eq!(
                verifier.verify(credentials("alic", "esecret")).await,
                Verdict::Wrong
            );
        }
    }

    #[tokio::test]
    async fn a_right_password_is_hashed_once() {
        let (verifier, _folder) = verifier(10);
        let started = Instant::now();
        assert_eq!(
            verifier.verify(credentials("alice", "secret")).await,
            Verdict::Right
        );
        let first = started.elapsed();
        let started = Instant::now();
        for _ in 0..100 {
            assert_eq!(
                verifier.verify(credentials("alice", "secret")).await,
                Verdict::Right
            );
        }
        assert!(
            started.elapsed() < first * 20,
            "100 more took {:?}, the first {first:?}",
            started.elapsed()
        );
    }

    #[tokio::test]
    async fn connections_that_send_the_same_credential_share_one_verification() {
        let (verifier, _folder) = verifier(10);
        let all = (0..200).map(|_| verifier.verify(credentials("alice", "secret")));
        let verdicts = futures::future::join_all(all).await;
        assert!(
            verdicts.iter().all(|verdict| *verdict == Verdict::Right),
            "more than {WAITING}, yet none is busy"
        );
    }

    #[tokio::test]
    async fn a_flood_of_wrong_passwords_is_told_to_come_again_and_harms_nobody_who_is_known() {
        let (verifier, _folder) = verifier(8);
        assert_eq!(
            verifier.verify(credentials("alice", "secret")).await,
            Verdict::Right
        );
        let flood = (0..WAITING + 20).map(|i| {
            let verifier = Arc::clone(&verifier);
            async move { verifier.verify(credentials("alice", &format!("guess {i}"))).await }
        });
        let flood = tokio::spawn(futures::future::join_all(flood));
        tokio::task::yield_now().await;
        assert_eq!(
            verifier.known(&verifier.key(&credentials("alice", "secret"))),
            Some(true)
        );
        let verdicts = flood.await.unwrap();
        assert_eq!(
            verdicts
                .iter()
                .filter(|verdict| **verdict == Verdict::Busy)
                .count(),
            20
        );
        assert!(!verdicts.contains(&Verdict::Right));
    }

    #[tokio::test]
    async fn a_changed_file_voids_what_was_verified() {
        let (_, folder) = verifier(4);
        let (users, watcher) = Users::load(&folder.path().join("htpasswd")).unwrap();
        let verifier = Verifier::new(Arc::new(users));
        assert_eq!(
            verifier.verify(credentials("alice", "secret")).await,
            Verdict::Right
        );
        std::fs::write(
            folder.path().join("htpasswd"),
            hash_line("alice", "changed", 4).unwrap(),
        )
        .unwrap();
        let users = Arc::clone(&verifier.users);
        let watching = tokio::spawn(async move { users.watch(watcher, Duration::from_millis(5)).await });
        while verifier.users.number() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(
            verifier.verify(credentials("alice", "secret")).await,
            Verdict::Wrong
        );
        assert_eq!(
            verifier.verify(credentials("alice", "changed")).await,
            Verdict::Right
        );

        std::fs::write(folder.path().join("htpasswd"), "alice:$apr1$broken").unwrap();
        while verifier.users.failures() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(
            verifier.verify(credentials("alice", "changed")).await,
            Verdict::Right,
            "broken never replaces"
        );
        watching.abort();
    }
}
