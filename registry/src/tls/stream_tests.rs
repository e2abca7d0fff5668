//! A connection against a stock client, over lines that stall, tear and close.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::cipher::Iv;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ConnectionTrafficSecrets, ContentType, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

use roadstead_pki::authority::Authority;

use super::super::provider::with_suites_of_ring;
use super::super::tests::{authority, issue};
use super::*;

pub(super) type Client = tokio_rustls::client::TlsStream<DuplexStream>;

pub(super) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

fn server_config(authority: &Authority, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
    let certificate = issue(authority, &["127.0.0.1"]);
    // The mix that is used on some processors only; the client's is aws-lc alone.
    let provider = Arc::new(with_suites_of_ring());
    let chain = certificate
        .chain()
        .iter()
        .map(|link| link.der().clone())
        .collect();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, certificate.key().clone_key())
        .unwrap();
    Arc::new(config)
}

/// Both ends of a connection over a line that holds so many bytes.
pub(super) async fn connected(
    version: &'static SupportedProtocolVersion,
    line: usize,
) -> (TlsStream<DuplexStream>, Client) {
    let authority = authority();
    let server = server_config(&authority, version);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().der().clone()).unwrap();
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.enable_secret_extraction = true;
    let (ours, theirs) = duplex(line);
    let connector = TlsConnector::from(Arc::new(client));
    let client = tokio::spawn(connector.connect("127.0.0.1".try_into().unwrap(), theirs));
    let mut server = TlsStream::accept(ours, server).await.unwrap();
    // The last that a client of TLS 1.2 waits for may still have to be sent.
    while !client.is_finished() {
        let _ = tokio::time::timeout(Duration::from_millis(1), server.flush()).await;
        tokio::task::yield_now().await;
    }
    (server, client.await.unwrap().unwrap())
}

pub(super) fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|number| (number * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn every_byte_comes_through_in_order_whatever_the_pieces_and_the_line() {
    for version in VERSIONS {
        for line in [100, 5000, 1 << 20] {
            let (server, client) = connected(version, line).await;
            let (mut from_client, mut to_client) = tokio::io::split(server);
            let (mut from_server, mut to_server) = tokio::io::split(client);
            let sent = bytes(300_001);
            let talk = async |to: &mut (dyn AsyncWrite + Unpin + Send)| {
                for piece in sent.chunks(70_001) {
                    to.write_all(piece).await.unwrap();
                }
                to.shutdown().await.unwrap();
            };
            let (mut received, mut answered) = (Vec::new(), Vec::new());
            tokio::join!(
                talk(&mut to_server),
                talk(&mut to_client),
                async { from_client.read_to_end(&mut received).await.unwrap() },
                async { from_server.read_to_end(&mut answered).await.unwrap() },
            );
            assert!(received == sent, "{version:?}, a line of {line}");
            assert!(answered == sent, "{version:?}, a line of {line}");
        }
    }
}

#[tokio::test]
async fn content_that_is_asked_for_in_small_pieces_is_kept_until_then() {
    // Many records that come together, and many times what is received at once.
    for (count, record) in [(10_000, 500), (100_000, 16_000)] {
        let (mut server, mut client) = connected(&TLS13, 1 << 20).await;
        let sent = bytes(count);
        for piece in sent.chunks(record) {
            client.write_all(piece).await.unwrap();
        }
        client.flush().await.unwrap();
        let mut received = Vec::new();
        let mut piece = [0; 77];
        while received.len() < sent.len() {
            let count = server.read(&mut piece).await.unwrap();
            received.extend_from_slice(&piece[..count]);
            // What was opened and what was not must not get in the way of an answer.
            server.write_all(b"x").await.unwrap();
        }
        assert!(received == sent, "records of {record}");
    }
}

#[tokio::test]
async fn head_and_body_of_an_answer_are_sent_as_one_record() {
    let (mut server, mut client) = connected(&TLS13, 1 << 20).await;
    let parts = [IoSlice::new(b"head, "), IoSlice::new(b""), IoSlice::new(b"body")];
    assert_eq!(server.write_vectored(&parts).await.unwrap(), 10);
    server.flush().await.unwrap();
    let mut answer = [0; 100];
    assert_eq!(client.read(&mut answer).await.unwrap(), 10);
    assert_eq!(&answer[..10], b"head, body");
    let large = bytes(GATHERED);
    let parts = [IoSlice::new(&large), IoSlice::new(b"rest")];
    assert_eq!(
        server.write_vectored(&parts).await.unwrap(),
        GATHERED,
        "what is large is not copied"
    );
}

/// Hundreds of clients may take their layers slowly.
#[tokio::test]
async fn a_client_that_does_not_read_makes_one_piece_wait_and_no_more() {
    let (mut server, mut client) = connected(&TLS13, 1000).await;
    let sent = bytes(10 * PIECE);
    let mut taken = 0;
    let patience = Duration::from_millis(50);
    while let Ok(count) = tokio::time::timeout(patience, server.write(&sent[taken..])).await {
        taken += count.unwrap();
    }
    assert!(taken <= PIECE, "{taken} bytes were taken");
    assert!(server.outgoing.len() <= PIECE + OVERHEAD);
    let mut received = vec![0; taken];
    let (read, flushed) = tokio::join!(client.read_exact(&mut received), server.flush());
    read.unwrap();
    flushed.unwrap();
    assert!(received == sent[..taken]);
    assert_eq!(server.outgoing.len(), 0);
}

#[tokio::test]
async fn an_end_without_a_goodbye_is_an_error_and_one_with_it_is_not() {
    for version in VERSIONS {
        let (mut server, mut client) = connected(version, 1 << 20).await;
        client.write_all(b"whole").await.unwrap();
        client.shutdown().await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "whole");
        // The other direction is still open.
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer");

        let (mut server, mut client) = connected(version, 1 << 20).await;
        client.write_all(b"cut").await.unwrap();
        client.flush().await.unwrap();
        drop(client);
        let mut text = Vec::new();
        let error = server.read_to_end(&mut text).await.unwrap_err();
        assert_eq!(
            (error.kind(), &text[..]),
            (io::ErrorKind::UnexpectedEof, &b"cut"[..])
        );
    }
}

