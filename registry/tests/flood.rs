//! The program itself, while more is asked of it than it can do at once: who is known is served, and it stays ready.

// Helpers of tests are tests too, but the lint sees only what stands inside of #[test].
#![allow(clippy::unwrap_used)]

mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use http::{Method, Request};
use program::Program;
use roadstead_pki::htpasswd::hash_line;
use sha2::{Digest as _, Sha256};
use ureq::Agent;

/// As many at once as make the queue for bcrypt run over.
const STRANGERS: usize = 100;
/// More than the server has threads.
const TRANSFERS: usize = 100;
const LAYER: usize = 1 << 20;
/// Requests that have to succeed meanwhile.
const ASKED: usize = 100;

/// A registry with one user, alice, whose password is "secret".
struct Site {
    program: Program,
    admin: u16,
    _folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let admin = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let at = folder.path().display();
        // Expensive enough for a queue of them to build up.
        let users = hash_line("alice", "secret", 10).unwrap();
        std::fs::write(folder.path().join("htpasswd"), users).unwrap();
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {at}/data}}}}\n\
             http: {{addr: '127.0.0.1:0', debug: {{addr: '127.0.0.1:{admin}'}}}}\n\
             auth: {{htpasswd: {{path: {at}/htpasswd}}}}\n"
        );
        std::fs::write(&config, text).unwrap();
        Site {
            program: Program::start(&["serve"], &config),
            admin,
            _folder: folder,
        }
    }

    /// The status and the body of an answer.
    fn ask(&self, method: Method, path: &str, password: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let port = self.program.port;
        let login = base64::prelude::BASE64_STANDARD.encode(format!("alice:{password}"));
        let request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{port}{path}"))
            .header("authorization", format!("Basic {login}"));
        answer(request.body(body).unwrap())
    }

    fn push(&self, bytes: &[u8]) -> u16 {
        let path = format!("/v2/app/blobs/uploads/?digest={}", digest_of(bytes));
        self.ask(Method::POST, &path, "secret", bytes).0
    }

    fn pull(&self, digest: &str) -> (u16, Vec<u8>) {
        self.ask(Method::GET, &format!("/v2/app/blobs/{digest}"), "secret", b"")
    }

    fn readiness(&self) -> u16 {
        let url = format!("http://127.0.0.1:{}/readyz", self.admin);
        answer(Request::get(url).body(&b""[..]).unwrap()).0
    }

    /// What alice gets for a small pull, and a probe for its question, while these others keep it busy; and what the others
    /// are told, how often.
    fn asked_beside<T: Ord + Send>(
        &self,
        others: usize,
        other: impl Fn(usize) -> T + Sync,
    ) -> (BTreeSet<(u16, u16)>, BTreeMap<T, usize>) {
        assert_eq!(self.push(b"x"), 201);
        let (is_over, other) = (&AtomicBool::new(false), &other);
        let busy = move |number: usize| {
            let mut told = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                told.push(other(number));
            }
            told
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (0..others)
                .map(|number| scope.spawn(move || busy(number)))
                .collect();
            let asked = scope.spawn(|| {
                let asked = |_| (self.pull(&digest_of(b"x")).0, self.readiness());
                (0..ASKED).map(asked).collect()
            });
            let asked = asked.join();
            is_over.store(true, Ordering::Relaxed);
            let mut told = BTreeMap::new();
            for answer in others.into_iter().flat_map(|other| other.join().unwrap()) {
                *told.entry(answer).or_default() += 1;
            }
            (asked.unwrap(), told)
        })
    }
}

fn answer(request: Request<&[u8]>) -> (u16, Vec<u8>) {
    let agent = Agent::config_builder().http_status_as_error(false).build();
    let mut answer = Agent::from(agent).run(request).unwrap();
    let body = answer.body_mut().read_to_vec().unwrap();
    (answer.status().as_u16(), body)
}

fn digest_of(bytes: &[u8]) -> String {
    roadstead_oci::Digest::sha256(Sha256::digest(bytes).into()).to_string()
}

#[test]
fn wrong_passwords_harm_nobody_who_is_known() {
    let site = Site::new();
    let (asked, told) = site.asked_beside(STRANGERS, |stranger| {
        let password = format!("{stranger} {}", fastrand::u64(..));
        site.ask(Method::GET, "/v2/", &password, b"").0
    });
    assert_eq!(asked, BTreeSet::from([(200, 200)]));
    assert!(told.contains_key(&429), "the flood was none: {told:?}");
    assert!(told.keys().all(|status| [401, 429].contains(status)), "{told:?}");
}

#[test]
fn transfers_leave_room_for_small_requests_and_probes() {
    let site = Site::new();
    let (asked, told) = site.asked_beside(TRANSFERS, |_| {
        let layer = vec![fastrand::u8(..); LAYER];
        let pushed = site.push(&layer);
        let (pulled, bytes) = site.pull(&digest_of(&layer));
        assert!(bytes == layer);
        (pushed, pulled)
    });
    assert_eq!(asked, BTreeSet::from([(200, 200)]));
    assert!(told.keys().eq([&(201, 200)]), "{told:?}");
    // On the whole they took less time than the transfers beside them.
    assert!(told[&(201, 200)] < ASKED * TRANSFERS, "{told:?}");
}
