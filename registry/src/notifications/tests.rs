//! Endpoints that are there, that are away, and processes that are gone.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;

use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use roadstead_pki::authority::Authority;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// An endpoint that writes down what it is told.
#[derive(Clone, Default)]
pub(crate) struct Hook(Arc<Heard>);

#[derive(Default)]
struct Heard {
    requests: Mutex<Vec<(String, Value)>>,
    /// What to answer next; 200 when there is nothing.
    answers: Mutex<VecDeque<u16>>,
}

impl Hook {
    pub(crate) async fn listen(&self) -> SocketAddr {
        self.listen_at("127.0.0.1:0".parse().unwrap(), None).await
    }

    async fn listen_at(&self, address: SocketAddr, tls: Option<TlsAcceptor>) -> SocketAddr {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let hook = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (hook, tls) = (hook.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => hook.talk(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                hook.talk(stream).await;
                            }
                        }
                    }
                });
            }
        });
        address
    }

    async fn talk(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut text = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let Ok(read @ 1..) = stream.read(&mut buffer).await else {
                return;
            };
            text.extend_from_slice(&buffer[..read]);
            let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8(text[..end].to_vec()).unwrap();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
                .unwrap();
            if text.len() < end + 4 + length {
                continue;
            }
            let body = serde_json::from_slice(&text[end + 4..]).unwrap();
            text.clear();
            let status = self.0.answers.lock().unwrap().pop_front().unwrap_or(200);
            if status == 200 {
                self.0.requests.lock().unwrap().push((head, body));
            }
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    pub(crate) fn requests(&self) -> Vec<(String, Value)> {
        self.0.requests.lock().unwrap().clone()
    }

    /// The tags that were told of, in order.
    fn tags(&self) -> Vec<String> {
        let requests = self.requests();
        let tags = requests
            .iter()
            .map(|(_, body)| body["events"][0]["target"]["tag"].as_str().unwrap().to_owned());
        tags.collect()
    }

    pub(crate) async fn heard(&self, events: usize) {
        until(|| self.requests().len() >= events).await;
    }
}

