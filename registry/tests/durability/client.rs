//! A client of the distribution API, in the words of the workload.

use std::io::{self, Read};
use std::time::Duration;

use http::{Method, Request, Response};
use roadstead_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use serde_json::Value;
use ureq::{Agent, Body, SendBody};

use crate::check::Reader;
use crate::images::digest_of;

/// How a blob is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// `POST …?digest=`
    Monolithic,
    /// `POST`, then `PUT` with the bytes.
    Put,
    /// `POST`, `PATCH`es with `Content-Range`, an empty `PUT`.
    Chunked,
    /// `POST`, one `PATCH` of unknown length, an empty `PUT`.
    Streamed,
}

impl Way {
    pub(crate) const ALL: [Way; 4] = [Way::Monolithic, Way::Put, Way::Chunked, Way::Streamed];
}

#[derive(Debug)]
pub(crate) enum Failure {
    /// No answer, or not all of it: whether it was done is not known.
    NoAnswer,
    /// An answer that this request must not have.
    Wrong(String),
}

type Outcome<T> = Result<T, Failure>;

#[derive(Clone, Debug)]
pub(crate) struct Client {
    agent: Agent,
    address: String,
}

impl Client {
    pub(crate) fn new(address: String) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Client {
            agent: agent.into(),
            address,
        }
    }

    pub(crate) fn push_blob(&self, repository: &str, bytes: &[u8], way: Way) -> Outcome<()> {
        let digest = digest_of(bytes);
        if let Way::Monolithic = way {
            let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
            return self.send(Method::POST, &path, &[], bytes, 201).map(drop);
        }
        let upload = self.start_upload(repository)?;
        let end = with_digest(&upload, &digest);
        match way {
            Way::Put => return self.send(Method::PUT, &end, &[], bytes, 201).map(drop),
            Way::Chunked => self.append_chunks(&upload, bytes)?,
            _ => self.append_stream(&upload, bytes)?,
        }
        self.send(Method::PUT, &end, &[], b"", 201).map(drop)
    }

    pub(crate) fn has_blob(&self, repository: &str, digest: &str) -> Outcome<bool> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let answer = self.any_answer(Method::HEAD, &path, &[], b"")?;
        match answer.status().as_u16() {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(wrong(answer, &path)),
        }
    }

    /// Where to continue.
    pub(crate) fn start_upload(&self, repository: &str) -> Outcome<String> {
        let path = format!("/v2/{repository}/blobs/uploads/");
        location(&self.send(Method::POST, &path, &[], b"", 202)?)
    }

    /// Gives where to continue.
    pub(crate) fn append(&self, upload: &str, begin: usize, chunk: &[u8]) -> Outcome<String> {
        let range = format!("{begin}-{}", begin + chunk.len() - 1);
        location(&self.send(Method::PATCH, upload, &[("content-range", &range)], chunk, 202)?)
    }

    pub(crate) fn append_chunks(&self, upload: &str, bytes: &[u8]) -> Outcome<()> {
        let mut begin = 0;
        for chunk in bytes.chunks((bytes.len() / 3).max(1)) {
            self.append(upload, begin, chunk)?;
            begin += chunk.len();
        }
        Ok(())
    }

    pub(crate) fn finish_upload(&self, upload: &str, digest: &str) -> Outcome<()> {
        self.send(Method::PUT, &with_digest(upload, digest), &[], b"", 201)
            .map(drop)
    }

    fn append_stream(&self, upload: &str, bytes: &[u8]) -> Outcome<()> {
        let request = self.request(Method::PATCH, upload, &[]);
        // Of unknown length, and slow enough to be cut off in the middle.
        let mut pieces = Pieces(bytes);
        let request = request.body(SendBody::from_reader(&mut pieces)).unwrap();
        let answer = self.agent.run(request).map_err(|_| Failure::NoAnswer)?;
        expect(answer, 202, || format!("PATCH {upload} of a stream")).map(drop)
    }

    pub(crate) fn cancel_upload(&self, upload: &str) -> Outcome<()> {
        self.send(Method::DELETE, upload, &[], b"", 204).map(drop)
    }

    /// `false`: it is not there, and an upload has begun instead.
    pub(crate) fn mount(&self, repository: &str, digest: &str, from: &str) -> Outcome<bool> {
        let path = format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={from}");
        let answer = self.any_answer(Method::POST, &path, &[], b"")?;
        match answer.status().as_u16() {
            201 => Ok(true),
            202 => Ok(false),
            _ => Err(wrong(answer, &path)),
        }
    }

    pub(crate) fn put_manifest(&self, repository: &str, reference: &str, bytes: &[u8]) -> Outcome<()> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let parsed: Value = serde_json::from_slice(bytes).unwrap();
        let media_type = parsed["mediaType"].as_str().unwrap();
        self.send(Method::PUT, &path, &[("content-type", media_type)], bytes, 201)
            .map(drop)
    }

    /// Deletes what lies below a repository; that it is not there is as good.
    pub(crate) fn delete(&self, repository: &str, below: &str) -> Outcome<()> {
        let path = format!("/v2/{repository}/{below}");
        let answer = self.any_answer(Method::DELETE, &path, &[], b"")?;
        match answer.status().as_u16() {
            202 | 404 => Ok(()),
            _ => Err(wrong(answer, &path)),
        }
    }

    /// The status and the body of a GET.
    pub(crate) fn get(&self, path: &str) -> Outcome<(u16, Vec<u8>)> {
        let accept = format!("{OCI_MANIFEST}, {OCI_INDEX}");
        let mut answer = self.any_answer(Method::GET, path, &[("accept", &accept)], b"")?;
        let bytes = answer.body_mut().with_config().limit(1 << 30).read_to_vec();
        Ok((answer.status().as_u16(), bytes.map_err(|_| Failure::NoAnswer)?))
    }

    fn found(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        match self.get(path) {
            Ok((200, bytes)) => Ok(Some(bytes)),
            Ok((404, _)) => Ok(None),
            other => Err(format!("GET {path}: {other:?}")),
        }
    }

    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        bytes: &[u8],
        status: u16,
    ) -> Outcome<Response<Body>> {
        let answer = self.any_answer(method.clone(), path, headers, bytes)?;
        expect(answer, status, || format!("{method} {path}"))
    }

    pub(crate) fn any_answer(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        bytes: &[u8],
    ) -> Outcome<Response<Body>> {
        let request = self.request(method, path, headers);
        let sent = if bytes.is_empty() {
            self.agent
                .run(request.header("content-length", "0").body(()).unwrap())
        } else {
            self.agent.run(request.body(bytes).unwrap())
        };
        sent.map_err(|_| Failure::NoAnswer)
    }

    fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address));
        headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value))
    }
}

