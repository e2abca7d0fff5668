//! Names a request in the log, in its answer, and in the logs of whatever stands before this server.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A plain word of at most 64 characters.
#[derive(Clone, Debug)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// The id that a proxy gave the request, if it is a plain word; else a new one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).filter(|value| is_plain(value.as_bytes()));
        RequestId(given.cloned().unwrap_or_else(new))
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().expect("an id is plain text")
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_plain(id: &[u8]) -> bool {
    (1..=64).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// A number that no other process has, and a count: unique, and cheaper than a random number each time.
fn new() -> HeaderValue {
    static PROCESS: LazyLock<String> = LazyLock::new(|| {
        let mut bytes = [0; 6];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system's random source works");
        base16ct::lower::encode_string(&bytes)
    });
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let id = format!("{}-{:x}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(id).expect("hexadecimal digits are plain text")
}