#[tokio::test]
async fn a_forged_record_ends_the_connection_and_the_client_is_told() {
    let (mut server, client) = connected(&TLS13, 1 << 20).await;
    let (mut line, _) = client.into_inner();
    // Application data of 32 bytes that nobody sealed.
    line.write_all(&[23, 3, 3, 0, 32]).await.unwrap();
    line.write_all(&[7; 32]).await.unwrap();
    let error = server.read(&mut [0; 100]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    // The session tickets that were sent after the handshake, then the alert, sealed: its type cannot be seen.
    drop(server);
    let mut told = Vec::new();
    line.read_to_end(&mut told).await.unwrap();
    assert_eq!(
        told[told.len() - 24..][..5],
        [23, 3, 3, 0, 19],
        "an alert of two bytes"
    );
}

/// Before anybody has said who they are: a megabyte for each connection is too much.
#[tokio::test]
async fn a_handshake_message_in_tiny_pieces_is_cut_off() {
    let (ours, mut theirs) = duplex(4096);
    let client = tokio::spawn(async move {
        // A ClientHello of 65,535 bytes, one in each record.
        let hello = [1, 0, 0xff, 0xff]
            .into_iter()
            .chain(std::iter::repeat_n(0, 0xffff));
        let mut sent = 0;
        for byte in hello {
            if theirs.write_all(&[22, 3, 1, 0, 1, byte]).await.is_err() {
                break;
            }
            sent += 6;
        }
        sent
    });
    let Err(error) = TlsStream::accept(ours, server_config(&authority(), &TLS13)).await else {
        panic!("that is no handshake");
    };
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    let sent = client.await.unwrap();
    assert!(sent < 2 * HELD_AT_MOST, "{sent} bytes were taken");
}

/// Seals as the client of a TLS 1.3 connection, what no client would.
pub(super) struct Forger {
    pub(super) line: DuplexStream,
    key: LessSafeKey,
    iv: Iv,
    number: u64,
}

impl Forger {
    pub(super) fn new(client: Client) -> Self {
        let (line, tls) = client.into_inner();
        let (number, secrets) = tls.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else {
            panic!("a cipher suite that nobody chose");
        };
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
        Self {
            line,
            key,
            iv,
            number,
        }
    }

    /// RFC 8446 §5.2: the type follows the content.
    pub(super) async fn send(&mut self, content: &[u8], kind: ContentType) {
        self.seal([content, &[kind.into()]].concat()).await;
    }

    /// Sends these bytes as the inside of a record.
    pub(super) async fn seal(&mut self, mut record: Vec<u8>) {
        let length = u16::try_from(record.len() + AES_256_GCM.tag_len()).unwrap();
        let head = [&[23, 3, 3][..], &length.to_be_bytes()].concat();
        let nonce = Nonce::assume_unique_for_key(rustls::crypto::cipher::Nonce::new(&self.iv, self.number).0);
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(&head), &mut record)
            .unwrap();
        self.number += 1;
        self.line.write_all(&[head, record].concat()).await.unwrap();
    }
}

