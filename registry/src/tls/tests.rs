//! TLS with real sockets and real files, swapped as Kubernetes swaps them.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use roadstead_pki::any_certificate::AnyCertificate;
use roadstead_pki::authority::Authority;
use roadstead_pki::server::ServerCertificate;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::settings::{CertificateFiles, OtherCertificate, Settings};
use super::*;

pub(super) const DAY: SignedDuration = SignedDuration::from_hours(24);
const SOON: Duration = Duration::from_secs(5);

/// A folder mounted as Kubernetes mounts a Secret: `tls.crt` → `..data/tls.crt`, `..data` → a version.
pub(super) struct Mounted {
    folder: tempfile::TempDir,
    versions: usize,
}

impl Mounted {
    pub(super) fn new(certificate: &ServerCertificate) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), folder.path().join(name)).unwrap();
        }
        let mut mounted = Mounted { folder, versions: 0 };
        mounted.swap(&certificate.chain_pem(), certificate.key_pem());
        mounted
    }

    fn swap(&mut self, chain: &str, key: &str) {
        self.versions += 1;
        let version = format!("..v{}", self.versions);
        let path = self.folder.path().join(&version);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("tls.crt"), chain).unwrap();
        std::fs::write(path.join("tls.key"), key).unwrap();
        symlink(version, self.folder.path().join("..new")).unwrap();
        std::fs::rename(
            self.folder.path().join("..new"),
            self.folder.path().join("..data"),
        )
        .unwrap();
    }

    pub(super) fn files(&self) -> CertificateFiles {
        let path = |name| self.folder.path().join(name);
        CertificateFiles {
            certificate: path("tls.crt"),
            key: path("tls.key"),
        }
    }
}

pub(super) fn authority() -> Authority {
    Authority::create("Test CA", DAY * 30, Timestamp::now()).unwrap()
}

pub(super) fn issue(authority: &Authority, names: &[&str]) -> ServerCertificate {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    authority.issue_server(&names, DAY, Timestamp::now()).unwrap()
}

pub(super) fn settings(primary: CertificateFiles) -> Settings {
    Settings {
        primary,
        others: Vec::new(),
        client_auth: None,
        only_tls13: false,
        cipher_suites: None,
        http2: true,
    }
}

