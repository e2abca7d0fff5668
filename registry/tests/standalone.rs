//! The program itself: a private registry from nothing, used, stopped, and started again.

// Helpers of tests are tests too, but the lint sees only what stands inside of #[test].
#![allow(clippy::unwrap_used)]

use std::fs::Permissions;
mod program;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use program::{PROGRAM, Program};
use roadstead_pki::certificate::parse_certificates;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A registry that nothing configures.
struct Server(Program);

impl Server {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--data"]).arg(folder);
        Server(Program::serving(command.env("REGISTRY_HTTP_ADDR", "127.0.0.1:0")))
    }

    /// The status line and the rest of an answer, over verified TLS.
    fn get(&self, folder: &Path, path: &str, password: Option<&str>) -> String {
        use base64::Engine as _;
        let mut roots = RootCertStore::empty();
        for certificate in parse_certificates(&std::fs::read(folder.join("trust/ca.crt")).unwrap()).unwrap() {
            roots.add(certificate.der().clone()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", self.0.port)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let login = password.map_or_else(String::new, |password| {
            let encoded = base64::prelude::BASE64_STANDARD.encode(format!("admin:{password}"));
            format!("authorization: Basic {encoded}\r\n")
        });
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{login}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn a_private_registry_from_nothing_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let password = std::fs::read_to_string(folder.path().join("private/password")).unwrap();
    assert!(
        server
            .get(folder.path(), "/v2/", None)
            .starts_with("HTTP/1.1 401")
    );
    assert!(
        server
            .get(folder.path(), "/v2/_catalog", Some(&password))
            .contains("{\"repositories\":[]}")
    );
    let port = server.0.port;
    let said = server.0.stop();
    assert!(
        !said.contains(&password),
        "this is no terminal, and what it says is kept:\n{said}"
    );
    assert!(said.contains("private/password"), "{said}");
    let (before, after) = said
        .split_once("A private registry is ready")
        .expect("it says what to do");
    assert!(
        !before.contains("msg=serving") && after.contains("msg=serving"),
        "{said}"
    );
    assert!(
        said.contains(&format!("https://localhost:{port}")),
        "the port that is served: {said}"
    );

    let server = Server::start(folder.path());
    assert!(
        server
            .get(folder.path(), "/v2/", Some(&password))
            .starts_with("HTTP/1.1 200")
    );
    assert!(!server.0.stop().contains(&password), "not shown again");
}

#[test]
fn each_thing_that_is_wrong_is_said_on_one_line_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yml");
    for (text, words, lines) in [
        ("storage: {gcs: {bucket: b}}", "storage.gcs", 1),
        (
            "storage: {s3: {bucket: b}}",
            "storage.s3.region: it is missing",
            2,
        ),
        (
            "auth: {htpasswd: {path: /nowhere/htpasswd}}",
            "roadstead-registry htpasswd alice >> /nowhere/htpasswd",
            1,
        ),
        (
            "http: {tls: {certificate: /nowhere/a, key: /nowhere/b}}",
            "http.tls.certificate: cannot read /nowhere/a: No such file or directory (os error 2)\n",
            // The certificate and the key.
            2,
        ),
    ] {
        std::fs::write(&config, format!("{text}\nlog: {{level: error}}\n")).unwrap();
        let output = Command::new(PROGRAM)
            .arg(&config)
            .env("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", folder.path())
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(
            error.starts_with("roadstead-registry: ") && error.contains(words),
            "{error}"
        );
        assert_eq!(error.lines().count(), lines, "{error}");
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn nobody_else_on_the_machine_reads_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // As an earlier version made it.
    std::fs::create_dir_all(data.join("registry")).unwrap();
    let server = Server::start(&data);
    let written = data.join("registry/roadstead/probe");
    while !written.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(mode(&data.join("registry")), 0o700);
    assert_eq!(mode(&data.join("private")), 0o700);
    assert_eq!(mode(&written), 0o600);
    assert_eq!(mode(&data.join("trust/ca.crt")), 0o644, "clients read it");
    server.0.stop();
}

#[test]
fn a_folder_that_somebody_else_could_change_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |data: &Path| {
        let output = Command::new(PROGRAM)
            .args(["serve", "--data"])
            .arg(data)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    for below in ["", "private", "registry", "trust", "private/htpasswd"] {
        let data = folder.path().join(below.replace('/', "-")).join("data");
        std::fs::create_dir_all(data.join("private")).unwrap();
        std::fs::create_dir_all(data.join("registry")).unwrap();
        std::fs::create_dir_all(data.join("trust")).unwrap();
        std::fs::write(data.join("private/htpasswd"), "").unwrap();
        let open = data.join(below);
        std::fs::set_permissions(&open, Permissions::from_mode(0o770)).unwrap();
        let error = refusal(&data);
        assert!(
            error.contains("can be written by others") && error.contains("chmod go-w"),
            "{error}"
        );
        std::fs::set_permissions(&open, Permissions::from_mode(0o700)).unwrap();
        // Only the superuser can give something away.
        if std::os::unix::fs::chown(&open, Some(65534), None).is_ok() {
            let error = refusal(&data);
            assert!(
                error.contains("belongs to user 65534") && error.contains("--data FOLDER"),
                "{error}"
            );
        }
    }
}
