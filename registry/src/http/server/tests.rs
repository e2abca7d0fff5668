//! Connections over real sockets: slow ones, idle ones, early ends, and a server that stops.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::activity::{Expired, Limits};
use super::connection::{Kind, begins, serve_within};
use super::*;
use crate::auth::{Auth, Login};
use crate::content::{Content, Options, Probed};
use crate::http::body::{RequestBody, ResponseBody};
use crate::http::{Settings, State};
use crate::metrics::Sources;
use crate::storage::{self, FilesystemStorage};

const LIMITS: Limits = Limits {
    head: Duration::from_millis(300),
    idle: Duration::from_millis(900),
    linger: Duration::from_millis(300),
};
const LIMITS_OF_CONNECTIONS: ConnectionLimits = ConnectionLimits {
    in_all: Some(100),
    per_address: Some(8),
};
const SOON: Duration = Duration::from_secs(5);

/// Serves connections with an answer that ignores its request.
async fn serve_everyone(status: StatusCode) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (keep, stop) = watch::channel(false);
    tokio::spawn(async move {
        let _keep = keep;
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = move |_: Request<RequestBody>| async move {
                let mut response = Response::new(ResponseBody::whole(Bytes::from_static(b"answer")));
                *response.status_mut() = status;
                response
            };
            tokio::spawn(serve_within(
                LIMITS,
                stream,
                Kind::Http1,
                answer,
                begins(stop.clone()),
            ));
        }
    });
    address
}

/// Everything until the server closes.
async fn to_the_end(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut text = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut text))
        .await
        .expect("the connection ends")?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let mut stream = TcpStream::connect(serve_everyone(StatusCode::OK).await)
        .await
        .unwrap();
    let started = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    // A reset is an end too.
    let _ = to_the_end(&mut stream).await;
    assert!(
        started.elapsed() < Duration::from_millis(1600),
        "it took {:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn why_a_connection_was_cut_off_is_known() {
    for (sent, expected) in [(&b"GET / HT"[..], Expired::Head), (b"", Expired::Idle)] {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let answer = async |_: Request<RequestBody>| Response::new(ResponseBody::whole(Bytes::new()));
        let (_keep, stop) = watch::channel(false);
        let serving = serve_within(LIMITS, ours, Kind::Http1, answer, begins(stop));
        theirs.write_all(sent).await.unwrap();
        assert_eq!(serving.await, Some(expected));
    }
}

#[tokio::test]
async fn one_address_opens_so_many_connections_and_no_more() {
    let (address, _stop, _server, _folder) = start(SOON).await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        assert!(stream.read(&mut [0; 512]).await.unwrap() > 0);
        open.push(stream);
    }
    let mut one_more = TcpStream::connect(address).await.unwrap();
    // A reset is an end too.
    assert_eq!(to_the_end(&mut one_more).await.unwrap_or_default(), "");
    drop(open);
    let mut answer = String::new();
    while answer.is_empty() {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(request).await;
        answer = to_the_end(&mut stream).await.unwrap_or_default();
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_connection_is_kept_between_requests_but_not_for_ever() {
    let mut stream = TcpStream::connect(serve_everyone(StatusCode::OK).await)
        .await
        .unwrap();
    let mut buffer = [0; 1024];
    for _ in 0..2 {
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200"));
        // Longer than a head may take: what is merely kept open is not slow.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let started = Instant::now();
    assert_eq!(to_the_end(&mut stream).await.unwrap(), "");
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "it took {:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_was_read_arrives() {
    let address = serve_everyone(StatusCode::UNAUTHORIZED).await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let write = async {
            let head = b"PUT /x HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n";
            writer.write_all(head).await?;
            for _ in 0..20 {
                writer.write_all(&[b'x'; 100_000]).await?;
            }
            Ok::<_, std::io::Error>(())
        };
        let mut text = Vec::new();
        let (_, read) = tokio::join!(write, tokio::time::timeout(SOON, reader.read_to_end(&mut text)));
        read.expect("the connection ends").expect("it is not reset");
        assert!(
            text.starts_with(b"HTTP/1.1 401"),
            "{}",
            String::from_utf8_lossy(&text)
        );
    }
}

/// A whole server with plain HTTP, and what stops it.
async fn start(
    drain: Duration,
) -> (
    SocketAddr,
    watch::Sender<bool>,
    tokio::task::JoinHandle<()>,
    tempfile::TempDir,
) {
    let folder = tempfile::tempdir().unwrap();
    let storage = FilesystemStorage::open(folder.path()).unwrap();
    let (auth, _watching) = Auth::new(&Login::default(), false, None).unwrap();
    let metrics = Metrics::new(Sources::default());
    let app = App::new(State {
        content: Content::new(Arc::new(storage), Options::default()),
        auth: Arc::new(auth),
        metrics: Arc::clone(&metrics),
        notifications: None,
        certificates: None,
        settings: Settings {
            prefix: "/".to_owned(),
            locations: crate::http::Locations::WhereCertain,
            trusted_proxies: Vec::new(),
            headers: http::HeaderMap::new(),
            access_log: false,
            combined: None,
            catalog_page: 1000,
        },
    });
    let listener = bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let server = Server {
        app,
        metrics,
        tls: None,
        admission: Admission::new(LIMITS_OF_CONNECTIONS, Vec::new()),
    };
    (
        address,
        stop,
        tokio::spawn(server.run(Listener::Tcp(listener), stopping, drain)),
        folder,
    )
}

/// Sends the first half of an upload and gives the connection.
async fn half_an_upload(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"POST /v2/app/blobs/uploads/?digest=")
        .await
        .unwrap();
    let digest = "sha256:84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    let rest = format!("{digest} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n01234");
    stream.write_all(rest.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream
}

#[tokio::test]
async fn a_server_that_stops_lets_a_transfer_end_and_takes_nothing_new() {
    let (address, stop, server, _folder) = start(SOON).await;
    let mut upload = half_an_upload(address).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(idle.read(&mut [0; 512]).await.unwrap() > 0);
    stop.send_replace(true);
    assert_eq!(
        to_the_end(&mut idle).await.unwrap(),
        "",
        "an idle connection ends at once"
    );
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
    assert!(!server.is_finished());
    upload.write_all(b"56789").await.unwrap();
    let answer = to_the_end(&mut upload).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    tokio::time::timeout(SOON, server)
        .await
        .expect("the server ends")
        .unwrap();
}

#[tokio::test]
async fn a_transfer_that_does_not_end_is_cut_off_in_time() {
    let (address, stop, server, _folder) = start(Duration::from_millis(200)).await;
    let _upload = half_an_upload(address).await;
    stop.send_replace(true);
    tokio::time::timeout(SOON, server)
        .await
        .expect("the server ends")
        .unwrap();
}

#[tokio::test]
async fn a_body_shorter_than_announced_makes_nothing_visible() {
    let (address, _stop, _server, _folder) = start(SOON).await;
    let mut upload = half_an_upload(address).await;
    upload.shutdown().await.unwrap();
    let _ = to_the_end(&mut upload).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let digest = "sha256:84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    let head = format!("HEAD /v2/app/blobs/{digest} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = to_the_end(&mut stream).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn what_is_no_http_gets_an_answer_and_harms_nobody() {
    let (address, _stop, _server, _folder) = start(SOON).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"nonsense\r\n\r\n",
        b"GET  HTTP/9\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let answer = to_the_end(&mut stream).await.unwrap_or_default();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{bytes:?}: {answer}"
        );
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(to_the_end(&mut stream).await.unwrap().starts_with("HTTP/1.1 200"));
}

#[test]
fn the_admin_port_tells_whether_it_is_alive_and_ready() {
    let readiness = Readiness::new();
    let admin = Admin {
        metrics: Metrics::new(Sources::default()),
        readiness: Arc::clone(&readiness),
        metrics_path: Some("/numbers".to_owned()),
    };
    let status = |method: &str, path: &str| {
        admin
            .answer(&method.parse().unwrap(), path, None)
            .status()
            .as_u16()
    };
    for (path, expected) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/debug/health", 200),
        ("/numbers", 200),
        ("/metrics", 404),
        ("/v2/", 404),
    ] {
        assert_eq!(status("GET", path), expected, "{path}");
    }
    assert_eq!(status("POST", "/readyz"), 405);
    readiness.stop();
    assert_eq!(
        (
            status("GET", "/livez"),
            status("GET", "/readyz"),
            status("GET", "/debug/health")
        ),
        (200, 503, 503)
    );
}

