//! The addresses that answers name.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use roadstead_oci::{Digest, RepositoryName};

use crate::content::UploadId;

/// What needs no encoding in a query's value (RFC 3986 "unreserved"), as registry:2 writes it.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Makes addresses: relative ones, which hold whatever name the client used, or such below an origin.
#[derive(Clone, Debug)]
pub(in crate::http) struct Links {
    base: String,
}

impl Links {
    pub(in crate::http) fn new(origin: Option<&str>, prefix: &str) -> Self {
        // `http.host` may hold the path already under which a proxy shows the registry.
        let base = match origin {
            None => format!("{prefix}v2"),
            Some(origin) if prefix != "/" && origin.ends_with(prefix.trim_end_matches('/')) => {
                format!("{origin}/v2")
            }
            Some(origin) => format!("{origin}{prefix}v2"),
        };
        Links { base }
    }

    pub(in crate::http) fn blob(&self, repository: &RepositoryName, digest: &Digest) -> String {
        format!("{}/{repository}/blobs/{digest}", self.base)
    }

    pub(in crate::http) fn manifest(&self, repository: &RepositoryName, digest: &Digest) -> String {
        format!("{}/{repository}/manifests/{digest}", self.base)
    }

    pub(in crate::http) fn upload(&self, repository: &RepositoryName, id: &UploadId) -> String {
        // Scripts put `&digest=` behind it, for registry:2 keeps its state in a query.
        format!("{}/{repository}/blobs/uploads/{id}?_state={id}", self.base)
    }

    pub(in crate::http) fn catalog(&self, n: Option<usize>, last: &str) -> String {
        next(format!("{}/_catalog", self.base), n, last, &[])
    }

    pub(in crate::http) fn tags(&self, repository: &RepositoryName, n: Option<usize>, last: &str) -> String {
        next(format!("{}/{repository}/tags/list", self.base), n, last, &[])
    }

    pub(in crate::http) fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        n: Option<usize>,
        last: &str,
    ) -> String {
        let filter: Vec<_> = artifact_type
            .iter()
            .map(|value| ("artifactType", *value))
            .collect();
        next(
            format!("{}/{repository}/referrers/{subject}", self.base),
            n,
            last,
            &filter,
        )
    }
}

/// The value of a `Link` header (RFC 8288) that leads to the next page.
fn next(path: String, n: Option<usize>, last: &str, more: &[(&str, &str)]) -> String {
    let mut link = format!("<{path}?last={}", utf8_percent_encode(last, VALUE));
    if let Some(n) = n {
        let _ = write!(link, "&n={n}");
    }
    for (name, value) in more {
        let _ = write!(link, "&{name}={}", utf8_percent_encode(value, VALUE));
    }
    link.push_str(">; rel=\"next\"");
    link
}
