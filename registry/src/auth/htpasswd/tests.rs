use std::net::IpAddr;
use std::time::{Duration, Instant};

use roadstead_pki::htpasswd::hash_line;

use super::*;
use crate::auth::basic::Credentials;
use crate::auth::verifier::WAITING;
use crate::auth::watching::Watching;
use crate::watch::Reason;

/// A verdict without what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Right,
    Wrong,
    Busy,
}

fn told<P>(verdict: &Verdict<P>) -> Told {
    match verdict {
        Verdict::Right(_) => Told::Right,
        Verdict::Wrong => Told::Wrong,
        Verdict::Busy => Told::Busy,
    }
}

async fn verify(verifier: &Arc<Verifier<Bcrypt>>, credentials: Credentials, peer: Option<IpAddr>) -> Told {
    told(&verifier.verify(credentials, peer).await)
}

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials {
        user: user.to_owned(),
        password: password.to_owned(),
    }
}

fn verifier(cost: u32) -> (Arc<Verifier<Bcrypt>>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    std::fs::write(&path, hash_line("alice", "secret", cost).unwrap()).unwrap();
    let (users, _) = Users::load(&path).unwrap();
    (bcrypt::verifier(Arc::new(users)), folder)
}

#[tokio::test]
async fn only_the_right_password_is_right() {
    let (verifier, _folder) = verifier(4);
    for _ in 0..2 {
        assert_eq!(
            verify(&verifier, credentials("alice", "secret"), None).await,
            Told::Right
        );
        assert_eq!(
            verify(&verifier, credentials("alice", "wrong"), None).await,
            Told::Wrong
        );
        assert_eq!(
            verify(&verifier, credentials("bob", "secret"), None).await,
            Told::Wrong
        );
        assert_eq!(
            verify(&verifier, credentials("alic", "esecret"), None).await,
            Told::Wrong
        );
    }
}

#[tokio::test]
async fn a_right_password_is_hashed_once() {
    let (verifier, _folder) = verifier(10);
    let started = Instant::now();
    assert_eq!(
        verify(&verifier, credentials("alice", "secret"), None).await,
        Told::Right
    );
    let first = started.elapsed();
    let started = Instant::now();
    for _ in 0..100 {
        assert_eq!(
            verify(&verifier, credentials("alice", "secret"), None).await,
            Told::Right
        );
    }
    assert!(
        started.elapsed() < first * 20,
        "100 more took {:?}, the first {first:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_right_password_stays_right_when_others_change() {
    let (verifier, folder) = verifier(4);
    let (alice, path) = (credentials("alice", "secret"), folder.path().join("htpasswd"));
    let known = || verifier.known(&credentials("alice", "secret")).as_ref().map(told);
    assert_eq!(verify(&verifier, alice, None).await, Told::Right);
    let bob = hash_line("bob", "builder", 4).unwrap();
    let with_bob = format!("{}\n{bob}", std::fs::read_to_string(&path).unwrap());
    let reload = |text: String| {
        std::fs::write(&path, text).unwrap();
        verifier.kind.users.reload(Reason::Changed)
    };
    assert!(reload(with_bob));
    assert_eq!(known(), Some(Told::Right));
    assert!(reload(format!(
        "{}\n{bob}",
        hash_line("alice", "secret", 4).unwrap()
    )));
    assert_eq!(known(), None, "set again: somebody may have had a reason");
    assert!(reload(bob));
    assert_eq!(known(), None);
}

/// Verifications that each take as long as the other in their line: which ends first is told by the order of ends,
/// not by a clock.
#[tokio::test]
async fn a_dear_line_and_a_flood_for_it_hold_up_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    let lines = [("alice", 5), ("bob", 5), ("mallory", 12)];
    let lines = lines.map(|(user, cost)| hash_line(user, "secret", cost).unwrap());
    std::fs::write(&path, lines.join("\n")).unwrap();
    let verifier = bcrypt::verifier(Arc::new(Users::load(&path).unwrap().0));
    let peer = Some(IpAddr::from([10, 0, 0, 1]));
    let flood = |user: &'static str, count: usize| {
        let verifier = Arc::clone(&verifier);
        let guesses = (0..count).map(move |number| {
            let verifier = Arc::clone(&verifier);
            async move { verify(&verifier, credentials(user, &format!("{number}")), peer).await }
        });
        tokio::spawn(futures::future::join_all(guesses))
    };
    // All that may wait at once, from the address that everyone else has too.
    let floods = [flood("mallory", WAITING / 2), flood("stranger", WAITING)];
    tokio::task::yield_now().await;
    for user in ["alice", "bob"] {
        assert_eq!(
            verify(&verifier, credentials(user, "secret"), peer).await,
            Told::Right,
            "{user} has a place of their own"
        );
    }
    let waiting = verifier.dear_waiting();
    assert!(
        waiting > WAITING / 4,
        "mallory's {waiting} guesses are still being verified"
    );
    floods.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_changed_file_voids_what_was_verified() {
    let (_, folder) = verifier(4);
    let (users, watcher) = Users::load(&folder.path().join("htpasswd")).unwrap();
    let verifier = bcrypt::verifier(Arc::new(users));
    assert_eq!(
        verify(&verifier, credentials("alice", "secret"), None).await,
        Told::Right
    );
    std::fs::write(
        folder.path().join("htpasswd"),
        hash_line("alice", "changed", 4).unwrap(),
    )
    .unwrap();
    let watched = Passwords {
        realm: String::new(),
        users: Arc::clone(&verifier.kind.users),
        verifier: Arc::clone(&verifier),
    };
    let watching = Watching(vec![(Arc::new(watched) as _, watcher)]);
    let watching = tokio::spawn(watching.run_every(Duration::from_millis(5)));
    while verifier.kind.users.number() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        verify(&verifier, credentials("alice", "secret"), None).await,
        Told::Wrong
    );
    assert_eq!(
        verify(&verifier, credentials("alice", "changed"), None).await,
        Told::Right
    );

    std::fs::write(folder.path().join("htpasswd"), "alice:$apr1$broken").unwrap();
    while verifier.kind.users.failures() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        verify(&verifier, credentials("alice", "changed"), None).await,
        Told::Right,
        "broken never replaces"
    );
    watching.abort();
}
