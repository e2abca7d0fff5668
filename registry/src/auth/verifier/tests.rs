use roadstead_pki::htpasswd::hash_line;

use super::*;
use crate::watch::Reason;

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
            verifier.verify(credentials("alice", "secret"), None).await,
            Verdict::Right
        );
        assert_eq!(
            verifier.verify(credentials("alice", "wrong"), None).await,
            Verdict::Wrong
        );
        assert_eq!(
            verifier.verify(credentials("bob", "secret"), None).await,
            Verdict::Wrong
        );
        assert_eq!(
            verifier.verify(credentials("alic", "esecret"), None).await,
            Verdict::Wrong
        );
    }
}

#[tokio::test]
async fn a_right_password_is_hashed_once() {
    let (verifier, _folder) = verifier(10);
    let started = Instant::now();
    assert_eq!(
        verifier.verify(credentials("alice", "secret"), None).await,
        Verdict::Right
    );
    let first = started.elapsed();
    let started = Instant::now();
    for _ in 0..100 {
        assert_eq!(
            verifier.verify(credentials("alice", "secret"), None).await,
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
    let all = (0..200).map(|_| verifier.verify(credentials("alice", "secret"), None));
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
        verifier.verify(credentials("alice", "secret"), None).await,
        Verdict::Right
    );
    let flood = (0..WAITING + 20).map(|i| {
        let verifier = Arc::clone(&verifier);
        async move {
            verifier
                .verify(credentials("alice", &format!("guess {i}")), None)
                .await
        }
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
async fn somebody_else_finds_a_place_beside_a_flood() {
    let (verifier, _folder) = verifier(4);
    let [flooding, other] = [1, 2].map(|last| Some(IpAddr::from([192, 0, 2, last])));
    let guesses =
        (0..=WAITING as u8).map(|i| verifier.join_or_start([i; 32], credentials("alice", "guess"), flooding));
    let waiting: Vec<_> = guesses.collect();
    assert_eq!(waiting.iter().position(Option::is_none), Some(WAITING));
    assert_eq!(
        verifier.verify(credentials("alice", "secret"), other).await,
        Verdict::Right
    );
}

#[tokio::test]
async fn a_flood_from_many_addresses_for_one_name_leaves_places_for_others() {
    let (verifier, _folder) = verifier(4);
    let guess = |number: u16, address: [u16; 8]| {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_le_bytes());
        verifier.join_or_start(key, credentials("mallory", "guess"), Some(IpAddr::from(address)))
    };
    let of_one_network: Vec<_> = (0..100)
        .map(|i| guess(i, [0x2001, 0xdb8, 0, 1, 0, 0, 0, i]))
        .collect();
    assert_eq!(of_one_network.iter().flatten().count(), WAITING);
    let of_many: Vec<_> = (100..400)
        .map(|i| guess(i, [0x2001, 0xdb8, 1, i, 0, 0, 0, 1]))
        .collect();
    assert_eq!(of_many.iter().flatten().count(), WAITING_IN_ALL / 2 - WAITING);
    let other = Some(IpAddr::from([192, 0, 2, 1]));
    assert_eq!(
        verifier.verify(credentials("alice", "secret"), other).await,
        Verdict::Right
    );
}

#[tokio::test]
async fn a_right_password_stays_right_when_others_change() {
    let (verifier, folder) = verifier(4);
    let (alice, path) = (credentials("alice", "secret"), folder.path().join("htpasswd"));
    let key = verifier.key(&alice);
    assert_eq!(verifier.verify(alice, None).await, Verdict::Right);
    let bob = hash_line("bob", "builder", 4).unwrap();
    let with_bob = format!("{}\n{bob}", std::fs::read_to_string(&path).unwrap());
    let reload = |text: String| {
        std::fs::write(&path, text).unwrap();
        verifier.users.reload(Reason::Changed)
    };
    assert!(reload(with_bob));
    assert_eq!(verifier.known(&key), Some(true));
    assert!(reload(format!(
        "{}\n{bob}",
        hash_line("alice", "secret", 4).unwrap()
    )));
    assert_eq!(
        verifier.known(&key),
        None,
        "set again: somebody may have had a reason"
    );
    assert!(reload(bob));
    assert_eq!(verifier.known(&key), None);
}

#[tokio::test]
async fn a_password_that_is_changed_while_it_is_looked_at_is_wrong() {
    let (verifier, folder) = verifier(12);
    let cores = verifier.cores.available_permits();
    let looking = {
        let verifier = Arc::clone(&verifier);
        tokio::spawn(async move { verifier.verify(credentials("alice", "secret"), None).await })
    };
    while verifier.cores.available_permits() == cores {
        tokio::task::yield_now().await;
    }
    let path = folder.path().join("htpasswd");
    std::fs::write(&path, hash_line("alice", "changed", 4).unwrap()).unwrap();
    assert!(verifier.users.reload(Reason::Changed));
    assert_eq!(looking.await.unwrap(), Verdict::Wrong);
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
    let verifier = Verifier::new(Arc::new(Users::load(&path).unwrap().0));
    let peer = Some(IpAddr::from([10, 0, 0, 1]));
    let flood = |user: &'static str, count: usize| {
        let verifier = Arc::clone(&verifier);
        let guesses = (0..count).map(move |number| {
            let verifier = Arc::clone(&verifier);
            async move {
                verifier
                    .verify(credentials(user, &format!("{number}")), peer)
                    .await
            }
        });
        tokio::spawn(futures::future::join_all(guesses))
    };
    // All that may wait at once, from the address that everyone else has too.
    let floods = [flood("mallory", WAITING / 2), flood("stranger", WAITING)];
    tokio::task::yield_now().await;
    for user in ["alice", "bob"] {
        assert_eq!(
            verifier.verify(credentials(user, "secret"), peer).await,
            Verdict::Right,
            "{user} has a place of their own"
        );
    }
    let waiting = verifier
        .running
        .lock()
        .unwrap()
        .values()
        .filter(|running| running.line.is_dear)
        .count();
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
    let verifier = Verifier::new(Arc::new(users));
    assert_eq!(
        verifier.verify(credentials("alice", "secret"), None).await,
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
        verifier.verify(credentials("alice", "secret"), None).await,
        Verdict::Wrong
    );
    assert_eq!(
        verifier.verify(credentials("alice", "changed"), None).await,
        Verdict::Right
    );

    std::fs::write(folder.path().join("htpasswd"), "alice:$apr1$broken").unwrap();
    while verifier.users.failures() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        verifier.verify(credentials("alice", "changed"), None).await,
        Verdict::Right,
        "broken never replaces"
    );
    watching.abort();
}