#[tokio::test]
async fn a_handshake_message_in_pieces_is_held_while_answers_go_out() {
    let (mut server, client) = connected(&TLS13, 1 << 20).await;
    let mut forger = Forger::new(client);
    let patience = Duration::from_millis(20);
    // A key update, which asks for none in return.
    for piece in [&[24, 0][..], &[0, 1], &[0]] {
        forger.send(piece, ContentType::Handshake).await;
        assert!(
            tokio::time::timeout(patience, server.read(&mut [0; 100]))
                .await
                .is_err(),
            "there is no content"
        );
        assert_eq!(server.held > 0, piece != [0], "the last piece completes it");
        server.write_all(b"answer").await.unwrap();
    }
    server.shutdown().await.unwrap();
}

/// RFC 8446 §5.1 forbids such a piece. rustls lets it pass, and would hold it for ever.
#[tokio::test]
async fn an_empty_piece_of_a_handshake_message_with_content_behind_it_ends_the_connection() {
    let (mut server, client) = connected(&TLS13, 1 << 20).await;
    let mut forger = Forger::new(client);
    forger.send(b"", ContentType::Handshake).await;
    forger.send(b"content", ContentType::ApplicationData).await;
    let error = server.read(&mut [0; 3]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    for error in [server.write(b"x").await, server.read(&mut [0; 3]).await] {
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn keys_may_change_on_the_way() {
    let (mut server, mut client) = connected(&TLS13, 1 << 20).await;
    for round in 0..5_u8 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(&[round; 1000]).await.unwrap();
        client.flush().await.unwrap();
        let mut received = [0; 1000];
        server.read_exact(&mut received).await.unwrap();
        server.write_all(&received).await.unwrap();
        server.flush().await.unwrap();
        client.read_exact(&mut received).await.unwrap();
        assert_eq!(received, [round; 1000]);
    }
}

#[tokio::test]
async fn an_idle_connection_holds_no_buffers() {
    let (mut server, mut client) = connected(&TLS13, 1 << 20).await;
    let sent = bytes(200_000);
    client.write_all(&sent).await.unwrap();
    client.flush().await.unwrap();
    let mut received = vec![0; sent.len()];
    server.read_exact(&mut received).await.unwrap();
    server.write_all(&sent).await.unwrap();
    server.flush().await.unwrap();
    assert!(server.sealed.is_empty() && server.opened.is_empty() && server.outgoing.is_empty());
    assert!(server.received.is_none());
}

/// Other tests may have the large memories for a while.
#[tokio::test]
async fn a_client_that_brings_much_is_lent_large_memory_until_what_it_brought_is_opened() {
    let sent = bytes(50 << 20);
    for version in VERSIONS {
        let (mut server, mut client) = connected(version, 1 << 20).await;
        let mut received = vec![0; sent.len()];
        let mut had_large_memory = false;
        let send = async {
            client.write_all(&sent).await.unwrap();
            client.flush().await.unwrap();
        };
        let receive = async {
            let mut count = 0;
            while count < sent.len() {
                let end = sent.len().min(count + (32 << 10));
                count += server.read(&mut received[count..end]).await.unwrap();
                had_large_memory |= server.received.is_some();
            }
        };
        tokio::join!(send, receive);
        assert!(had_large_memory, "{version:?}");
        assert!(received == sent, "{version:?}");
        assert!(server.received.is_none() && server.sealed.is_empty());
    }
}