#[tokio::test]
async fn a_storage_that_refuses_writes_is_told_and_the_server_stays_ready() {
    let readiness = Readiness::new();
    let metrics = Metrics::new(Sources::default());
    let admin = Admin {
        metrics: Arc::clone(&metrics),
        readiness: Arc::clone(&readiness),
        metrics_path: Some("/metrics".to_owned()),
    };
    let shown = async |path: &str| {
        let answer = admin.answer(&http::Method::GET, path, None);
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    };
    readiness.note(
        Probed::NotWritable(storage::Error::ReadOnly {
            action: "write",
            key: "roadstead/probe".parse().unwrap(),
            source: std::io::Error::from(std::io::ErrorKind::PermissionDenied).into(),
        }),
        &metrics,
    );
    assert_eq!(
        shown("/readyz").await,
        "ok\nstorage: not writable: the store refuses to write roadstead/probe: permission denied\n"
    );
    assert_eq!(shown("/debug/health").await, "{}");
    assert!(
        shown("/metrics")
            .await
            .contains("roadstead_registry_storage_writable 0\n")
    );
    readiness.note(Probed::Writable, &metrics);
    assert_eq!(shown("/readyz").await, "ok\n");
    assert!(
        shown("/metrics")
            .await
            .contains("roadstead_registry_storage_writable 1\n")
    );
}

#[tokio::test]
async fn a_storage_that_fails_makes_the_server_unready_until_it_works_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    let storage = FilesystemStorage::open(&root).unwrap();
    let content = Content::new(Arc::new(storage), Options::default());
    let readiness = Readiness::new();
    let health = Health {
        interval: Duration::from_millis(20),
        threshold: 2,
    };
    let watching = Arc::clone(&readiness);
    let metrics = Metrics::new(Sources::default());
    let watching = tokio::spawn(async move { watching.watch(content, health, metrics).await });
    let becomes = async |ready: bool| {
        tokio::time::timeout(SOON, async {
            while readiness.problem().is_none() != ready {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("ready should become {ready}"));
    };
    becomes(true).await;
    // A link to itself where the folder of repositories should be: nothing under it can be looked up.
    let repositories = root.join("docker/registry/v2/repositories");
    let _ = std::fs::remove_dir_all(&repositories);
    std::fs::create_dir_all(repositories.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("repositories", &repositories).unwrap();
    becomes(false).await;
    std::fs::remove_file(&repositories).unwrap();
    becomes(true).await;
    watching.abort();
}
