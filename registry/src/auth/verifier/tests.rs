//! The verifier over something slow that ends when a test says so.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::sync::Semaphore;

use super::queue::WAITING_IN_ALL;
use super::*;

/// Secrets are `name:secret`; the names alice and bob are known.
struct Slow {
    right: Mutex<HashSet<String>>,
    generation: AtomicU64,
    begun: AtomicUsize,
    /// One verification ends for each permit.
    ends: Semaphore,
}

impl Slow {
    fn is_right(&self, secret: &str) -> bool {
        self.right.lock().unwrap().contains(secret)
    }
}

impl Verify for Slow {
    type Secret = String;
    type Proof = String;

    fn digest(secret: &String, into: &mut hmac::Context) {
        into.update(secret.as_bytes());
    }

    fn line(&self, secret: &String) -> Line {
        let name = secret.split(':').next().unwrap();
        Line {
            name: ["alice", "bob"].contains(&name).then(|| name.into()),
            is_dear: false,
        }
    }

    async fn verify(&self, secret: Arc<String>) -> Finding<String> {
        let is_right = self.is_right(&secret);
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.ends.acquire().await.unwrap().forget();
        match secret.as_str() {
            "alice:dies" => panic!("as it is meant to"),
            "alice:unknown" => Finding::Unknown,
            secret if is_right => Finding::Right(secret.to_owned()),
            _ => Finding::Wrong,
        }
    }

    fn holds(&self, proof: &String) -> bool {
        self.is_right(proof)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
}

/// With this many verifications that end at once.
fn verifier(ends: usize) -> Arc<Verifier<Slow>> {
    let slow = Slow {
        right: Mutex::new(["alice:right", "bob:right"].map(str::to_owned).into()),
        generation: AtomicU64::new(0),
        begun: AtomicUsize::new(0),
        ends: Semaphore::new(ends),
    };
    let limits = Limits {
        at_once: 4,
        dear_at_once: 1,
    };
    Verifier::new(slow, limits)
}

fn told<P>(verdict: &Verdict<P>) -> &'static str {
    match verdict {
        Verdict::Right(_) => "right",
        Verdict::Wrong => "wrong",
        Verdict::Busy => "busy",
    }
}

