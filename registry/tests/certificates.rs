//! The program itself, with client certificates: who shows one is who it names, beside people with passwords.

// Helpers of tests are tests too, but the lint sees only what stands inside of #[test].
#![allow(clippy::unwrap_used)]

mod program;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use program::Program;
use roadstead_pki::authority::Authority;
use roadstead_pki::htpasswd::hash_line;
use roadstead_pki::server::ServerCertificate;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A registry with TLS, one user and rules, and the CAs on both sides.
struct Site {
    program: Program,
    servers: Authority,
    people: Authority,
    folder: tempfile::TempDir,
}

impl Site {
    fn with(client_auth: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let (servers, people) = (
            Authority::create("Servers", DAY, now).unwrap(),
            Authority::create("People", DAY, now).unwrap(),
        );
        let certificate = servers.issue_server(&["localhost".to_owned()], DAY, now).unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        file("tls.crt", &certificate.chain_pem());
        file("tls.key", certificate.key_pem());
        file("people.crt", people.certificate_pem());
        file("htpasswd", &hash_line("alice", "secret", 4).unwrap());
        let at = folder.path().display();
        file(
            "config.yml",
            &format!(
                "version: 0.1\n\
                 storage: {{filesystem: {{rootdirectory: {at}/data}}}}\n\
                 http: {{addr: '127.0.0.1:0', tls: {{certificate: {at}/tls.crt, key: {at}/tls.key, \
                 clientcas: [{at}/people.crt], clientauth: {client_auth}}}}}\n\
                 auth: {{htpasswd: {{path: {at}/htpasswd}}}}\n\
                 access: {{rules: [{{users: [alice], repositories: ['**'], actions: [pull, push]}}, \
                 {{users: [node], repositories: ['**'], actions: [pull]}}]}}\n"
            ),
        );
        // A file alone means `serve`.
        let program = Program::start(&[], &folder.path().join("config.yml"));
        Site {
            program,
            servers,
            people,
            folder,
        }
    }

    fn certificate(&self, user: &str) -> ServerCertificate {
        self.people.issue_client(user, DAY, Timestamp::now()).unwrap()
    }

    fn connect(&self, shown: Option<&ServerCertificate>) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.servers.certificate().der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let chain = vec![shown.leaf().der().clone()];
                builder
                    .with_client_auth_cert(chain, shown.key().clone_key())
                    .unwrap()
            }
        };
        let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", self.program.port)).unwrap();
        StreamOwned::new(connection, stream)
    }

    /// The status of an answer; nothing where there is no connection.
    fn status(&self, method: &str, shown: Option<&ServerCertificate>, password: Option<&str>) -> Option<u16> {
        use base64::Engine as _;
        let mut stream = self.connect(shown);
        let login = password.map_or_else(String::new, |password| {
            let encoded = base64::prelude::BASE64_STANDARD.encode(format!("alice:{password}"));
            format!("authorization: Basic {encoded}\r\n")
        });
        let request = format!(
            "{method} /v2/app/blobs/uploads/ HTTP/1.1\r\nhost: x\r\n{login}content-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        // An end without TLS's own word for it is an end as well.
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        text.split(' ').nth(1)?.parse().ok()
    }
}

#[test]
fn an_optional_certificate_is_a_login_beside_passwords() {
    let site = Site::with("optional");
    let (node, other) = (site.certificate("node"), site.certificate("other"));
    for (what, shown, password, expected) in [
        ("nobody", None, None, 401),
        ("alice by her password", None, Some("secret"), 202),
        (
            "the node by its certificate, which may only pull",
            Some(&node),
            None,
            403,
        ),
        ("somebody whom no rule names", Some(&other), None, 403),
        ("alice from the node", Some(&node), Some("secret"), 202),
        ("a wrong password from the node", Some(&node), Some("wrong"), 401),
    ] {
        assert_eq!(site.status("POST", shown, password), Some(expected), "{what}");
    }
}

#[test]
fn a_required_certificate_is_asked_for_beside_the_password() {
    let site = Site::with("required");
    let alice = site.certificate("alice");
    assert_eq!(
        site.status("POST", None, Some("secret")),
        None,
        "no certificate, no connection"
    );
    assert_eq!(
        site.status("POST", Some(&alice), None),
        Some(401),
        "the certificate alone is not enough"
    );
    assert_eq!(site.status("POST", Some(&alice), Some("secret")), Some(202));
}

#[test]
fn a_connection_ends_when_the_ca_of_its_certificate_is_taken_away() {
    let site = Site::with("optional");
    let mut stream = site.connect(Some(&site.certificate("node")));
    stream.write_all(b"GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    let others = Authority::create("Others", DAY, Timestamp::now()).unwrap();
    std::fs::write(site.folder.path().join("people.crt"), others.certificate_pem()).unwrap();
    // No limit of its own: a test that hangs says enough.
    stream.read_to_end(&mut Vec::new()).unwrap();
}