async fn until(condition: impl Fn() -> bool) {
    tokio::time::timeout(SOON, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it happens soon");
}

fn endpoint(url: &str) -> EndpointSettings {
    EndpointSettings {
        name: "hook".to_owned(),
        url: url.parse().unwrap(),
        login: None,
        headers: HeaderMap::new(),
        timeout: Duration::from_secs(5),
        threshold: 3,
        backoff: Duration::from_millis(10),
        ignored_media_types: Vec::new(),
        ignored_actions: Vec::new(),
        root_cert_bundle: None,
    }
}

pub(crate) fn at(address: SocketAddr) -> EndpointSettings {
    endpoint(&format!("http://{address}/events"))
}

fn start(folder: &Path, endpoint: EndpointSettings) -> Notifications {
    let settings = Settings {
        endpoints: vec![endpoint],
        include_references: false,
    };
    Notifications::start(&settings, folder, 5000).unwrap().unwrap()
}

fn pushed(tag: &str) -> Event {
    let digest = roadstead_oci::Digest::sha256([7; 32]);
    let target = Target::manifest(
        "application/vnd.oci.image.manifest.v1+json",
        &"team/app".parse().unwrap(),
        &digest,
        708,
        format!("https://registry.example.com/v2/team/app/manifests/{digest}"),
    );
    Event {
        action: Action::Push,
        target: Target {
            tag: Some(tag.parse().unwrap()),
            ..target
        },
        request: RequestRecord {
            id: "req-1".to_owned(),
            addr: "192.0.2.7:40000".to_owned(),
            host: "registry.example.com".to_owned(),
            method: "PUT".to_owned(),
            useragent: "docker/28".to_owned(),
        },
        actor: ActorRecord {
            name: Some("alice".to_owned()),
        },
    }
}

#[tokio::test]
async fn an_endpoint_is_told_in_the_words_of_registry_2() {
    let (hook, folder) = (Hook::default(), tempfile::tempdir().unwrap());
    let mut endpoint = at(hook.listen().await);
    endpoint.headers.insert("x-token", "s3cr3t".parse().unwrap());
    let notifications = start(folder.path(), endpoint);
    notifications.changed(pushed("v1")).await;
    hook.heard(1).await;
    let (head, body) = hook.requests().remove(0);
    assert!(head.starts_with("POST /events HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/vnd.docker.distribution.events.v1+json"),
        "{head}"
    );
    assert!(head.contains("x-token: s3cr3t"), "{head}");
    let mut event = body["events"][0].clone();
    for (place, name) in [
        ("", "id"),
        ("", "timestamp"),
        ("/source", "addr"),
        ("/source", "instanceID"),
    ] {
        let value = event.pointer_mut(place).unwrap()[name].take();
        assert!(
            value.as_str().is_some_and(|text| !text.is_empty()),
            "{place}/{name}"
        );
    }
    let digest = format!("sha256:{}", "07".repeat(32));
    assert_eq!(
        event,
        json!({
            "id": null, "timestamp": null, "action": "push",
            "target": {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "size": 708, "digest": digest, "length": 708, "repository": "team/app",
                "url": format!("https://registry.example.com/v2/team/app/manifests/{digest}"), "tag": "v1",
            },
            "request": {
                "id": "req-1", "addr": "192.0.2.7:40000", "host": "registry.example.com", "method": "PUT",
                "useragent": "docker/28",
            },
            "actor": {"name": "alice"},
            "source": {"addr": null, "instanceID": null},
        })
    );
}

#[tokio::test]
async fn an_event_that_is_not_taken_is_sent_again_and_the_order_stays() {
    let (hook, folder) = (Hook::default(), tempfile::tempdir().unwrap());
    hook.0
        .answers
        .lock()
        .unwrap()
        .extend([500, 404, 503, 500, 429, 200, 500]);
    let notifications = start(folder.path(), at(hook.listen().await));
    for tag in ["a", "b", "c"] {
        notifications.changed(pushed(tag)).await;
    }
    hook.heard(3).await;
    assert_eq!(hook.tags(), ["a", "b", "c"]);
    until(|| notifications.status()[0].sent == 3).await;
    let status = notifications.status().remove(0);
    assert_eq!((status.pending, status.failed, status.lost), (0, 6, 0));
}

#[tokio::test]
async fn events_wait_for_an_endpoint_that_is_away_and_nobody_waits_with_them() {
    let (hook, folder) = (Hook::default(), tempfile::tempdir().unwrap());
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let notifications = start(folder.path(), at(address));
    for number in 0..50 {
        notifications.changed(pushed(&format!("v{number}"))).await;
    }
    assert_eq!(notifications.status()[0].pending, 50);
    until(|| notifications.status()[0].failed > 3).await;
    hook.listen_at(address, None).await;
    hook.heard(50).await;
    assert_eq!(
        hook.tags(),
        (0..50).map(|number| format!("v{number}")).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut endpoint = at(listener.local_addr().unwrap());
    endpoint.timeout = Duration::from_millis(20);
    let notifications = start(folder.path(), endpoint);
    notifications.changed(pushed("v1")).await;
    until(|| notifications.status()[0].failed > 2).await;
    assert_eq!(notifications.status()[0].pending, 1);
}

#[tokio::test]
async fn what_an_endpoint_ignores_it_is_not_told() {
    let (hook, folder) = (Hook::default(), tempfile::tempdir().unwrap());
    let mut endpoint = at(hook.listen().await);
    endpoint.ignored_actions = vec![Action::Pull];
    endpoint.ignored_media_types = vec!["application/octet-stream".to_owned()];
    let notifications = start(folder.path(), endpoint);
    let pull = Event {
        action: Action::Pull,
        ..pushed("ignored")
    };
    notifications.read(pull);
    let mut blob = pushed("ignored");
    blob.target.media_type = Some("application/octet-stream".to_owned());
    notifications.changed(blob).await;
    notifications.changed(pushed("told")).await;
    hook.heard(1).await;
    assert_eq!(hook.tags(), ["told"]);
}

#[tokio::test]
async fn pulls_are_told_too_and_are_on_disk_after_a_flush() {
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let notifications = start(folder.path(), at(address));
    for _ in 0..100 {
        notifications.read(Event {
            action: Action::Pull,
            ..pushed("v1")
        });
    }
    notifications.flush().await;
    assert_eq!(notifications.status()[0].pending, 100);
}

/// A process that had events to send when it ended, in whatever way: its lock is free and its queue is there.
fn gone(folder: &Path, endpoint: &str, tags: &[&str]) {
    let instance = Instance::create(folder, &uuid::Uuid::new_v4().to_string()).unwrap();
    let source = SourceRecord {
        addr: "before:5000".to_owned(),
        instance_id: "before".to_owned(),
    };
    let lines: Vec<_> = tags
        .iter()
        .map(|tag| EventRecord::new(pushed(tag), &source).line())
        .collect();
    Queue::open(&instance.queue(endpoint), Limits::USUAL)
        .unwrap()
        .add(&lines)
        .unwrap();
}

#[tokio::test]
async fn what_a_process_left_is_sent_once_by_the_next_one() {
    let (hook, folder) = (Hook::default(), tempfile::tempdir().unwrap());
    gone(folder.path(), "hook", &["a", "b"]);
    gone(folder.path(), "another", &["kept"]);
    let address = hook.listen().await;
    let first = start(folder.path(), at(address));
    let second = start(folder.path(), at(address));
    first.changed(pushed("c")).await;
    hook.heard(3).await;
    until(|| first.status()[0].pending + second.status()[0].pending == 0).await;
    assert_eq!(hook.tags(), ["a", "b", "c"]);
    let folders = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(
        folders, 3,
        "the two that live, and what waits for an endpoint that is not theirs"
    );
}

#[tokio::test]
async fn two_processes_on_one_volume_send_each_event_once() {
    let (hook, folder) = (Hook::default(), tempfile::tempdir().unwrap());
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let (first, second) = (
        start(folder.path(), at(address)),
        start(folder.path(), at(address)),
    );
    for number in 0..20 {
        first.changed(pushed(&format!("first-{number}"))).await;
        second.changed(pushed(&format!("second-{number}"))).await;
    }
    adopt(folder.path(), &first.0.endpoints);
    assert_eq!(
        first.status()[0].pending,
        20,
        "the other one lives, and keeps what is its own"
    );
    hook.listen_at(address, None).await;
    until(|| first.status()[0].pending + second.status()[0].pending == 0).await;
    let mut tags = hook.tags();
    tags.sort();
    tags.dedup();
    assert_eq!((tags.len(), hook.tags().len()), (40, 40));
}

#[tokio::test]
async fn https_is_verified_and_a_new_ca_is_taken_up() {
    let (hook, folder) = (Hook::default(), tempfile::tempdir().unwrap());
    let (day, now) = (SignedDuration::from_hours(24), Timestamp::now());
    let (theirs, strange) = (
        Authority::create("theirs", day, now).unwrap(),
        Authority::create("strange", day, now).unwrap(),
    );
    let certificate = theirs.issue_server(&["localhost".to_owned()], day, now).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.leaf().der().clone()],
            certificate.key().clone_key(),
        )
        .unwrap();
    let address = hook
        .listen_at(
            "127.0.0.1:0".parse().unwrap(),
            Some(TlsAcceptor::from(Arc::new(server))),
        )
        .await;
    let ca = folder.path().join("ca.crt");
    std::fs::write(&ca, strange.certificate_pem()).unwrap();
    let mut endpoint = endpoint(&format!("https://localhost:{}/", address.port()));
    endpoint.root_cert_bundle = Some(ca.clone());
    let notifications = start(&folder.path().join("queues"), endpoint);
    notifications.changed(pushed("v1")).await;
    until(|| notifications.status()[0].failed > 2).await;
    assert_eq!(hook.requests().len(), 0, "nothing was said to a stranger");
    std::fs::write(&ca, theirs.certificate_pem()).unwrap();
    hook.heard(1).await;
}

#[test]
fn what_is_wrong_with_an_endpoint_is_said_without_its_secrets() {
    let mut endpoint = endpoint("https://hook.example.com/?key=s3cr3t");
    endpoint.root_cert_bundle = Some("/nowhere/ca.crt".into());
    let error = client::Client::new(&endpoint).err().unwrap().to_string();
    assert!(
        error.starts_with("cannot read the CA certificates /nowhere/ca.crt"),
        "{error}"
    );
    assert_eq!(
        client::SendError::Status(StatusCode::FORBIDDEN).to_string(),
        "it answered 403 Forbidden"
    );
}
