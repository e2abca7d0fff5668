//! Entry points for fuzzing: what reads requests before anybody has been authenticated.

use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::range;
use super::route::{self, Need};

/// A method, a space, a path with its query.
pub(crate) fn route(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b' ');
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else {
        return;
    };
    let (Ok(method), Ok(uri)) = (Method::from_bytes(method), Uri::try_from(target)) else {
        return;
    };
    for prefix in ["/", "/prefix/"] {
        let Ok(route) = route::parse(prefix, &method, &uri) else {
            continue;
        };
        if let Need::Right(repository, _) = route.need() {
            assert_eq!(repository.as_str().parse().as_ref(), Ok(repository));
            assert!(
                !repository.as_str().contains(".."),
                "{repository} leads out of the store"
            );
        }
    }
}

/// A range, and on the next line a length.
pub(crate) fn content_range(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for (name, value) in [CONTENT_RANGE, CONTENT_LENGTH].into_iter().zip(&mut lines) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
    let _ = range::sent_at(&headers);
}
