//! Requests as scripts, proxies and old clients write them, to registry:2 and to Roadstead: the answers are the same to
//! the letter, or the table says how they differ, and docs/moving-from-registry2.md why.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use roadstead_e2e::{Server, Software, sha256, stock_config};
use serde_json::{Value, json};

/// What registry:2 and Roadstead answer.
enum Answers {
    Same,
    /// Other status numbers.
    Differ(u16, u16),
}
use Answers::{Differ, Same};

/// A method and an address, headers, a body, and what comes back. `{layer}`, `{image}` and `{none}` are digests,
/// `{upload}` is the `Location` of an upload that was just begun.
type Case = (&'static str, &'static [&'static str], &'static str, Answers);

const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "{}";
const LAYER: &str = "0123456789";

// One line each, to be read as a table.
#[rustfmt::skip]
const READS: &[Case] = &[
    ("GET /", &[], "", Same),
    ("PROPFIND /", &[], "", Same),
    ("GET /v2", &[], "", Same),
    ("GET //v2//?x=y", &[], "", Same),
    ("POST /v2", &[], "", Differ(301, 308)),
    ("GET /v2/", &[], "", Same),
    ("POST /v2/", &[], "", Differ(200, 405)),
    ("GET /V2/", &[], "", Same),
    ("GET /v2/_catalog", &[], "", Same),
    ("GET /v2/_catalog/?n=1", &[], "", Same),
    ("GET /v2/_catalog?n=1", &[], "", Same),
    ("GET /v2/_catalog?last=app&n=1", &[], "", Same),
    ("GET /v2/_catalog?n=x", &[], "", Differ(200, 400)),
    ("GET /v2/_catalog?n=-1", &[], "", Differ(200, 400)),
    ("GET /v2/_catalog?n=1001", &[], "", Differ(400, 200)),
    ("HEAD /v2/_catalog", &[], "", Differ(405, 200)),
    ("GET /v2/team%2Fapp/tags/list", &[], "", Same),
    ("GET /v2/%74eam/app/tags%2flist", &[], "", Same),
    ("GET /v2/team/../team/app/tags/list", &[], "", Same),
    ("GET /v2/team/%2e/app/tags/list", &[], "", Same),
    ("GET /v2/team/app/tags/list/", &[], "", Same),
    ("GET /v2/none/tags/list", &[], "", Same),
    ("GET /v2/Team/tags/list", &[], "", Differ(404, 400)),
    ("GET /v2/team%00/tags/list", &[], "", Differ(404, 400)),
    ("GET /v2/team%/tags/list", &[], "", Differ(400, 400)),
    ("GET /v2/team/app/manifests", &[], "", Same),
    ("GET /v2/team/app/manifests/1/2", &[], "", Same),
    ("GET /v2/team/app/manifests/-1", &[], "", Differ(404, 400)),
    ("GET /v2/team/app/manifests/none", &[], "", Same),
    ("GET /v2/team/app/manifests/sha256:1", &[], "", Differ(500, 400)),
    ("GET /v2/team/app/blobs/{none}", &[], "", Same),
    ("GET /v2/team/app/blobs/sha256:1", &[], "", Same),
    ("GET /v2/team/app/blobs/{layer}", &[], "", Same),
    ("HEAD /v2/team/app/blobs/{layer}", &[], "", Same),
    ("GET /v2/team/app/blobs/{layer}", &["Range: bytes=2-4"], "", Same),
    ("GET /v2/team/app/blobs/{layer}", &["Range: bytes=2-"], "", Same),
    ("GET /v2/team/app/blobs/{layer}", &["Range: bytes=-3"], "", Same),
    ("GET /v2/team/app/blobs/{layer}", &["Range: bytes=2-4,"], "", Same),
    ("GET /v2/team/app/blobs/{layer}", &["Range: bytes=2 - 4"], "", Same),
    ("GET /v2/team/app/blobs/{layer}", &["Range: bytes=0-99"], "", Same),
    ("GET /v2/team/app/blobs/{layer}", &["Range: bytes=10-"], "", Same),
    ("GET /v2/team/app/blobs/{layer}", &["Range: 0-1"], "", Differ(416, 200)),
    ("GET /v2/team/app/blobs/{layer}", &["Range: bytes=0-1,3-4"], "", Differ(206, 200)),
    ("GET /v2/team/app/blobs/{layer}", &["If-None-Match: \"{layer}\""], "", Same),
    ("GET /v2/team/app/blobs/{layer}", &["If-Match: \"other\""], "", Differ(412, 200)),
    ("GET /v2/team/app/manifests/1", &["Accept: {docker}", "If-None-Match: {image}"], "", Same),
    ("GET /v2/team/app/manifests/1", &["Accept: {docker}", "If-None-Match: \"{image}\""], "", Same),
    ("GET /v2/team/app/manifests/1", &["Accept: {docker}", "If-None-Match: \"other\""], "", Same),
    ("GET /v2/team/app/manifests/1", &["Accept: text/html, {docker};q=0.5"], "", Same),
    ("HEAD /v2/team/app/manifests/1", &["Accept: text/html", "Accept: {docker}"], "", Same),
    ("GET /v2/team/app/manifests/{image}", &[], "", Same),
    ("PATCH /v2/team/app/manifests/1", &[], "", Same),
    ("PUT /v2/team/app/blobs/{layer}", &[], "", Same),
    ("OPTIONS /v2/team/app/blobs/{layer}", &[], "", Same),
    ("DELETE /v2/team/app/blobs/{none}", &[], "", Same),
    ("GET /v2/team/app/blobs/uploads/", &[], "", Differ(404, 405)),
];

#[rustfmt::skip]
const WRITES: &[Case] = &[
    ("POST /v2/team/app/blobs/uploads/", &[], "", Same),
    ("POST /v2/team/app/blobs/uploads/?x=y", &[], "", Same),
    ("POST /v2/team/app/blobs/uploads", &[], "", Differ(301, 202)),
    ("POST /v2/new/blobs/uploads/?mount={layer}&from=team/app", &[], "", Same),
    ("POST /v2/new/blobs/uploads/?mount={layer}&from=team%2Fapp", &[], "", Same),
    ("POST /v2/new/blobs/uploads/?mount={none}&from=team/app", &[], "", Same),
    ("POST /v2/new/blobs/uploads/?mount={none}&from=", &[], "", Same),
    ("POST /v2/new/blobs/uploads/?mount=x&from=team/app", &[], "", Same),
    ("POST /v2/new/blobs/uploads/?mount={none}&from=Team/app", &[], "", Same),
    ("POST /v2/new/blobs/uploads/?from=team/app", &[], "", Same),
    ("POST /v2/new/blobs/uploads/?digest=x", &[], "", Differ(202, 400)),
    ("GET {upload}", &[], "", Same),
    ("HEAD {upload}", &[], "", Same),
    ("DELETE {upload}", &[], "", Same),
    ("PATCH {upload}", &[], LAYER, Same),
    ("PATCH {upload}", &["Content-Type: application/octet-stream"], LAYER, Same),
    ("PATCH {upload}", &["Content-Type: text/plain"], LAYER, Differ(500, 202)),
    ("PATCH {upload}", &["Content-Range: 0-9"], LAYER, Same),
    ("PATCH {upload}", &["Content-Range: bytes 0-9/*"], LAYER, Same),
    ("PATCH {upload}", &["Content-Range: 5-14"], LAYER, Differ(202, 416)),
    ("PATCH {upload}", &["Content-Range: 0-10"], LAYER, Differ(202, 416)),
    ("PATCH {upload}", &["Content-Range: x"], LAYER, Differ(202, 416)),
    ("PATCH {upload}", &["Expect: 100-continue"], LAYER, Same),
    ("PUT {upload}", &[], LAYER, Same),
    ("PUT {upload}&digest=", &[], LAYER, Same),
    ("PUT {upload}&digest=sha256:1", &[], LAYER, Same),
    ("PUT {upload}&digest={none}", &[], LAYER, Same),
    ("PUT {upload}&digest={layer}", &[], LAYER, Same),
    ("PUT {upload}&x=y&digest={layer}", &["Expect: 100-continue"], LAYER, Same),
    ("PUT /v2/team/app/manifests/2", &["Content-Type: {docker}"], "{image}", Same),
    ("PUT /v2/team/app/manifests/2", &["Content-Type: {docker}; charset=utf-8"], "{image}", Same),
    ("PUT /v2/team/app/manifests/{image}", &["Content-Type: {docker}"], "{image}", Same),
    ("PUT /v2/team/app/manifests/{none}", &["Content-Type: {docker}"], "{image}", Same),
    ("PUT /v2/team/app/manifests/2", &["Content-Type: {docker}"], "x", Same),
    ("PUT /v2/team/app/manifests/2", &["Content-Type: {docker}"], "", Same),
    ("PUT /v2/team/app/manifests/2", &[], "{image}", Differ(400, 201)),
    ("DELETE /v2/team/app/manifests/2", &[], "", Differ(400, 202)),
    ("DELETE /v2/team/app/manifests/{none}", &[], "", Same),
    ("DELETE /v2/team/app/manifests/{image}", &[], "", Same),
    ("DELETE /v2/team/app/blobs/{layer}", &[], "", Same),
    ("DELETE /v2/team/app/blobs/{layer}", &[], "", Same),
];

/// What people's scripts read of an answer.
const READ: &[&str] = &[
    "Accept-Ranges",
    "Allow",
    "Content-Range",
    "Content-Type",
    "Docker-Content-Digest",
    "Docker-Distribution-Api-Version",
    "Docker-Upload-Uuid",
    "Etag",
    "Link",
    "Location",
    "Range",
    "Www-Authenticate",
];

#[test]
fn odd_requests_are_answered_as_by_registry_2() {
    let registries = [Software::Registry2, Software::Roadstead].map(Registry::start);
    let mut wrong = Vec::new();
    for (request, headers, body, expected) in READS.iter().chain(WRITES) {
        let [theirs, ours] = registries
            .each_ref()
            .map(|registry| registry.ask(request, headers, body));
        let is_right = match expected {
            Same => theirs.is(&ours),
            Differ(two, roadstead) => (theirs.status, ours.status) == (*two, *roadstead),
        };
        if !is_right {
            wrong.push(format!(
                "{request} {headers:?}:\n  registry:2 {theirs:?}\n  Roadstead  {ours:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

struct Registry {
    server: Server,
    /// What words in the table stand for.
    words: [(&'static str, String); 5],
    image: String,
    _data: tempfile::TempDir,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<&'static str, String>,
    /// Of an error.
    code: Option<String>,
}

impl Answer {
    fn is(&self, other: &Answer) -> bool {
        // Where registry:2's router or Go's file server answers, there is no code.
        let codes = self.code.as_ref().zip(other.code.as_ref());
        self.status == other.status
            && self.headers == other.headers
            && codes.is_none_or(|(theirs, ours)| theirs == ours)
    }
}

impl Registry {
    /// With an image `team/app:1`, and a second repository.
    fn start(software: Software) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let described = |kind: &str, text: &str| json!({"mediaType": format!("application/vnd.docker.{kind}"), "size": text.len(), "digest": sha256(text.as_bytes())});
        let image = json!({
            "schemaVersion": 2,
            "mediaType": DOCKER,
            "config": described("container.image.v1+json", CONFIG),
            "layers": [described("image.rootfs.diff.tar.gzip", LAYER)],
        })
        .to_string();
        let registry = Registry {
            server: Server::of(software, &stock_config(data.path())),
            words: [
                ("{docker}", DOCKER.to_owned()),
                ("{config}", sha256(CONFIG.as_bytes())),
                ("{layer}", sha256(LAYER.as_bytes())),
                ("{image}", sha256(image.as_bytes())),
                ("{none}", sha256(b"nothing has this one")),
            ],
            image,
            _data: data,
        };
        for repository in ["team/app", "app"] {
            for (word, body) in [("{config}", CONFIG), ("{layer}", LAYER)] {
                let location = registry.upload(repository);
                registry.put(&format!("{location}&digest={word}"), &[], body);
            }
            let manifest = format!("/v2/{repository}/manifests/1");
            registry.put(&manifest, &["Content-Type: {docker}"], "{image}");
        }
        registry
    }

    fn put(&self, path: &str, headers: &[&str], body: &str) {
        let answer = self.ask(&format!("PUT {path}"), headers, body);
        assert_eq!(answer.status, 201, "{path}: {answer:?}");
    }

    /// Begins an upload, and gives its path and query.
    fn upload(&self, repository: &str) -> String {
        let head = self.send(&format!("POST /v2/{repository}/blobs/uploads/"), &[], "");
        let location = head.lines().find_map(|line| line.strip_prefix("Location: "));
        let location = location.expect("an upload has a place");
        let path = location.find("/v2/").expect("it is below /v2/");
        location[path..].to_owned()
    }

    fn ask(&self, request: &str, headers: &[&str], body: &str) -> Answer {
        let mut request = request.to_owned();
        if request.contains("{upload}") {
            request = request.replace("{upload}", &self.upload("team/app"));
        }
        let answer = self.send(&request, headers, body);
        // Whoever expects 100 gets it first.
        let answer = answer
            .strip_prefix("HTTP/1.1 100 Continue\r\n\r\n")
            .unwrap_or(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("it has a status");
        let mut headers = BTreeMap::new();
        for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
            if let Some(read) = READ.iter().find(|read| **read == name) {
                headers.insert(*read, without_chance(name, value));
            }
        }
        if status >= 300 {
            // registry:2 has no JSON where its router answers.
            headers.retain(|name, _| !matches!(*name, "Content-Type" | "Docker-Content-Digest" | "Etag"));
        }
        let code = serde_json::from_str(body)
            .ok()
            .and_then(|body: Value| Some(body.pointer("/errors/0/code")?.as_str()?.to_owned()));
        Answer {
            status,
            headers,
            code,
        }
    }

    /// One request on a connection of its own, written as it stands.
    fn send(&self, request: &str, headers: &[&str], body: &str) -> String {
        let body = if body == "{image}" { &self.image } else { body };
        let mut text = format!("{request} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n");
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        if !matches!(request.split(' ').next(), Some("GET" | "HEAD")) {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        for (word, meaning) in &self.words {
            text = text.replace(word, meaning);
        }
        let mut stream = TcpStream::connect(("127.0.0.1", self.server.port())).expect("it listens");
        write!(stream, "{text}\r\n{body}").expect("it reads");
        let mut answer = Vec::new();
        // A server that has not read all resets the connection behind its answer.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// A header's value without ids, states and origins, which are different each time.
fn without_chance(name: &str, value: &str) -> String {
    match name {
        "Docker-Upload-Uuid" => "an id".to_owned(),
        "Location" => {
            let path = value.find("/v2").map_or(value, |path| &value[path..]);
            let (path, query) = path
                .split_once("?_state=")
                .map_or((path, ""), |(path, _)| (path, "?_state="));
            match path.split_once("/blobs/uploads/") {
                Some((repository, _)) => format!("{repository}/blobs/uploads/ID{query}"),
                None => path.to_owned(),
            }
        }
        _ => value.to_owned(),
    }
}
