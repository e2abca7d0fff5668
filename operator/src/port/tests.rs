//! Floods, from as many addresses as this machine's loopback network has.

use super::*;
use axum::routing::get;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

const LIMITS: Limits = Limits {
    in_all: 64,
    per_address: 8,
};
const KUBELET: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);

async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let routes = Router::new().route("/livez", get(async || "ok\n"));
    tokio::spawn(serve(listener, routes, LIMITS));
    address
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket is made");
    socket.bind((from, 0).into()).expect("loopback has this address");
    socket.connect(to).await.expect("the port is open")
}

async fn ask(from: Ipv4Addr, to: SocketAddr) -> String {
    let mut stream = connect(from, to).await;
    let mut text = String::new();
    // A connection that was refused breaks here or there.
    let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let _ = stream.read_to_string(&mut text).await;
    text
}

/// Memory of this process in KiB, the flooding side included.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("it is told");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("it is a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_heads_without_an_end_takes_no_memory_and_no_probe_its_place() {
    const CONNECTIONS: u8 = 165;
    let address = start().await;
    let before = resident();
    let head: &'static [u8] = Vec::leak(vec![b'x'; 384 * 1024]);
    let mut flood = Vec::new();
    for number in 0..CONNECTIONS {
        for _ in 0..2 {
            let from = Ipv4Addr::new(127, 0, 1, number / 4);
            flood.push(tokio::spawn(async move {
                let mut stream = connect(from, address).await;
                let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nX-Flood: ").await;
                let _ = stream.write_all(head).await;
                stream
            }));
        }
        if number % 16 == 0 {
            assert!(
                ask(KUBELET, address).await.starts_with("HTTP/1.1 200"),
                "after {number}"
            );
        }
    }
    let mut streams = Vec::new();
    for one in flood {
        streams.push(one.await.expect("no task panics"));
    }
    assert!(ask(KUBELET, address).await.starts_with("HTTP/1.1 200"));
    let grown = resident().saturating_sub(before);
    assert!(
        grown < 32 * 1024,
        "{} connections took {grown} KiB",
        streams.len()
    );
}

#[tokio::test]
async fn an_address_has_its_share_and_when_all_are_taken_whoever_has_the_most_makes_room() {
    let address = start().await;
    let mut idle = Vec::new();
    for _ in 0..LIMITS.per_address {
        idle.push(connect(Ipv4Addr::new(127, 0, 2, 1), address).await);
    }
    // As the kubelet does from the address of a local user who holds all that there is for it.
    assert!(
        ask(Ipv4Addr::new(127, 0, 2, 1), address)
            .await
            .starts_with("HTTP/1.1 200")
    );
    let mut byte = [0];
    assert_eq!(
        idle.remove(0).read(&mut byte).await.ok(),
        Some(0),
        "the oldest of its address is closed"
    );
    for number in 0..60 {
        idle.push(connect(Ipv4Addr::new(127, 0, 3, number), address).await);
    }
    assert!(ask(KUBELET, address).await.starts_with("HTTP/1.1 200"));
    assert_eq!(
        idle[0].read(&mut byte).await.ok(),
        Some(0),
        "the oldest of the many is closed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let address = start().await;
    let mut stream = connect(KUBELET, address).await;
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    assert!(!text.contains("200"), "{text}");
}
