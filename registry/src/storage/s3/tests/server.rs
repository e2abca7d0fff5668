//! A real server that speaks S3, over TLS, with a bucket. One for all tests of a process.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use roadstead_pki::authority::Authority;

use super::super::settings::{Credentials, Settings};

const BUCKET: &str = "images";
const ACCESS_KEY: &str = "someone";
const SECRET_KEY: &str = "something secret";
/// The one list of the parts and their versions.
const PARTS: &str = include_str!("../../../../../e2e/cluster/parts.txt");
/// Ends the server with the process that holds this one's input open, however that ends.
const WITH_US: &str = r#"folder=$1; shift; "$@" >"$folder/log" 2>&1 & server=$!; cat >/dev/null; kill $server; wait; rm -rf "$folder""#;

/// Ends when the process does.
struct Server {
    _process: Child,
    port: u16,
    ca_file: PathBuf,
}

/// A place of its own in the bucket.
pub(super) fn settings() -> Settings {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(start);
    Settings {
        endpoint: Some(format!("https://localhost:{}", server.port)),
        path_style: true,
        root: format!("tests/{}", uuid::Uuid::new_v4()),
        credentials: Some(Credentials {
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            session_token: None,
        }),
        ca_file: Some(server.ca_file.clone()),
        ..Settings::new(BUCKET, "us-east-1")
    }
}

fn start() -> Server {
    let folder = tempfile::tempdir().unwrap().keep();
    let ca_file = certificates(&folder);
    // What is a bucket here is a folder.
    std::fs::create_dir_all(folder.join("buckets").join(BUCKET)).unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let process = Command::new("sh")
        .args(["-c", WITH_US, "sh"])
        .arg(&folder)
        .arg(versitygw())
        .args([
            "--access",
            ACCESS_KEY,
            "--secret",
            SECRET_KEY,
            "--keep-alive",
            "--quiet",
        ])
        .args(["--port", &format!("127.0.0.1:{port}")])
        .arg("--cert")
        .arg(folder.join("tls.crt"))
        .arg("--key")
        .arg(folder.join("tls.key"))
        .arg("posix")
        .arg(folder.join("buckets"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "versitygw does not start: {}",
            log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Server {
        _process: process,
        port,
        ca_file,
    }
}

fn certificates(folder: &Path) -> PathBuf {
    let (day, now) = (SignedDuration::from_hours(24), Timestamp::now());
    let authority = Authority::create("of a test", day, now).unwrap();
    let server = authority
        .issue_server(&["localhost".to_owned()], day, now)
        .unwrap();
    std::fs::write(folder.join("tls.crt"), server.chain_pem()).unwrap();
    std::fs::write(folder.join("tls.key"), server.key_pem()).unwrap();
    let ca_file = folder.join("ca.crt");
    std::fs::write(&ca_file, authority.certificate_pem()).unwrap();
    ca_file
}

/// As set-up has put it.
fn versitygw() -> PathBuf {
    let mut parts = PARTS
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let version = parts.find_map(|fields| match fields[..] {
        ["versitygw", _, _, version, ..] => Some(version),
        _ => None,
    });
    let own = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = own("XDG_CACHE_HOME")
        .or_else(|| own("HOME").map(|home| home.join(".cache")))
        .unwrap();
    let program = cache
        .join("roadstead/versitygw")
        .join(version.unwrap())
        .join("versitygw");
    assert!(
        program.is_file(),
        "{} is not there: run make setup",
        program.display()
    );
    program
}
