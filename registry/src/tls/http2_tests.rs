//! HTTP/2 over our stream: its windows hold back what the other side does not take, and stop nothing else.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::version::TLS13;
use tokio::time::timeout;

use super::tests::{bytes, connected};

/// The least that the protocol knows, and many times less than a body here.
const WINDOW: u32 = 65_535;
const BODY: usize = 1 << 20;

/// A client of a server that sends back what it is sent, both with small windows, over a line that holds so many bytes.
async fn client(line: usize) -> SendRequest<Full<Bytes>> {
    let (server, client) = connected(&TLS13, line).await;
    let echo = service_fn(async |request: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let mut serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    serving
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(100_000);
    tokio::spawn(serving.serve_connection(TokioIo::new(server), echo));
    let mut asking = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    asking
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * 4);
    let (requests, connection) = asking.handshake(TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    requests
}

fn request(body: &[u8]) -> Request<Full<Bytes>> {
    let request = Request::post("https://registry/");
    request.body(Full::new(Bytes::copy_from_slice(body))).unwrap()
}

#[tokio::test]
async fn bodies_many_times_larger_than_the_windows_come_through_both_ways_at_once() {
    let sent = bytes(BODY);
    for line in [1000, 1 << 20] {
        let requests = client(line).await;
        let echoes = (0..3).map(|_| async {
            let response = requests.clone().send_request(request(&sent)).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        });
        for echo in futures::future::join_all(echoes).await {
            assert!(echo == sent, "a line of {line}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_waits_and_the_others_do_not() {
    let sent = bytes(BODY);
    let mut requests = client(10_000).await;
    let mut unread = requests.send_request(request(&sent)).await.unwrap().into_body();
    for _ in 0..3 {
        let echo = requests
            .send_request(request(b"small"))
            .await
            .unwrap()
            .into_body();
        let echo = timeout(Duration::from_secs(60), echo.collect())
            .await
            .expect("it overtakes");
        assert_eq!(echo.unwrap().to_bytes(), "small");
    }
    let mut read = Vec::new();
    while let Some(frame) = unread.frame().await {
        read.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    assert!(read == sent);
}
