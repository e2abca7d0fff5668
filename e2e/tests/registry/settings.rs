//! Configurations as people write them: what registry:2 starts with, Roadstead starts with; where it is stricter or more
//! lenient, the table says so.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use roadstead_e2e::Software;

/// Of (registry:2, Roadstead).
const BOTH: (bool, bool) = (true, true);
const NONE: (bool, bool) = (false, false);
const LENIENT: (bool, bool) = (false, true);
const STRICT: (bool, bool) = (true, false);

/// Stands before each of the texts, with an address behind it.
const STORAGE: &str = "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {dir}/data\n";

/// What is added to the file, variables, and what starts.
type Input = (
    &'static str,
    &'static [(&'static str, &'static str)],
    (bool, bool),
);

const INPUTS: &[Input] = &[
    ("log:\n  accesslog:\n    disabled: yes\n", &[], BOTH),
    ("log:\n  accesslog:\n    disabled: Off\n", &[], BOTH),
    ("log:\n  accesslog:\n    disabled: yEs\n", &[], NONE),
    ("log:\n  accesslog:\n    disabled: 1\n", &[], NONE),
    ("log:\n  accesslog:\n    disabled: 'true'\n", &[], LENIENT),
    ("  delete:\n    enabled: on\n", &[], BOTH),
    ("", &[("REGISTRY_LOG_ACCESSLOG_DISABLED", "y")], BOTH),
    ("", &[("REGISTRY_LOG_ACCESSLOG_DISABLED", "perhaps")], NONE),
    ("catalog:\n  maxentries: 0x10\n", &[], BOTH),
    ("catalog:\n  maxentries: 1_000\n", &[], BOTH),
    ("catalog:\n  maxentries: 1,000\n", &[], NONE),
    ("", &[("REGISTRY_CATALOG_MAXENTRIES", "1e3")], BOTH),
    (
        "health:\n  storagedriver:\n    enabled: true\n    interval: 10s\n    threshold: 3.0\n",
        &[],
        BOTH,
    ),
    ("health:\n  storagedriver:\n    interval: 1d\n", &[], NONE),
    ("", &[("REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL", "1.5h")], BOTH),
    ("log:\n  fields:\n    a: 0123\n    b: [c]\n    d: ~\n", &[], BOTH),
    ("", &[("REGISTRY_LOG_FIELDS", "{a: 1, b: yes}")], BOTH),
    ("log:\n  formatter: ''\n", &[], BOTH),
    ("log: {level: info, fields: {a: b,}}\n", &[], BOTH),
    ("log:\n  <<: {level: info}\n", &[], BOTH),
    ("log: []\n", &[], NONE),
    ("log:\n  level: trace\n", &[], LENIENT),
    ("catalog:\n  maxentries: 1:30\n", &[], NONE),
    ("catalog:\n  maxentries: '10'\n", &[], LENIENT),
    ("log:\n  level: info\nlog:\n  level: debug\n", &[], BOTH),
    ("log: &l\n  level: info\nx: *l\n", &[], BOTH),
    ("log:\n  level: info\n---\n", &[], BOTH),
    ("log:\n  level: info\n...\n", &[], BOTH),
    ("log:\n  level: info\n---\nauth: [\n", &[], BOTH),
    ("log:\n\tlevel: info\n", &[], NONE),
    ("log:\tlevel\n", &[], NONE),
    ("http:\n  headers:\n    A: [*]\n", &[], NONE),
    ("http:\n  tls:\n    clientcas: /ca.pem\n", &[], NONE),
    ("http:\n  headers:\n    A: b\n", &[], LENIENT),
    ("http:\n  headers:\n    A:\n", &[], BOTH),
    ("http:\n  headers:\n    'A B': [c]\n", &[], STRICT),
    ("", &[("REGISTRY_HTTP_HEADERS", "{A: [b]}")], BOTH),
    ("", &[("REGISTRY_HTTP_HOST", "x")], STRICT),
    ("", &[("REGISTRY_HTTP_TLS", "")], STRICT),
    ("", &[("REGISTRY_LOG_LEVEL", "")], BOTH),
    ("", &[("REGISTRY_LOGLEVEL", "")], BOTH),
    ("", &[("REGISTRY_HTTP_HOST", "")], BOTH),
    ("", &[("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "")], STRICT),
    ("", &[("REGISTRY_VERSION", "0.1")], BOTH),
    (
        "",
        &[(
            "REGISTRY_NOTIFICATIONS_ENDPOINTS",
            "[{name: b, url: 'http://127.0.0.1:2/'}]",
        )],
        BOTH,
    ),
    (
        "",
        &[("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true")],
        LENIENT,
    ),
    ("  delete:\n    enabled: 1\n", &[], STRICT),
    ("", &[("REGISTRY_STORAGE_DELETE", "{enabled: yes}")], BOTH),
    ("http:\n  tsl:\n    certificate: /c\n", &[], STRICT),
    ("http:\n  tls:\n    clientca: [/c]\n", &[], STRICT),
    ("", &[("REGISTRY_MIDDLEWARE_SERVICE_HOST", "10.0.0.1")], BOTH),
    ("", &[("REGISTRY_PORT", "tcp://10.0.0.1:5000")], BOTH),
];

#[test]
fn what_registry_2_starts_with_starts() {
    let mut wrong = Vec::new();
    for (text, variables, expected) in INPUTS {
        let found = (
            starts(Software::Registry2, text, variables),
            starts(Software::Roadstead, text, variables),
        );
        if found != *expected {
            wrong.push(format!("{text:?} {variables:?}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "(registry:2, Roadstead):\n{}", wrong.join("\n"));
}

/// Whether it listens where the variable says, before it ends by itself.
fn starts(software: Software, text: &str, variables: &[(&str, &str)]) -> bool {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = format!("{STORAGE}{text}").replace("{dir}", &folder.path().display().to_string());
    let path = folder.path().join("config.yml");
    std::fs::write(&path, config).expect("the folder can be written");
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let mut process = Command::new(software.program())
        .arg("serve")
        .arg(&path)
        .env_clear()
        .env("REGISTRY_HTTP_ADDR", address.to_string())
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program can be started");
    let started = listens_or_ends(&mut process, address);
    let _ = process.kill();
    let _ = process.wait();
    started
}

fn listens_or_ends(process: &mut Child, address: std::net::SocketAddr) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if TcpStream::connect(address).is_ok() {
            return true;
        }
        if process.try_wait().is_ok_and(|ended| ended.is_some()) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("neither listens nor ends")
}
