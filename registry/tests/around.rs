//! What stands around the program: the health check of a container, unix sockets, the log that others read, and
//! `check-config`.

// Helpers of tests are tests too, but the lint sees only what stands inside of #[test].
#![allow(clippy::unwrap_used)]

mod program;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use program::{PROGRAM, Program};
use roadstead_pki::authority::Authority;

/// A folder with a configuration; `{dir}` in it is the folder.
struct Site {
    folder: tempfile::TempDir,
    config: PathBuf,
}

impl Site {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text =
            format!("version: 0.1\nstorage: {{filesystem: {{rootdirectory: {{dir}}/data}}}}\n{config}\n");
        let text = text.replace("{dir}", folder.path().to_str().unwrap());
        let path = folder.path().join("config.yml");
        std::fs::write(&path, text).unwrap();
        Site { folder, config: path }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A certificate for the server, and its CA.
    fn with_certificate(self) -> Self {
        let now = Timestamp::now();
        let day = SignedDuration::from_hours(24);
        let ca = Authority::create("test", day, now).unwrap();
        let server = ca.issue_server(&["registry.test".to_owned()], day, now).unwrap();
        std::fs::write(self.path().join("ca.crt"), ca.certificate_pem()).unwrap();
        std::fs::write(self.path().join("tls.crt"), server.chain_pem()).unwrap();
        std::fs::write(self.path().join("tls.key"), server.key_pem()).unwrap();
        self
    }

    fn command(&self, words: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(words)
            .arg(&self.config)
            .output()
            .unwrap()
    }

    fn serve(&self) -> Program {
        Program::start(&["serve"], &self.config)
    }

    fn is_healthy(&self) -> bool {
        let output = self.command(&["health"]);
        assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
        output.status.success()
    }
}

/// Free a moment ago: `health` has to find the port in the configuration.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn health_finds_the_server_however_it_is_served() {
    let (port, admin) = (free_port(), free_port());
    let tls = "tls: {certificate: {dir}/tls.crt, key: {dir}/tls.key";
    for http in [
        format!("http: {{addr: '127.0.0.1:{port}'}}"),
        format!("http: {{addr: ':{port}', prefix: /registry/, debug: {{addr: '127.0.0.1:{admin}'}}}}"),
        format!("http: {{addr: '127.0.0.1:{port}', {tls}}}}}"),
        format!("http: {{addr: '127.0.0.1:{port}', {tls}, clientcas: ['{{dir}}/ca.crt']}}}}"),
        format!(
            "http: {{addr: '127.0.0.1:{port}', {tls}, clientcas: ['{{dir}}/ca.crt'], minimumtls: tls1.3}}}}"
        ),
        "http: {net: unix, addr: '{dir}/registry.sock'}".to_owned(),
        format!("http: {{net: unix, addr: '{{dir}}/registry.sock', {tls}}}}}"),
    ] {
        let site = Site::new(&http).with_certificate();
        assert!(!site.is_healthy(), "nothing is served yet: {http}");
        let served = site.serve();
        let output = site.command(&["health"]);
        assert!(output.status.success(), "{http}: {output:?}");
        served.stop();
        assert!(!site.is_healthy(), "it is stopped: {http}");
    }
}

#[test]
fn health_does_not_take_another_server_for_this_one() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let site = Site::new(&format!("http: {{addr: '127.0.0.1:{port}'}}"));
    assert!(!site.is_healthy());
}

#[test]
fn a_unix_socket_is_served_and_taken_away_again() {
    let site = Site::new("http: {net: unix, addr: '{dir}/registry.sock'}");
    let socket = site.path().join("registry.sock");
    // One that a server left behind is no hindrance.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let served = site.serve();
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream
        .write_all(b"GET /v2/ HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    served.stop();
    assert!(!socket.exists());
    // A file that is no socket stays.
    std::fs::write(&socket, "precious").unwrap();
    let refused = site.command(&["serve"]);
    assert!(!refused.status.success());
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("is not a socket"),
        "{refused:?}"
    );
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "precious");
}

#[test]
fn the_access_line_of_apache_stands_beside_the_own_one() {
    let port = free_port();
    let site = Site::new(&format!(
        "log: {{level: error, accesslog: {{format: combined}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}"
    ));
    let mut program = Program::spawn(Command::new(PROGRAM).arg(&site.config));
    let mut stream = (0..300)
        .find_map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .expect("it listens");
    stream
        .write_all(
            b"GET /v2/demo/tags/list?n=1 HTTP/1.1\r\nHost: x\r\nReferer: http://r/\r\nUser-Agent: docker \"1\"\r\n\
              Connection: close\r\n\r\n",
        )
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    // It is written whatever the level is.
    let line = program.line("tags/list");
    let (begin, rest) = line.split_once(" - - [").unwrap();
    let (time, rest) = rest.split_once("] ").unwrap();
    assert_eq!(begin, "127.0.0.1");
    assert!(
        time.len() == "28/Nov/2026:09:05:07 +0000".len() && time.ends_with(" +0000"),
        "{time}"
    );
    assert_eq!(
        rest,
        format!(
            "\"GET /v2/demo/tags/list?n=1 HTTP/1.1\" 404 {} \"http://r/\" \"docker \\\"1\\\"\"",
            body.len()
        )
    );
}

#[test]
fn check_config_opens_the_files_and_tells_all_at_once() {
    let text = "log: {level: loud}
auth: {htpasswd: {realm: r, path: '{dir}/htpasswd'}}
http: {tls: {certificate: '{dir}/other.crt', key: '{dir}/other.key', clientcas: ['{dir}/ca.crt', '{dir}/no.crt']}}
notifications: {endpoints: [{name: a, url: 'https://x', rootcertbundle: '{dir}/bundle.crt'}]}";
    let site = Site::new(text).with_certificate();
    std::fs::write(site.path().join("data"), "not a folder").unwrap();
    let checked = site.command(&["check-config"]);
    let told = String::from_utf8(checked.stderr).unwrap();
    for expected in [
        "log.level: \"loud\" is not one of",
        "http.tls.certificate: cannot read",
        "http.tls.key: cannot read",
        "http.tls.clientcas.1: cannot read",
        "htpasswd",
        "notifications.endpoints: a: rootcertbundle:",
        "data is not a folder",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let offline = site.command(&["check-config", "--offline"]);
    assert_eq!(String::from_utf8(offline.stderr).unwrap().lines().count(), 1);
    // The same at the start.
    let served = String::from_utf8(site.command(&["serve"]).stderr).unwrap();
    assert!(
        served.contains("log.level") && served.contains("http.tls.key: cannot read"),
        "{served}"
    );
}

#[test]
fn check_config_says_what_it_found() {
    let text =
        "http: {tls: {certificate: '{dir}/tls.crt', key: '{dir}/tls.key', clientcas: ['{dir}/ca.crt']}}
auth: {htpasswd: {realm: r, path: '{dir}/htpasswd'}}";
    let site = Site::new(text).with_certificate();
    let line = roadstead_pki::htpasswd::hash_line("alice", "secret", 4).unwrap();
    std::fs::write(site.path().join("htpasswd"), line).unwrap();
    let checked = site.command(&["check-config"]);
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(
        checked.status.success(),
        "{said} {}",
        String::from_utf8_lossy(&checked.stderr)
    );
    for expected in [
        "tls.crt: for registry.test, until ",
        "clientcas.0",
        "users who can log in: 1",
        "serve makes it",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
