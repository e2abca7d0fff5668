//! Text from a path → typed values.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use roadstead_oci::{Algorithm, Digest, DigestError, Reference, RepositoryName, Tag, TagError};

use super::RouteError;

/// The segments of a path, each decoded on its own: `%2F` is a character of a segment, never a separator, so that
/// nobody gets past a check by writing a slash in another way.
pub(super) fn decode(path: &str) -> Result<Vec<Cow<'_, str>>, RouteError> {
    path.split('/').map(decode_segment).collect()
}

fn decode_segment(segment: &str) -> Result<Cow<'_, str>, RouteError> {
    let bad = || {
        RouteError::Name(
            "the address holds an encoded slash or control character; names have none".to_owned(),
        )
    };
    let text = percent_decode_str(segment).decode_utf8().map_err(|_| bad())?;
    if text.chars().any(|c| c.is_control() || c == '/') {
        Err(bad())
    } else {
        Ok(text)
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
