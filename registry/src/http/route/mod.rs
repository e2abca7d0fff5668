//! The one place that knows URLs: what a method and a path ask for, and how the answer names other places.
//!
//! Everything in a [`Route`] is parsed: no handler sees text from a URL.

mod links;
mod path;
mod query;
#[cfg(test)]
mod tests;

use http::{Method, Uri};
use roadstead_oci::{Algorithm, Digest, Reference, RepositoryName, Tag};

pub(super) use self::links::Links;
pub(super) use self::path::excerpt;
use self::query::Query;
use crate::auth::access::Action;
use crate::content::UploadId;

/// One thing that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/`: says that something is alive here, to anyone.
    Root,
    /// `/v2/`: says that this is a registry, to those who may use it.
    Base,
    Catalog(Paging),
    Tags {
        repository: RepositoryName,
        paging: Paging,
    },
    Referrers {
        repository: RepositoryName,
        subject: Digest,
        artifact_type: Option<String>,
        paging: Paging,
    },
    ReadBlob {
        repository: RepositoryName,
        digest: Digest,
    },
    DeleteBlob {
        repository: RepositoryName,
        digest: Digest,
    },
    ReadManifest {
        repository: RepositoryName,
        reference: Reference,
    },
    PutManifest {
        repository: RepositoryName,
        reference: Reference,
        tags: Vec<Tag>,
    },
    DeleteManifest {
        repository: RepositoryName,
        reference: Reference,
    },
    StartUpload {
        repository: RepositoryName,
        start: Start,
    },
    AppendUpload {
        repository: RepositoryName,
        id: UploadId,
    },
    FinishUpload {
        repository: RepositoryName,
        id: UploadId,
        digest: Digest,
    },
    UploadStatus {
        repository: RepositoryName,
        id: UploadId,
    },
    CancelUpload {
        repository: RepositoryName,
        id: UploadId,
    },
}

/// How a blob push begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// The bytes come later.
    Session(Option<Algorithm>),
    /// The bytes are in this request: `?digest=`.
    Whole(Digest),
    /// The bytes are here already: `?mount=`, perhaps with `&from=`.
    Mount {
        digest: Digest,
        from: Option<RepositoryName>,
    },
}

/// `?n=` and `?last=` of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Paging {
    pub(super) n: Option<usize>,
    pub(super) last: Option<String>,
}

/// What a caller needs to be let through to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need<'a> {
    Nothing,
    /// To be somebody, if there are users at all.
    Identity,
    /// To be told which repositories there are: those that the caller may pull, which may be none.
    Catalog,
    Right(&'a RepositoryName, Action),
}

impl Route {
    pub(super) fn need(&self) -> Need<'_> {
        match self {
            Route::Root => Need::Nothing,
            Route::Base => Need::Identity,
            Route::Catalog(_) => Need::Catalog,
            Route::Tags { repository, .. }
            | Route::Referrers { repository, .. }
            | Route::ReadBlob { repository, .. }
            | Route::ReadManifest { repository, .. } => Need::Right(repository, Action::Pull),
            Route::PutManifest { repository, .. }
            | Route::StartUpload { repository, .. }
            | Route::AppendUpload { repository, .. }
            | Route::FinishUpload { repository, .. }
            | Route::UploadStatus { repository, .. }
            | Route::CancelUpload { repository, .. } => Need::Right(repository, Action::Push),
            Route::DeleteBlob { repository, .. } | Route::DeleteManifest { repository, .. } => {
                Need::Right(repository, Action::Delete)
            }
        }
    }

    /// For metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Route::Root => "root",
            Route::Base => "base",
            Route::Catalog(_) => "catalog",
            Route::Tags { .. } => "tags",
            Route::Referrers { .. } => "referrers",
            Route::ReadBlob { .. } | Route::DeleteBlob { .. } => "blob",
            Route::ReadManifest { .. } | Route::PutManifest { .. } | Route::DeleteManifest { .. } => {
                "manifest"
            }
            Route::StartUpload { .. } => "uploads",
            Route::AppendUpload { .. }
            | Route::FinishUpload { .. }
            | Route::UploadStatus { .. }
            | Route::CancelUpload { .. } => "upload",
        }
    }
}

/// Why a request names nothing that can be done here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RouteError {
    #[error("there is nothing at this address; the API of the registry is under {0}v2/")]
    NoSuchPlace(String),
    #[error("the address is longer than {0} bytes")]
    TooLong(usize),
    #[error("this method is not possible here, only {0}")]
    Method(&'static str),
    #[error("{0}")]
    Name(String),
    #[error("{0}")]
    Tag(String),
    #[error("{0}")]
    Digest(String),
    #[error("\"{0}\" is not the id of an upload; start one with POST")]
    Upload(String),
    #[error("n is \"{0}\", and must be a number that is not negative")]
    Number(String),
}

/// No name of a client's is anywhere near this long; a digest and a repository name have 400 bytes.
const LONGEST: usize = 8 * 1024;

