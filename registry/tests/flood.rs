//! The program itself, while strangers try passwords as fast as they can: who is known pulls on, and it stays ready.

// Helpers of tests are tests too, but the lint sees only what stands inside of #[test].
#![allow(clippy::unwrap_used)]

mod program;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use program::Program;
use roadstead_pki::htpasswd::hash_line;

const BLOB: &str = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
/// As many at once as make the queue for bcrypt run over.
const STRANGERS: usize = 100;
/// Pulls that have to succeed meanwhile.
const PULLS: usize = 100;

fn status(port: u16, request: &str, password: Option<&str>) -> u16 {
    let login = password.map_or_else(String::new, |password| {
        let encoded = base64::prelude::BASE64_STANDARD.encode(format!("alice:{password}"));
        format!("authorization: Basic {encoded}\r\n")
    });
    let (line, body) = request.split_once('\n').unwrap_or((request, ""));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "{line} HTTP/1.1\r\nhost: x\r\n{login}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn wrong_passwords_harm_nobody_who_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let admin = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let at = folder.path().display();
    // Enough for a queue of them to build up.
    let users = hash_line("alice", "secret", 10).unwrap();
    std::fs::write(folder.path().join("htpasswd"), users).unwrap();
    let config = folder.path().join("config.yml");
    let text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {at}/data}}}}\n\
         http: {{addr: '127.0.0.1:0', debug: {{addr: '127.0.0.1:{admin}'}}}}\n\
         auth: {{htpasswd: {{path: {at}/htpasswd}}}}\n"
    );
    std::fs::write(&config, text).unwrap();
    let program = Program::start(&["serve"], &config);
    let port = program.port;
    let push = format!("POST /v2/app/blobs/uploads/?digest={BLOB}\nx");
    assert_eq!(status(port, &push, Some("secret")), 201);

    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let strangers: Vec<_> = (0..STRANGERS)
            .map(|stranger| {
                let is_over = &is_over;
                scope.spawn(move || {
                    let mut told = BTreeSet::new();
                    let mut tries = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        tries += 1;
                        told.insert(status(port, "GET /v2/", Some(&format!("{stranger} {tries}"))));
                    }
                    told
                })
            })
            .collect();
        let known = scope.spawn(move || {
            let pull = format!("GET /v2/app/blobs/{BLOB}");
            let answers = |_| {
                (
                    status(port, &pull, Some("secret")),
                    status(admin, "GET /readyz", None),
                )
            };
            (0..PULLS).map(answers).collect::<BTreeSet<_>>()
        });
        let known = known.join();
        is_over.store(true, Ordering::Relaxed);
        let mut told = BTreeSet::new();
        for stranger in strangers {
            told.extend(stranger.join().unwrap());
        }
        assert_eq!(known.unwrap(), BTreeSet::from([(200, 200)]));
        assert!(told.contains(&429), "the flood was none: {told:?}");
        assert!(told.is_subset(&BTreeSet::from([401, 429])), "{told:?}");
    });
}
