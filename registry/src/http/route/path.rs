//! Text from a path → typed values.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use roadstead_oci::{Algorithm, Digest, DigestError, Reference, RepositoryName, Tag, TagError};

use super::RouteError;

/// A path without its encoding. `%2F` is a slash like others, as registry:2 has it: whatever is asked of an address,
/// also who may use it, is asked of what this gives.
pub(super) fn decode(path: &str) -> Result<Cow<'_, str>, RouteError> {
    let bad = || RouteError::Name("the address holds a character that no name has".to_owned());
    let path = percent_decode_str(path).decode_utf8().map_err(|_| bad())?;
    if path.chars().any(char::is_control) {
        Err(bad())
    } else {
        Ok(path)
    }
}

/// The path without doubled slashes, `.` and `..`, if it has any. As registry:2's router, it leaves a slash at the end.
pub(super) fn clean(path: &str) -> Option<String> {
    let is_odd = |(index, segment): (usize, &str)| match segment {
        // What stands before the first slash and behind the last one.
        "" => index != 0 && index != path.matches('/').count(),
        "." | ".." => true,
        _ => false,
    };
    if !path.starts_with('/') || !path.split('/').enumerate().any(is_odd) {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let mut clean = format!("/{}", kept.join("/"));
    if path.ends_with('/') && !kept.is_empty() {
        clean.push('/');
    }
    Some(clean)
}

/// What a path needs to stand in a header. A backslash is a slash to browsers.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@');

/// The address of a path, with a query that is encoded already, but for bytes that some clients send as they are.
pub(super) fn encode(path: &str, query: Option<&str>) -> String {
    let path = utf8_percent_encode(path, PATH);
    match query {
        Some(query) => format!("{path}?{}", utf8_percent_encode(query, CONTROLS)),
        None => path.to_string(),
    }
}

pub(super) fn repository(segments: &[&str]) -> Result<RepositoryName, RouteError> {
    RepositoryName::try_from(segments.join("/")).map_err(|error| RouteError::Name(error.to_string()))
}

pub(super) fn digest(text: &str) -> Result<Digest, RouteError> {
    if text.is_empty() {
        return Err(RouteError::Digest(
            "the digest is missing; add ?digest=sha256:…".to_owned(),
        ));
    }
    text.parse()
        .map_err(|error: DigestError| RouteError::Digest(error.to_string()))
}

pub(super) fn algorithm(text: &str) -> Result<Algorithm, RouteError> {
    text.parse()
        .map_err(|error: DigestError| RouteError::Digest(error.to_string()))
}

pub(super) fn tag(text: &str) -> Result<Tag, RouteError> {
    text.parse()
        .map_err(|error: TagError| RouteError::Tag(error.to_string()))
}

/// With a colon it can only be a digest: no tag holds one.
pub(super) fn reference(text: &str) -> Result<Reference, RouteError> {
    if text.contains(':') {
        digest(text).map(Reference::Digest)
    } else {
        tag(text).map(Reference::Tag)
    }
}

/// Enough of a text to recognise it by.
pub(in crate::http) fn excerpt(text: &str) -> String {
    const LENGTH: usize = 80;
    match text.char_indices().nth(LENGTH) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
