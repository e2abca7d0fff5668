//! The program itself, while more is asked of it than it can do at once: who is known is served, and it stays ready.

// Helpers of tests are tests too, but the lint sees only what stands inside of #[test].
#![allow(clippy::unwrap_used)]

mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use http::{Method, Request};
use program::Program;
use roadstead_pki::htpasswd::hash_line;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use ureq::Agent;

/// As many at once as make the queue for bcrypt run over.
const STRANGERS: usize = 100;
/// More than the server has threads.
const TRANSFERS: usize = 100;
const LAYER: usize = 1 << 20;
/// Connections of one stranger, and what each sends of a head: nearly as much as one may have.
const UNFINISHED: usize = 2000;
const HEAD: usize = 31 << 10;
const STRANGER: [u8; 4] = [127, 0, 0, 2];
/// What the program may have in all meanwhile. The limits are what keeps it below: see docs/security.md.
const MEMORY: usize = 96 << 20;
/// Requests that have to succeed meanwhile.
const ASKED: usize = 100;

/// A registry with one user, alice, whose password is "secret".
struct Site {
    program: Program,
    admin: u16,
    folder: tempfile::TempDir,
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
            folder,
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
        self.admin("/readyz").0
    }

    fn admin(&self, path: &str) -> (u16, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.admin);
        let (status, body) = answer(Request::get(url).body(&b""[..]).unwrap());
        (status, String::from_utf8(body).unwrap())
    }

    /// The number of a line of the metrics.
    fn metric(&self, name: &str) -> usize {
        let (_, text) = self.admin("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |number| number.trim().parse().unwrap())
    }

    /// The most memory that the program ever had.
    fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.process.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
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
    let agent = Agent::config_builder().http_status_as_error(false);
    let agent = agent.timeout_global(Some(Duration::from_secs(60))).build();
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

/// Pulls of a layer whose file never opens, as on a share whose server is gone: a pipe that nobody writes to.
fn pulls_that_hang(site: &Site, count: usize) -> Vec<std::net::TcpStream> {
    assert_eq!(site.push(b"hangs"), 201);
    let digest = digest_of(b"hangs");
    let hex = digest.strip_prefix("sha256:").unwrap();
    let blobs = site.folder.path().join("data/docker/registry/v2/blobs/sha256");
    let data = blobs.join(&hex[..2]).join(hex).join("data");
    std::fs::remove_file(&data).unwrap();
    mknodat(CWD, &data, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let login = base64::prelude::BASE64_STANDARD.encode("alice:secret");
    let request =
        format!("GET /v2/app/blobs/{digest} HTTP/1.1\r\nhost: x\r\nauthorization: Basic {login}\r\n\r\n");
    let pull = |_| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", site.program.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    (0..count).map(pull).collect()
}

#[test]
fn reads_that_hang_leave_logins_other_pulls_and_pushes_unharmed() {
    let site = Site::new();
    assert_eq!(site.push(b"x"), 201);
    let manifest =
        br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let put = site.ask(Method::PUT, "/v2/app/manifests/v1", "secret", manifest);
    assert_eq!(put.0, 201, "{}", String::from_utf8_lossy(&put.1));
    let hanging = pulls_that_hang(&site, TRANSFERS);
    for number in 0..10 {
        let login = site.ask(Method::GET, "/v2/", &format!("wrong {number}"), b"").0;
        let manifest = site.ask(Method::GET, "/v2/app/manifests/v1", "secret", b"").0;
        let (pull, push) = (site.pull(&digest_of(b"x")).0, site.push(&[number]));
        // What the probe asks of the disk is less than a push does.
        assert_eq!(
            (login, manifest, pull, push, site.readiness()),
            (401, 200, 200, 201, 200)
        );
    }
    for stream in hanging {
        stream.set_nonblocking(true).unwrap();
        let answer = (&stream).read(&mut [0; 9]).unwrap_err();
        assert_eq!(answer.kind(), std::io::ErrorKind::WouldBlock, "it did not hang");
    }
}

/// Connections of somebody who never comes to the end of a request's head.
async fn unfinished_heads(from: [u8; 4], port: u16, count: usize) -> Vec<TcpStream> {
    let head = format!("GET /v2/ HTTP/1.1\r\nhost: x\r\nx-long: {}", "a".repeat(HEAD));
    let mut open = Vec::new();
    for _ in 0..count {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let stream = socket.connect(([127, 0, 0, 1], port).into()).await;
        // Whoever is turned away may be so before the end of the connecting, or of the writing.
        let Ok(mut stream) = stream else { continue };
        if stream.write_all(head.as_bytes()).await.is_ok() {
            open.push(stream);
        }
    }
    open
}

#[test]
fn a_flood_of_unfinished_heads_takes_bounded_memory_and_harms_nobody_else() {
    allow_many_files();
    let site = Site::new();
    assert_eq!(site.push(b"x"), 201);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let open = runtime.block_on(async {
        let mut open = unfinished_heads(STRANGER, site.program.port, UNFINISHED).await;
        open.extend(unfinished_heads(STRANGER, site.admin, UNFINISHED / 4).await);
        // Others make it more than the admin port takes in all.
        for other in 3..8 {
            open.extend(unfinished_heads([127, 0, 0, other], site.admin, 64).await);
        }
        open
    });
    // Neither those who pull nor those who probe have to wait for the flood to end.
    for _ in 0..10 {
        assert_eq!((site.pull(&digest_of(b"x")).0, site.readiness()), (200, 200));
    }
    let of_api =
        site.metric(r#"roadstead_registry_connections_refused_total{port="api",reason="peraddress"}"#);
    let of_admin =
        site.metric(r#"roadstead_registry_connections_refused_total{port="admin",reason="peraddress"}"#);
    assert_eq!((of_api, of_admin), (UNFINISHED - 1024, UNFINISHED / 4 - 64));
    let in_all =
        site.metric(r#"roadstead_registry_connections_refused_total{port="admin",reason="connections"}"#);
    assert!(in_all > 0);
    assert!(site.peak_memory() < MEMORY, "{} bytes", site.peak_memory());
    // Who goes makes room.
    drop(open);
    while site.metric("roadstead_registry_connections ") > 2 {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        runtime
            .block_on(unfinished_heads(STRANGER, site.program.port, 1))
            .len(),
        1
    );
}

fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, all).unwrap();
}
