//! What endpoints are told: the same by Roadstead as by registry:2, event for event and field for field.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use roadstead_e2e::{Api, Server, Software, sha256, stock_config};
use serde_json::{Value, json};
use ureq::http::Method;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A bound for a server that tells nothing, no assertion about how long one takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who is told of events.
struct Endpoint {
    port: u16,
    told: mpsc::Receiver<(String, Value)>,
}

impl Endpoint {
    fn listen() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let port = listener.local_addr().expect("it listens").port();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let tell = tell.clone();
                std::thread::spawn(move || hear(stream, &tell));
            }
        });
        Self { port, told }
    }

    /// Everything up to the event that says that this tag is gone.
    fn until_tag_is_gone(&self, tag: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let (kind, envelope) = self.told.recv_timeout(PATIENCE).expect("it goes on telling");
            assert_eq!(kind, "application/vnd.docker.distribution.events.v1+json");
            let [event] = envelope["events"].as_array().expect("events").as_slice() else {
                panic!("one at a time: {envelope}")
            };
            let last = event["action"] == "delete" && event["target"]["tag"] == tag;
            events.push(event.clone());
            if last {
                return events;
            }
        }
    }
}

/// The requests of one connection, each with its type.
fn hear(mut stream: TcpStream, tell: &mpsc::Sender<(String, Value)>) -> Option<()> {
    let mut text = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        text.extend_from_slice(&buffer[..read]);
        let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&text[..end]).to_ascii_lowercase();
        let value = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        let length: usize = value("content-length:")?.parse().ok()?;
        let body = text.get(end + 4..end + 4 + length);
        let Some(body) = body else { continue };
        let event = serde_json::from_slice(body).ok()?;
        tell.send((value("content-type:")?.to_owned(), event)).ok()?;
        text.clear();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .ok()?;
    }
}

/// What somebody does in a day; the last of it is that the tag `v1` goes.
fn a_day(api: &Api) {
    let (config, layer) = (b"{}".as_slice(), b"layer".as_slice());
    for bytes in [config, layer] {
        api.push_blob("team/app", &sha256(bytes), bytes)
            .expect(201, "a blob");
    }
    let descriptor =
        |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": sha256(bytes), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    })
    .to_string();
    let digest = sha256(manifest.as_bytes());
    let push = |repository: &str, reference: &str| {
        api.push_manifest(repository, reference, MANIFEST, manifest.as_bytes())
            .expect(201, "a manifest");
    };
    push("team/app", "v1");
    push("team/app", &digest);
    api.manifest("team/app", "v1").expect(200, "by tag");
    api.manifest("team/app", &digest).expect(200, "by digest");
    api.send(
        Method::HEAD,
        "/v2/team/app/manifests/v1",
        &[("accept", MANIFEST)],
        &[],
    )
    .expect(200, "its head");
    let known = format!("\"{digest}\"");
    let conditional = [("accept", MANIFEST), ("if-none-match", known.as_str())];
    api.send(Method::GET, "/v2/team/app/manifests/v1", &conditional, &[])
        .expect(304, "it is known");
    let blob = format!("/v2/team/app/blobs/{}", sha256(layer));
    api.get(&blob).expect(200, "a blob");
    api.send(Method::HEAD, &blob, &[], &[]).expect(200, "its head");
    api.send(Method::GET, &blob, &[("range", "bytes=1-2")], &[])
        .expect(206, "a part of it");
    api.get("/v2/team/app/manifests/none")
        .expect(404, "what is not there");
    api.get("/v2/team/app/tags/list").expect(200, "a list");
    assert!(api.mount("other", &sha256(config), "team/app"), "a mount");
    api.delete(&format!("/v2/other/blobs/{}", sha256(config)))
        .expect(202, "a blob goes");
    api.delete(&format!("/v2/team/app/manifests/{digest}"))
        .expect(202, "a manifest goes");
}

/// An event without what is different each time.
fn comparable(event: &Value, host: &str) -> Value {
    let mut event = event.clone();
    for (place, name) in [
        ("", "id"),
        ("", "timestamp"),
        ("/request", "id"),
        ("/request", "addr"),
        ("/source", "instanceID"),
    ] {
        let value = event.pointer_mut(place).expect("a part of an event")[name].take();
        assert!(
            value.as_str().is_some_and(|text| !text.is_empty()),
            "{place}/{name}"
        );
    }
    let port = host.rsplit_once(':').expect("a port").1;
    let text = event
        .to_string()
        .replace(host, "HOST")
        .replace(&format!(":{port}\""), ":PORT\"");
    serde_json::from_str(&text).expect("it was JSON before")
}

fn told_by(software: Software) -> Vec<Value> {
    let (endpoint, folder) = (
        Endpoint::listen(),
        tempfile::tempdir().expect("a temporary folder"),
    );
    let config = format!(
        "{}notifications:\n  events: {{includereferences: true}}\n  endpoints:\n    \
         - {{name: here, url: 'http://127.0.0.1:{}/', timeout: 5s, threshold: 3, backoff: 1s}}\n",
        stock_config(folder.path()),
        endpoint.port
    );
    let server = Server::of(software, &config);
    a_day(&Api::of(&server));
    let events = endpoint.until_tag_is_gone("v1");
    events
        .iter()
        .map(|event| comparable(event, &server.host()))
        .collect()
}

#[test]
fn roadstead_tells_what_registry_2_tells() {
    let (theirs, ours) = (told_by(Software::Registry2), told_by(Software::Roadstead));
    assert!(theirs.len() > 12, "registry:2 told of {} events", theirs.len());
    for (number, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
        assert_eq!(theirs, ours, "event {number}");
    }
    assert_eq!(theirs.len(), ours.len());
    println!("{} events are the same", theirs.len());
}