impl Verifier<Slow> {
    async fn ask(self: &Arc<Self>, secret: &str) -> &'static str {
        self.ask_from(secret, None).await
    }

    async fn ask_from(self: &Arc<Self>, secret: &str, peer: Option<IpAddr>) -> &'static str {
        told(&self.verify(secret.to_owned(), peer).await)
    }

    /// Asks without waiting for the answer; whether there was room.
    fn begins(self: &Arc<Self>, secret: &str, peer: Option<IpAddr>) -> bool {
        let secret = secret.to_owned();
        self.join_or_start(self.key(&secret), secret, peer).is_some()
    }

    fn begun(&self) -> usize {
        self.kind.begun.load(Ordering::Relaxed)
    }

    async fn until_begun(&self, count: usize) {
        while self.begun() < count {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_secret_is_verified_once_for_all_who_send_it() {
    let verifier = verifier(1);
    let asked = join_all((0..200).map(|_| verifier.ask("alice:right"))).await;
    assert!(
        asked.iter().all(|told| *told == "right"),
        "more than may wait, yet none is busy"
    );
    assert_eq!(verifier.ask("alice:right").await, "right");
    assert_eq!(verifier.begun(), 1);
}

#[tokio::test]
async fn a_wrong_one_is_remembered_until_it_may_have_become_right() {
    let verifier = verifier(2);
    assert_eq!(
        [verifier.ask("alice:new").await, verifier.ask("alice:new").await],
        ["wrong"; 2]
    );
    assert_eq!(verifier.begun(), 1);
    verifier.kind.right.lock().unwrap().insert("alice:new".to_owned());
    verifier.kind.generation.store(1, Ordering::Relaxed);
    assert_eq!(verifier.ask("alice:new").await, "right");
}

#[tokio::test]
async fn what_is_not_right_any_more_is_verified_again() {
    let verifier = verifier(2);
    assert_eq!(verifier.ask("alice:right").await, "right");
    verifier.kind.right.lock().unwrap().clear();
    assert!(verifier.known(&"alice:right".to_owned()).is_none());
    assert_eq!(verifier.ask("alice:right").await, "wrong");
}

#[tokio::test]
async fn what_changes_while_it_is_verified_is_verified_again_before_anybody_is_told() {
    let verifier = verifier(0);
    let looking = {
        let verifier = Arc::clone(&verifier);
        tokio::spawn(async move { verifier.ask("alice:right").await })
    };
    verifier.until_begun(1).await;
    verifier.kind.right.lock().unwrap().clear();
    verifier.kind.ends.add_permits(2);
    assert_eq!(looking.await.unwrap(), "wrong");
    assert_eq!(verifier.begun(), 2);
}

#[tokio::test]
async fn what_could_not_be_found_out_is_neither_right_nor_wrong_and_is_asked_again() {
    let verifier = verifier(4);
    for secret in ["alice:unknown", "alice:dies"] {
        let begun = verifier.begun();
        assert_eq!(
            [verifier.ask(secret).await, verifier.ask(secret).await],
            ["busy"; 2]
        );
        assert_eq!(verifier.begun(), begun + 2, "{secret}");
    }
}

#[tokio::test]
async fn who_goes_away_lets_nobody_down_who_waits_for_the_same() {
    let verifier = verifier(0);
    let first = {
        let verifier = Arc::clone(&verifier);
        tokio::spawn(async move { verifier.ask("alice:right").await })
    };
    verifier.until_begun(1).await;
    first.abort();
    verifier.kind.ends.add_permits(1);
    assert_eq!(verifier.ask("alice:right").await, "right");
    assert_eq!(verifier.begun(), 1);
}

#[tokio::test]
async fn a_flood_is_told_to_come_again_and_harms_nobody_who_is_known() {
    let verifier = verifier(1);
    assert_eq!(verifier.ask("alice:right").await, "right");
    let guesses = (0..WAITING + 20).map(|guess| verifier.begins(&format!("alice:{guess}"), None));
    assert_eq!(guesses.filter(|has_room| *has_room).count(), WAITING);
    assert_eq!(verifier.ask("alice:another").await, "busy");
    assert_eq!(verifier.ask("alice:right").await, "right");
}

#[tokio::test]
async fn somebody_else_finds_a_place_beside_a_flood() {
    let verifier = verifier(0);
    let [flooding, other] = [1, 2].map(|last| Some(IpAddr::from([192, 0, 2, last])));
    let mut guesses = (0..=WAITING).map(|guess| verifier.begins(&format!("alice:{guess}"), flooding));
    assert_eq!(guesses.position(|has_room| !has_room), Some(WAITING));
    assert!(verifier.begins("alice:right", other), "another address");
    assert!(verifier.begins("bob:right", flooding), "another name");
}

#[tokio::test]
async fn a_flood_from_many_addresses_for_one_name_leaves_places_for_others() {
    let verifier = verifier(0);
    let guess = |guess: u16, address: [u16; 8]| {
        verifier.begins(&format!("mallory:{guess}"), Some(IpAddr::from(address)))
    };
    let of_one_network = (0..100).filter(|i| guess(*i, [0x2001, 0xdb8, 0, 1, 0, 0, 0, *i]));
    assert_eq!(of_one_network.count(), WAITING);
    let of_many = (100..400).filter(|i| guess(*i, [0x2001, 0xdb8, 1, *i, 0, 0, 0, 1]));
    assert_eq!(of_many.count(), WAITING_IN_ALL / 2 - WAITING);
    assert!(verifier.begins("alice:right", Some(IpAddr::from([192, 0, 2, 1]))));
}

#[tokio::test]
async fn each_line_waits_for_itself_alone() {
    let verifier = verifier(0);
    for guess in 0..10 {
        assert!(verifier.begins(&format!("mallory:{guess}"), None));
    }
    assert!(verifier.begins("bob:right", None));
    // One of mallory's and bob's: the other nine wait for mallory's turn, although places are free.
    verifier.until_begun(2).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(verifier.begun(), 2);
}