impl Reader for Client {
    fn manifest(&self, repository: &str, reference: &str) -> Result<Option<Vec<u8>>, String> {
        self.found(&format!("/v2/{repository}/manifests/{reference}"))
    }

    fn blob(&self, repository: &str, digest: &str) -> Result<Option<Vec<u8>>, String> {
        self.found(&format!("/v2/{repository}/blobs/{digest}"))
    }

    fn referrers(&self, repository: &str, subject: &str) -> Result<Vec<String>, String> {
        let path = format!("/v2/{repository}/referrers/{subject}");
        let index = self.found(&path)?.ok_or_else(|| format!("GET {path}: 404"))?;
        let index: Value = serde_json::from_slice(&index).map_err(|error| format!("GET {path}: {error}"))?;
        let all = index["manifests"].as_array().into_iter().flatten();
        Ok(all
            .filter_map(|one| Some(one["digest"].as_str()?.to_owned()))
            .collect())
    }
}

fn location(answer: &Response<Body>) -> Outcome<String> {
    let place = answer.headers().get("location");
    place
        .and_then(|place| place.to_str().ok())
        .map(str::to_owned)
        .ok_or_else(|| Failure::Wrong("no Location".to_owned()))
}

fn with_digest(upload: &str, digest: &str) -> String {
    let separator = if upload.contains('?') { '&' } else { '?' };
    format!("{upload}{separator}digest={digest}")
}

fn expect(answer: Response<Body>, status: u16, what: impl Fn() -> String) -> Outcome<Response<Body>> {
    if answer.status().as_u16() == status {
        Ok(answer)
    } else {
        Err(wrong(answer, &what()))
    }
}

fn wrong(mut answer: Response<Body>, what: &str) -> Failure {
    match answer.body_mut().read_to_string() {
        Ok(text) => Failure::Wrong(format!("{what}: {} {text}", answer.status())),
        Err(_) => Failure::NoAnswer,
    }
}

struct Pieces<'a>(&'a [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        std::thread::sleep(Duration::from_millis(1));
        let length = into.len().min(self.0.len()).min(32 << 10);
        let (now, later) = self.0.split_at(length);
        into[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}