/// Accepts connections for as long as the runtime lives; each is greeted, and closed.
async fn serve(live: &Arc<Live>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let live = Arc::clone(live);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let config = live.config();
            tokio::spawn(async move {
                if let Ok(mut stream) = accept(stream, config, Duration::from_secs(1)).await {
                    let _ = stream.write_all(b"hello").await;
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    address
}

fn client(authority: &Authority) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The leaf that a client sees who asks for this name. An address sends no name.
async fn leaf(
    address: std::net::SocketAddr,
    client: ClientConfig,
    name: &str,
) -> std::io::Result<CertificateDer<'static>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
    // With TLS 1.3 a refused client certificate shows only at the first read.
    let mut greeting = Vec::new();
    stream.read_to_end(&mut greeting).await?;
    assert_eq!(greeting, b"hello");
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned())
}

pub(super) async fn until(condition: impl AsyncFn() -> bool) {
    tokio::time::timeout(SOON, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("it happens soon");
}

#[tokio::test]
async fn each_name_gets_its_certificate_and_an_address_gets_the_primary() {
    let authority = authority();
    let internal = issue(&authority, &["images.registry.svc", "127.0.0.1"]);
    let external = issue(
        &authority,
        &[
            "registry.example.com",
            "*.apps.example.com",
            "images.registry.svc",
        ],
    );
    let (primary, other) = (Mounted::new(&internal), Mounted::new(&external));
    let mut settings = settings(primary.files());
    settings.others = vec![OtherCertificate {
        files: other.files(),
        optional: true,
    }];
    let (live, _watching) = Live::start(settings).unwrap();
    let address = serve(&live).await;
    for (name, expected) in [
        ("127.0.0.1", &internal),
        ("registry.example.com", &external),
        ("REGISTRY.example.com", &external),
        ("web.apps.example.com", &external),
        ("images.registry.svc", &external),
    ] {
        let seen = leaf(address, client(&authority), name).await.unwrap();
        assert_eq!(&seen, expected.leaf().der(), "{name}");
    }
    let unknown = leaf(address, client(&authority), "a.b.apps.example.com")
        .await
        .unwrap_err();
    assert!(
        unknown.to_string().contains("not valid for name"),
        "the primary, which the client refuses: {unknown}"
    );
}

#[tokio::test]
async fn a_swapped_secret_is_served_and_a_broken_one_is_not() {
    let authority = authority();
    let (first, second) = (
        issue(&authority, &["127.0.0.1"]),
        issue(&authority, &["127.0.0.1"]),
    );
    let mut mounted = Mounted::new(&first);
    let (live, watching) = Live::start(settings(mounted.files())).unwrap();
    let address = serve(&live).await;
    let watching = tokio::spawn(watching.run_every(Duration::from_millis(10)));
    let served = async || leaf(address, client(&authority), "127.0.0.1").await.unwrap();
    assert_eq!(&served().await, first.leaf().der());

    mounted.swap(&second.chain_pem(), first.key_pem());
    until(async || live.failures() == 1).await;
    assert_eq!(
        &served().await,
        first.leaf().der(),
        "a key that does not match leaves the old one in its place"
    );
    assert_eq!(live.status()[0].problems, ["KeyMismatch"]);

    mounted.swap(&second.chain_pem(), second.key_pem());
    until(async || &served().await == second.leaf().der()).await;
    assert_eq!(live.status()[0].problems, [] as [&str; 0]);
    watching.abort();
}

#[tokio::test]
async fn an_optional_certificate_is_served_as_soon_as_it_is_there() {
    let authority = authority();
    let primary = Mounted::new(&issue(&authority, &["127.0.0.1"]));
    let late = issue(&authority, &["late.example.com"]);
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles {
        certificate: folder.path().join("crt"),
        key: folder.path().join("key"),
    };
    let mut settings = settings(primary.files());
    settings.others = vec![OtherCertificate {
        files: files.clone(),
        optional: true,
    }];
    let (live, watching) = Live::start(settings).unwrap();
    let address = serve(&live).await;
    let watching = tokio::spawn(watching.run_every(Duration::from_millis(10)));
    assert_eq!(live.status()[1].not_after, None);
    std::fs::write(&files.certificate, late.chain_pem()).unwrap();
    std::fs::write(&files.key, late.key_pem()).unwrap();
    until(async || {
        leaf(address, client(&authority), "late.example.com")
            .await
            .is_ok()
    })
    .await;
    watching.abort();
}

#[tokio::test]
async fn plain_http_on_the_tls_port_gets_a_clear_answer() {
    let mounted = Mounted::new(&issue(&authority(), &["127.0.0.1"]));
    let (live, _watching) = Live::start(settings(mounted.files())).unwrap();
    let mut stream = TcpStream::connect(serve(&live).await).await.unwrap();
    stream
        .write_all(b"GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    tokio::time::timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("this port speaks HTTPS"), "{answer}");
}

#[tokio::test]
async fn whoever_says_nothing_or_nonsense_is_let_go() {
    let mounted = Mounted::new(&issue(&authority(), &["127.0.0.1"]));
    let (live, _watching) = Live::start(settings(mounted.files())).unwrap();
    let address = serve(&live).await;
    for bytes in [&b""[..], b"\x16", b"\x00\x01", b"hello"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let end = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "the connection hangs after {bytes:?}");
    }
}

#[test]
fn what_nobody_could_use_keeps_the_server_from_starting_and_says_why() {
    let authority = authority();
    let (good, other) = (
        issue(&authority, &["a.example"]),
        issue(&authority, &["b.example"]),
    );
    for (chain, key, words) in [
        (good.chain_pem(), other.key_pem(), "does not match"),
        (String::new(), good.key_pem(), "no certificate found"),
        (good.chain_pem(), "", "private key cannot be read"),
    ] {
        let mut mounted = Mounted::new(&good);
        mounted.swap(&chain, key);
        let error = Live::start(settings(mounted.files()))
            .err()
            .expect("it must not start")
            .to_string();
        assert!(error.contains(words) && error.contains("tls."), "{error}");
    }
    let nowhere = CertificateFiles {
        certificate: PathBuf::from("/nowhere/tls.crt"),
        key: "/nowhere/tls.key".into(),
    };
    let error = Live::start(settings(nowhere))
        .err()
        .expect("it must not start")
        .to_string();
    assert!(
        error.starts_with("http.tls.certificate: cannot read /nowhere/tls.crt"),
        "{error}"
    );
}

#[test]
fn what_some_clients_stumble_over_is_served_and_named() {
    let authority = authority();
    let expired = authority
        .issue_server(&["a.example".to_owned()], DAY, Timestamp::now() - DAY * 20)
        .unwrap();
    let good = issue(&authority, &["a.example"]);
    let v1 = (
        include_str!("../../../pki/src/fixtures/v1.crt"),
        include_str!("../../../pki/src/fixtures/v1.key"),
    );
    let bare = issue(&authority, &[]);
    for (chain, key, expected, is_error) in [
        (bare.chain_pem(), bare.key_pem(), vec!["NoSubjectAltName"], false),
        (expired.chain_pem(), expired.key_pem(), vec!["Expired"], true),
        (
            v1.0.to_owned(),
            v1.1,
            vec!["OldVersion", "NoSubjectAltName"],
            false,
        ),
        (
            format!("\u{feff}{}", good.chain_pem()),
            good.key_pem(),
            vec!["ByteOrderMark"],
            false,
        ),
    ] {
        let mut mounted = Mounted::new(&good);
        mounted.swap(&chain, key);
        let settings = settings(mounted.files());
        let found = look_at(&settings, Timestamp::now());
        assert_eq!(found.fatal, [] as [&str; 0]);
        assert_eq!(found.wrong.is_empty(), !is_error, "{found:?}");
        assert_eq!(found.wrong.len() + found.notes.len(), expected.len());
        let (live, _watching) = Live::start(settings).unwrap();
        assert_eq!(live.status()[0].problems, expected);
    }
}

#[tokio::test]
async fn an_expired_certificate_is_served_and_never_replaces_a_good_one() {
    let authority = authority();
    let good = issue(&authority, &["127.0.0.1"]);
    let expired = authority
        .issue_server(&["127.0.0.1".to_owned()], DAY, Timestamp::now() - DAY * 20)
        .unwrap();
    let mut mounted = Mounted::new(&expired);
    let (live, watching) = Live::start(settings(mounted.files())).unwrap();
    let address = serve(&live).await;
    let watching = tokio::spawn(watching.run_every(Duration::from_millis(10)));
    let refused = leaf(address, client(&authority), "127.0.0.1").await.unwrap_err();
    assert!(
        refused.to_string().contains("expired"),
        "the client says so: {refused}"
    );
    mounted.swap(&good.chain_pem(), good.key_pem());
    until(async || leaf(address, client(&authority), "127.0.0.1").await.is_ok()).await;
    assert_eq!(live.status()[0].problems, [] as [&str; 0]);
    mounted.swap(&expired.chain_pem(), expired.key_pem());
    until(async || live.failures() == 1).await;
    leaf(address, client(&authority), "127.0.0.1").await.unwrap();
    assert_eq!(live.status()[0].problems, ["Expired"], "of what the files hold");
    watching.abort();
}

#[tokio::test]
async fn a_certificate_with_a_short_key_is_served_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let files = CertificateFiles {
        certificate: write("tls.crt", include_bytes!("../../../pki/src/fixtures/rsa1024.crt")),
        key: write("tls.key", include_bytes!("../../../pki/src/fixtures/rsa1024.key")),
    };
    let (live, _watching) = Live::start(settings(files)).unwrap();
    assert_eq!(live.status()[0].problems, ["Weak"]);
    let address = serve(&live).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate::default()))
            .with_no_client_auth();
        leaf(address, client, "127.0.0.1").await.unwrap();
    }
}
