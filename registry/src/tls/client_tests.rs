//! Clients that show a certificate, with real handshakes.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use roadstead_pki::authority::Authority;
use roadstead_pki::certificate::parse_certificates;
use roadstead_pki::server::ServerCertificate;
use rustls::pki_types::{PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier as _;
use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::Live;
use super::accept::client;
use super::client_verifier::ClientVerifier;
use super::refused::Refused;
use super::settings::ClientAuth;
use super::stream::TlsStream;
use super::tests::{DAY, Mounted, authority, issue, settings, until};

/// Whom the server takes a client for: an error where there was no handshake.
type Seen = Result<Option<String>, String>;

struct Server {
    live: Arc<Live>,
    watching: tokio::task::JoinHandle<()>,
    servers: Authority,
    folder: tempfile::TempDir,
    _certificate: Mounted,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

fn people(name: &str) -> Authority {
    Authority::create(name, DAY * 30, Timestamp::now()).unwrap()
}

impl Server {
    fn trusting(people: &Authority, required: bool) -> Self {
        let servers = authority();
        let certificate = Mounted::new(&issue(&servers, &["127.0.0.1"]));
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.crt");
        std::fs::write(&ca, people.certificate_pem()).unwrap();
        let mut settings = settings(certificate.files());
        settings.client_auth = Some(ClientAuth {
            cas: vec![ca],
            required,
            logs_in: !required,
        });
        let (live, watching) = Live::start(settings).unwrap();
        Server {
            live,
            watching: tokio::spawn(watching.run_every(Duration::from_millis(5))),
            servers,
            folder,
            _certificate: certificate,
        }
    }

    fn write_cas(&self, text: &str) {
        std::fs::write(self.folder.path().join("ca.crt"), text).unwrap();
    }

    /// A client with this certificate, or without any.
    fn client(
        &self,
        shown: Option<&ServerCertificate>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.servers.certificate().der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let chain = shown.chain().iter().map(|link| link.der().clone()).collect();
                let key: PrivateKeyDer<'static> = shown.key().clone_key();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }

    /// One connection, by a client with this certificate, or without any.
    async fn sees(&self, shown: Option<&ServerCertificate>) -> Seen {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let connect = TlsConnector::from(self.client(shown, ALL_VERSIONS))
            .connect("127.0.0.1".try_into().unwrap(), theirs);
        let accept = TlsStream::accept(ours, self.live.config());
        let (accepted, _connected) = tokio::join!(accept, connect);
        let accepted = accepted.map_err(|error| error.to_string())?;
        Ok(client(&accepted).and_then(|certificate| certificate.user()))
    }

    async fn refuses(&self, client: Arc<ClientConfig>, name: &'static str) -> Refused {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let connect = TlsConnector::from(client).connect(name.try_into().unwrap(), theirs);
        let accept = TlsStream::accept(ours, self.live.config());
        let (accepted, _connected) = tokio::join!(accept, connect);
        Refused::from(accepted.err().expect("it is refused"))
    }

    /// One connection over which a byte came, by a client that may have had one before.
    async fn shakes_hands(&self, client: &Arc<ClientConfig>) -> HandshakeKind {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let connect = TlsConnector::from(Arc::clone(client)).connect("127.0.0.1".try_into().unwrap(), theirs);
        let accept = TlsStream::accept(ours, self.live.config());
        let (accepted, connected) = tokio::join!(accept, connect);
        let (mut accepted, mut connected) = (accepted.unwrap(), connected.unwrap());
        // The tickets for another time come before it.
        accepted.write_all(b"!").await.unwrap();
        accepted.flush().await.unwrap();
        connected.read_u8().await.unwrap();
        connected.get_ref().1.handshake_kind().unwrap()
    }
}

fn user(authority: &Authority, name: &str) -> ServerCertificate {
    authority.issue_client(name, DAY, Timestamp::now()).unwrap()
}

#[tokio::test]
async fn a_required_certificate_is_looked_at_and_names_the_user() {
    let (ours, others) = (people("People"), people("People"));
    let server = Server::trusting(&ours, true);
    let expired = ours
        .issue_client("carol", DAY, Timestamp::now() - DAY * 3)
        .unwrap();
    assert_eq!(
        server.sees(Some(&user(&ours, "alice"))).await,
        Ok(Some("alice".to_owned()))
    );
    for (what, shown) in [
        ("none", None),
        (
            "one of another CA with the same name",
            Some(user(&others, "alice")),
        ),
        ("an expired one", Some(expired)),
        ("a server's", Some(issue(&ours, &["alice"]))),
    ] {
        let seen = server.sees(shown.as_ref()).await;
        assert!(seen.is_err(), "{what}: {seen:?}");
    }
}

#[tokio::test]
async fn an_optional_certificate_may_be_left_out_but_not_be_wrong() {
    let (ours, others) = (people("People"), people("Others"));
    let server = Server::trusting(&ours, false);
    assert_eq!(server.sees(None).await, Ok(None));
    assert_eq!(
        server.sees(Some(&user(&ours, "alice"))).await,
        Ok(Some("alice".to_owned()))
    );
    let expired = ours
        .issue_client("carol", DAY, Timestamp::now() - DAY * 3)
        .unwrap();
    assert!(server.sees(Some(&expired)).await.is_err());
    // A client chooses what to show by the names of the CAs that it is told; one that shows another's all the same is
    // turned away. rustls does.
    assert!(server.sees(Some(&user(&others, "mallory"))).await.is_err());
}

#[tokio::test]
async fn changed_client_cas_hold_without_a_restart_and_broken_ones_never_do() {
    let (old, new) = (people("Old"), people("New"));
    let server = Server::trusting(&old, true);
    let (by_old, by_new) = (user(&old, "alice"), user(&new, "alice"));
    assert!(server.sees(Some(&by_old)).await.is_ok());
    assert!(server.sees(Some(&by_new)).await.is_err());
    server.write_cas(&format!("{}{}", old.certificate_pem(), new.certificate_pem()));
    until(async || server.sees(Some(&by_new)).await.is_ok()).await;
    assert!(
        server.sees(Some(&by_old)).await.is_ok(),
        "both, while one follows the other"
    );
    server.write_cas(new.certificate_pem());
    until(async || server.sees(Some(&by_old)).await.is_err()).await;
    server.write_cas("not a certificate");
    until(async || server.live.failures() == 1).await;
    assert!(server.sees(Some(&by_new)).await.is_ok(), "the old ones stay");
    assert!(server.sees(Some(&by_old)).await.is_err());
}

#[tokio::test]
async fn a_certificate_is_shown_anew_for_every_connection() {
    let people = people("People");
    for (required, version) in [(true, &TLS13), (true, &TLS12), (false, &TLS13), (false, &TLS12)] {
        let server = Server::trusting(&people, required);
        let alice = server.client(Some(&user(&people, "alice")), &[version]);
        for _ in 0..3 {
            let kind = server.shakes_hands(&alice).await;
            assert!(
                matches!(kind, HandshakeKind::Full),
                "required: {required}, {version:?}: {kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_certificate_is_void_when_it_expires() {
    let server = Server::trusting(&people("People"), true);
    for left in [-DAY, SignedDuration::from_millis(30)] {
        let not_after = Timestamp::now() + left;
        server.live.client_cas().until_void(not_after).await;
        assert!(Timestamp::now() >= not_after);
    }
}

#[tokio::test]
async fn a_certificate_is_void_when_other_cas_hold() {
    let (old, new) = (people("Old"), people("New"));
    let server = Server::trusting(&old, true);
    let first = server.live.client_cas();
    let void = tokio::spawn(first.until_void(Timestamp::now() + DAY));
    server.write_cas("not a certificate");
    until(async || server.live.failures() == 1).await;
    assert!(!void.is_finished(), "the old ones stay");
    server.write_cas(new.certificate_pem());
    void.await.unwrap();
}

#[tokio::test]
async fn somebody_who_is_no_ca_cannot_vouch_for_others() {
    let people = people("People");
    let alice = user(&people, "alice");
    let server = Server::trusting(&people, true);
    server.write_cas(&alice.leaf().to_pem());
    until(async || server.live.failures() == 1).await;
    assert!(server.sees(Some(&alice)).await.is_ok(), "the old ones stay");
}

#[tokio::test]
async fn only_the_chosen_cipher_suites_of_tls_1_2_are_spoken() {
    let servers = authority();
    let certificate = Mounted::new(&issue(&servers, &["127.0.0.1"]));
    let suite = rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384;
    let mut settings = settings(certificate.files());
    settings.cipher_suites = Some(vec![suite]);
    let (live, _watching) = Live::start(settings).unwrap();
    let spoken = async |version: &'static rustls::SupportedProtocolVersion| {
        let mut roots = RootCertStore::empty();
        roots.add(servers.certificate().der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let connect = TlsConnector::from(Arc::new(config)).connect("127.0.0.1".try_into().unwrap(), theirs);
        let (_accepted, connected) = tokio::join!(TlsStream::accept(ours, live.config()), connect);
        connected
            .unwrap()
            .get_ref()
            .1
            .negotiated_cipher_suite()
            .unwrap()
            .suite()
    };
    assert_eq!(spoken(&rustls::version::TLS12).await, suite);
    let of_tls13 = spoken(&rustls::version::TLS13).await;
    assert!(format!("{of_tls13:?}").starts_with("TLS13_"), "{of_tls13:?}");
}

#[tokio::test]
async fn each_refusal_has_a_reason_and_a_sentence() {
    let (ours, others) = (people("People"), people("Others"));
    let server = Server::trusting(&ours, true);
    let expired = ours
        .issue_client("carol", DAY, Timestamp::now() - DAY * 3)
        .unwrap();
    let not_for_clients = ours
        .issue_server(&["web.example".to_owned()], DAY, Timestamp::now())
        .unwrap();
    for (shown, reason, words) in [
        (None, "client_certificate_missing", "shows no certificate"),
        (Some(&expired), "client_certificate_expired", "expired"),
        (
            Some(&user(&others, "eve")),
            "client_certificate_unknown_ca",
            "not signed by a CA of http.tls.clientcas",
        ),
        (Some(&not_for_clients), "client_certificate_invalid", "not taken"),
    ] {
        let refused = server
            .refuses(server.client(shown, ALL_VERSIONS), "127.0.0.1")
            .await;
        assert_eq!(refused.reason(), reason, "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
    }
    // By the client.
    let alice = user(&ours, "alice");
    let refused = server
        .refuses(server.client(Some(&alice), ALL_VERSIONS), "other.example")
        .await;
    assert_eq!(refused.reason(), "server_certificate_refused", "{refused}");
}

#[test]
fn a_clients_certificate_of_old_instructions_is_refused_by_name() {
    let mut roots = RootCertStore::empty();
    roots.add(people("People").certificate().der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = ClientVerifier(verifier.build().unwrap());
    for (pem, words) in [
        (
            &include_bytes!("../../../pki/src/fixtures/rsa1024.crt")[..],
            "1024 bits",
        ),
        (
            &include_bytes!("../../../pki/src/fixtures/v1.crt")[..],
            "X.509 version 1",
        ),
    ] {
        let shown = &parse_certificates(pem).unwrap()[0];
        let error = verifier
            .verify_client_cert(shown.der(), &[], UnixTime::now())
            .unwrap_err();
        let refused = Refused::from(std::io::Error::new(std::io::ErrorKind::InvalidData, error));
        assert!(refused.to_string().contains(words), "{refused}");
        assert_eq!(refused.reason(), "client_certificate_invalid");
    }
}
