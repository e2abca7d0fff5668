//! Records and what they may hold: cut anywhere, of every size, padded; alerts, ends and changes of keys at any time.

use std::time::Duration;

use rustls::ContentType;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::tests::{Client, Forger, VERSIONS, bytes, connected};
use super::*;

const PATIENCE: Duration = Duration::from_millis(20);

/// What a client's application sends.
const CONTENT: ContentType = ContentType::ApplicationData;

fn is_broken(result: io::Result<usize>) -> bool {
    result.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[tokio::test]
async fn records_may_be_cut_anywhere() {
    for version in VERSIONS {
        // One byte at a time, the handshake too.
        let (mut server, mut client) = connected(version, 1).await;
        let sent = bytes(3000);
        let send = async {
            client.write_all(&sent).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (read, ()) = tokio::join!(server.read_to_end(&mut received), send);
        read.unwrap();
        assert!(received == sent, "{version:?}");
        assert_eq!(
            server.kept(),
            server.outgoing.len(),
            "session tickets may wait, and nothing else"
        );
    }
}

#[tokio::test]
async fn records_of_every_size_are_opened_the_empty_ones_and_the_padded_ones_too() {
    let (mut server, client) = connected(&TLS13, 1 << 20).await;
    let mut forger = Forger::new(client);
    let mut sent = Vec::new();
    for size in [0, 1, 0, 0, 2, 255, 256, 16_383, 16_384, 0] {
        let content = bytes(size);
        forger.send(&content, CONTENT).await;
        let padded = [&content[..size.min(16_000)], &[CONTENT.into()], &[0; 300]].concat();
        forger.seal(padded).await;
        sent.extend([&content[..], &content[..size.min(16_000)]].concat());
    }
    let mut received = vec![0; sent.len()];
    server.read_exact(&mut received).await.unwrap();
    assert!(received == sent);
    assert!(
        timeout(PATIENCE, server.read(&mut [0; 9])).await.is_err(),
        "an empty record is no end"
    );
}

#[tokio::test]
async fn a_flood_of_empty_records_ends_the_connection() {
    let (mut server, client) = connected(&TLS13, 1 << 20).await;
    let mut forger = Forger::new(client);
    for _ in 0..1000 {
        forger.send(b"", CONTENT).await;
    }
    let error = server.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
}

/// RFC 8446 §5.1 and §5.2: which records end a connection.
#[tokio::test]
async fn what_no_record_may_be_ends_the_connection_with_an_alert() {
    let head = |kind: u8, length: u16| [&[kind, 3, 3][..], &length.to_be_bytes()].concat();
    let sealed = 16_384 + 256 + 1;
    let cases = [
        (
            "longer than any record",
            [head(23, sealed), vec![0; sealed.into()]].concat(),
        ),
        (
            "of a type that is not known",
            [head(77, 40), vec![0; 40]].concat(),
        ),
        ("a handshake in clear", [head(22, 4), vec![1, 0, 0, 0]].concat()),
        ("content in clear", [head(23, 4), b"text".to_vec()].concat()),
        (
            "HTTP in clear",
            b"GET / HTTP/1.1\r\nHost: registry\r\n\r\n".to_vec(),
        ),
    ];
    for (what, bytes) in cases {
        for version in VERSIONS {
            let (mut server, client) = connected(version, 1 << 20).await;
            let (mut line, _) = client.into_inner();
            line.write_all(&bytes).await.unwrap();
            let error = timeout(PATIENCE, server.read(&mut [0; 100]))
                .await
                .expect(what)
                .unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{what}: {error}");
            assert!(
                is_broken(server.read(&mut [0; 100]).await) && is_broken(server.write(b"x").await),
                "{what}"
            );
            drop(server);
            let mut told = Vec::new();
            line.read_to_end(&mut told).await.unwrap();
            assert!(!told.is_empty(), "{what}: the client is told");
        }
    }
}

/// Both come at once: the content is read, and only then the error.
#[tokio::test]
async fn a_fatal_alert_ends_the_connection_and_says_why() {
    let (mut server, client) = connected(&TLS13, 1 << 20).await;
    let mut forger = Forger::new(client);
    forger.send(b"content", CONTENT).await;
    // Fatal: bad_certificate.
    forger.send(&[2, 42], ContentType::Alert).await;
    let mut received = Vec::new();
    let error = server.read_to_end(&mut received).await.unwrap_err();
    assert_eq!(received, b"content");
    assert!(error.to_string().contains("BadCertificate"), "{error}");
    assert!(is_broken(server.read(&mut [0; 9]).await));
}

#[tokio::test]
async fn a_warning_ends_nothing_and_many_do() {
    let (mut server, client) = connected(&TLS13, 1 << 20).await;
    let mut forger = Forger::new(client);
    // RFC 8446 §6.1: user_canceled is followed by a close_notify, which has not come yet.
    forger.send(&[1, 90], ContentType::Alert).await;
    forger.send(b"content", CONTENT).await;
    let mut received = [0; 7];
    server.read_exact(&mut received).await.unwrap();
    for _ in 0..20 {
        forger.send(&[1, 90], ContentType::Alert).await;
    }
    let error = server.read(&mut received).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
}

#[tokio::test]
async fn what_follows_an_end_is_not_read() {
    let (mut server, client) = connected(&TLS13, 1 << 20).await;
    let mut forger = Forger::new(client);
    forger.send(b"content", CONTENT).await;
    forger.send(&[1, 0], ContentType::Alert).await;
    forger.send(b"more", CONTENT).await;
    forger.line.write_all(&[99; 1000]).await.unwrap();
    let mut received = Vec::new();
    server.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"content");
    assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
    server.write_all(b"answer").await.unwrap();
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_goodbye_is_said_once_and_nothing_is_sent_behind_it() {
    for version in VERSIONS {
        let (mut server, mut client) = connected(version, 1 << 20).await;
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        assert!(is_broken(server.write(b"more").await), "{version:?}");
        server.shutdown().await.unwrap();
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"answer", "{version:?}");
    }
}

/// Each wants an answer; a client that reads none of them must not make them wait without bound.
#[tokio::test]
async fn a_client_that_changes_keys_without_end_is_cut_off() {
    let (mut server, mut client) = connected(&TLS13, 1 << 20).await;
    for _ in 0..1000 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
    }
    client.flush().await.unwrap();
    let error = server.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    assert!(server.kept() < OVERHEAD);
}

/// RFC 5246 §7.2.2: what would be a new handshake is declined, and the connection goes on.
#[tokio::test]
async fn a_connection_of_tls_1_2_is_not_negotiated_again() {
    let (mut server, mut client): (_, Client) = connected(&TLS12, 1 << 20).await;
    client.write_all(b"content").await.unwrap();
    client.flush().await.unwrap();
    let mut received = [0; 7];
    server.read_exact(&mut received).await.unwrap();
    // A handshake message in clear is no part of a connection that seals.
    let (mut line, _) = client.into_inner();
    line.write_all(&[22, 3, 3, 0, 4, 1, 0, 0, 0]).await.unwrap();
    assert!(server.read(&mut received).await.is_err());
}