/// What this method asks for at this address, under a prefix that begins and ends with a slash.
pub(super) fn parse(prefix: &str, method: &Method, uri: &Uri) -> Result<Route, RouteError> {
    let length = uri.path().len() + uri.query().map_or(0, str::len);
    if length > LONGEST {
        return Err(RouteError::TooLong(LONGEST));
    }
    let nowhere = || RouteError::NoSuchPlace(prefix.to_owned());
    let path = uri.path();
    if path == "/" || path == prefix {
        allow(method, &[Method::GET, Method::HEAD], "GET, HEAD")?;
        return Ok(Route::Root);
    }
    let below = path.strip_prefix(prefix).ok_or_else(nowhere)?;
    let below = match below.strip_prefix("v2") {
        Some("") => "",
        Some(rest) => rest.strip_prefix('/').ok_or_else(nowhere)?,
        None => return Err(nowhere()),
    };
    let segments = path::decode(below)?;
    let query = Query::parse(uri.query().unwrap_or_default());
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    // A repository may be called `a/tags` or `blobs/uploads`, so what is asked for stands at the end.
    match segments.as_slice() {
        [""] => {
            allow(method, &[Method::GET, Method::HEAD], "GET, HEAD")?;
            Ok(Route::Base)
        }
        ["_catalog"] => {
            allow(method, &[Method::GET, Method::HEAD], "GET, HEAD")?;
            Ok(Route::Catalog(query.paging()?))
        }
        [name @ .., "tags", "list"] => tags(method, name, &query),
        [name @ .., "referrers", subject] => referrers(method, name, subject, &query),
        [name @ .., "manifests", reference] => manifest(method, name, reference, &query),
        [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
            uploads(method, name, &query)
        }
        [name @ .., "blobs", "uploads", id] => upload(method, name, id, &query),
        [name @ .., "blobs", digest] => blob(method, name, digest),
        _ => Err(nowhere()),
    }
}

fn tags(method: &Method, name: &[&str], query: &Query<'_>) -> Result<Route, RouteError> {
    allow(method, &[Method::GET, Method::HEAD], "GET, HEAD")?;
    Ok(Route::Tags {
        repository: path::repository(name)?,
        paging: query.paging()?,
    })
}

fn referrers(method: &Method, name: &[&str], subject: &str, query: &Query<'_>) -> Result<Route, RouteError> {
    allow(method, &[Method::GET, Method::HEAD], "GET, HEAD")?;
    Ok(Route::Referrers {
        repository: path::repository(name)?,
        subject: path::digest(subject)?,
        artifact_type: query.get("artifactType").filter(|text| !text.is_empty()),
        paging: query.paging()?,
    })
}

fn manifest(method: &Method, name: &[&str], reference: &str, query: &Query<'_>) -> Result<Route, RouteError> {
    let parts = || Ok((path::repository(name)?, path::reference(reference)?));
    match *method {
        Method::GET | Method::HEAD => parts().map(|(repository, reference)| Route::ReadManifest {
            repository,
            reference,
        }),
        Method::PUT => {
            let (repository, reference) = parts()?;
            let tags = query
                .all("tag")
                .map(|tag| path::tag(&tag))
                .collect::<Result<_, _>>()?;
            Ok(Route::PutManifest {
                repository,
                reference,
                tags,
            })
        }
        Method::DELETE => parts().map(|(repository, reference)| Route::DeleteManifest {
            repository,
            reference,
        }),
        _ => Err(RouteError::Method("GET, HEAD, PUT, DELETE")),
    }
}

fn blob(method: &Method, name: &[&str], digest: &str) -> Result<Route, RouteError> {
    let parts = || Ok((path::repository(name)?, path::digest(digest)?));
    match *method {
        Method::GET | Method::HEAD => {
            parts().map(|(repository, digest)| Route::ReadBlob { repository, digest })
        }
        Method::DELETE => parts().map(|(repository, digest)| Route::DeleteBlob { repository, digest }),
        _ => Err(RouteError::Method("GET, HEAD, DELETE")),
    }
}

fn uploads(method: &Method, name: &[&str], query: &Query<'_>) -> Result<Route, RouteError> {
    allow(method, &[Method::POST], "POST")?;
    let repository = path::repository(name)?;
    let start = if let Some(digest) = query.get("mount") {
        let from = query
            .get("from")
            .map(|from| path::repository(&[&from]))
            .transpose()?;
        Start::Mount {
            digest: path::digest(&digest)?,
            from,
        }
    } else if let Some(digest) = query.get("digest") {
        Start::Whole(path::digest(&digest)?)
    } else {
        Start::Session(
            query
                .get("digest-algorithm")
                .map(|text| path::algorithm(&text))
                .transpose()?,
        )
    };
    Ok(Route::StartUpload { repository, start })
}

fn upload(method: &Method, name: &[&str], id: &str, query: &Query<'_>) -> Result<Route, RouteError> {
    let parts = || {
        let repository = path::repository(name)?;
        let id = id.parse().map_err(|_| RouteError::Upload(path::excerpt(id)))?;
        Ok((repository, id))
    };
    match *method {
        Method::PATCH => parts().map(|(repository, id)| Route::AppendUpload { repository, id }),
        Method::PUT => {
            let (repository, id) = parts()?;
            let digest = query.get("digest").unwrap_or_default();
            Ok(Route::FinishUpload {
                repository,
                id,
                digest: path::digest(&digest)?,
            })
        }
        Method::GET | Method::HEAD => parts().map(|(repository, id)| Route::UploadStatus { repository, id }),
        Method::DELETE => parts().map(|(repository, id)| Route::CancelUpload { repository, id }),
        _ => Err(RouteError::Method("GET, HEAD, PATCH, PUT, DELETE")),
    }
}

fn allow(method: &Method, allowed: &[Method], names: &'static str) -> Result<(), RouteError> {
    if allowed.contains(method) {
        Ok(())
    } else {
        Err(RouteError::Method(names))
    }
}
