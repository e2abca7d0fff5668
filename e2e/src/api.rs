//! The distribution API in its own words: requests go out as a test says them, answers come back whole.

use base16ct::lower::encode_string;
use sha2::{Digest as _, Sha256, Sha512};
use ureq::http::{HeaderMap, Method, Request};
use ureq::{Agent, Body};

use crate::server::Server;

/// What clients say they understand, each of them all.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                         application/vnd.docker.distribution.manifest.v2+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json";

/// A client of one registry, over plain HTTP/1.1 on loopback.
#[derive(Debug)]
pub struct Api {
    agent: Agent,
    origin: String,
}

/// An answer: what of it a test looks at.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header as text, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The test fails unless the status is this.
    #[track_caller]
    pub fn expect(self, status: u16, what: &str) -> Self {
        assert_eq!(
            self.status,
            status,
            "{what}: {}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Api {
    /// A client of a server on this machine.
    pub fn of(server: &Server) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build()
            .new_agent();
        Self {
            agent,
            origin: format!("http://{}", server.host()),
        }
    }

    /// Sends a request. `target` is a path or what a `Location` said.
    pub fn send(&self, method: Method, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let uri = if target.starts_with("http") {
            target.to_owned()
        } else {
            format!("{}{target}", self.origin)
        };
        let what = format!("{method} {uri}");
        let has_body = [Method::PUT, Method::POST, Method::PATCH].contains(&method);
        let mut request = Request::builder().method(method).uri(&uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cannot = |error: &dyn std::fmt::Display| -> ! { panic!("{what}: {error}") };
        let answer = if has_body {
            self.agent
                .run(request.body(body).unwrap_or_else(|error| cannot(&error)))
        } else {
            self.agent
                .run(request.body(()).unwrap_or_else(|error| cannot(&error)))
        };
        let (parts, body) = answer.unwrap_or_else(|error| cannot(&error)).into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: whole(body).unwrap_or_else(|error| cannot(&error)),
        }
    }

    /// GET.
    pub fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], &[])
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], &[])
    }

    /// GET of a manifest by a client that understands all of them.
    pub fn manifest(&self, repository: &str, reference: &str) -> Answer {
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.send(Method::GET, &path, &[("accept", MANIFESTS)], &[])
    }

    /// Pushes a manifest.
    pub fn push_manifest(&self, repository: &str, reference: &str, media_type: &str, bytes: &[u8]) -> Answer {
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.send(Method::PUT, &path, &[("content-type", media_type)], bytes)
    }

    /// Pushes a blob as clients do: begin, then everything at once.
    pub fn push_blob(&self, repository: &str, digest: &str, bytes: &[u8]) -> Answer {
        let location = self.begin_upload(repository);
        let joint = if location.contains('?') { '&' } else { '?' };
        let target = format!("{location}{joint}digest={digest}");
        let octets = [("content-type", "application/octet-stream")];
        self.send(Method::PUT, &target, &octets, bytes)
    }

    /// Begins an upload; gives its `Location`.
    pub fn begin_upload(&self, repository: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let begun = self.send(Method::POST, &path, &[], &[]);
        begun
            .expect(202, "the begin of an upload")
            .header("location")
            .to_owned()
    }

    /// Sends the next bytes of an upload, without ending it.
    pub fn continue_upload(&self, location: &str, bytes: &[u8]) -> Answer {
        let octets = [("content-type", "application/octet-stream")];
        self.send(Method::PATCH, location, &octets, bytes)
    }

    /// Asks for a blob of another repository; whether it was given.
    pub fn mount(&self, repository: &str, digest: &str, from: &str) -> bool {
        let path = format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={from}");
        match self.send(Method::POST, &path, &[], &[]).status {
            201 => true,
            202 => false,
            other => panic!("a mount of {digest} from {from} answers {other}"),
        }
    }

    /// Every page of a list: those answers, the first for `path`.
    pub fn pages(&self, path: &str) -> Vec<Answer> {
        let mut pages = vec![self.get(path)];
        while let Some(next) = pages.last().and_then(next_page) {
            pages.push(self.get(&next));
        }
        pages
    }
}

fn next_page(page: &Answer) -> Option<String> {
    let link = page.header("link").strip_prefix('<')?;
    let (target, rel) = link.split_once('>')?;
    rel.contains("next").then(|| target.to_owned())
}

fn whole(mut body: Body) -> Result<Vec<u8>, ureq::Error> {
    body.with_config().limit(u64::MAX).read_to_vec()
}

/// `sha256:…` of these bytes.
pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", encode_string(&Sha256::digest(bytes)))
}

/// `sha512:…` of these bytes.
pub fn sha512(bytes: &[u8]) -> String {
    format!("sha512:{}", encode_string(&Sha512::digest(bytes)))
}
