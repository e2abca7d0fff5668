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
    /// Any place, asked by `OPTIONS`: what can be done there. Nothing is told of what is there.
    Options {
        allowed: &'static str,
    },
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
            Route::Options { .. } | Route::Root => Need::Nothing,
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
            Route::Options { .. } => "options",
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
    /// The same place has this address; methods and rights count there.
    #[error("this is at {0}")]
    Moved(String),
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
    let path = path::decode(uri.path())?;
    if path == "*" && method == Method::OPTIONS {
        let allowed = Place::Root.allowed();
        return Ok(Route::Options { allowed });
    }
    let moved = |path: &str| RouteError::Moved(path::encode(path, uri.query()));
    let clean = path::clean(&path);
    // A browser follows no redirect here.
    if let Some(clean) = &clean
        && method != Method::OPTIONS
    {
        return Err(moved(clean));
    }
    let path = clean.as_deref().unwrap_or(&path);
    let segments = segments(prefix, path).ok_or_else(|| RouteError::NoSuchPlace(prefix.to_owned()))?;
    let place = Place::of(segments.as_deref()).ok_or_else(|| RouteError::NoSuchPlace(prefix.to_owned()))?;
    if method == Method::OPTIONS {
        let allowed = place.allowed();
        return Ok(Route::Options { allowed });
    }
    if let Some(right) = place.other_end(path) {
        return Err(moved(&right));
    }
    place.route(method, &Query::parse(uri.query().unwrap_or_default()))
}

/// What stands below `/v2`, between slashes; nothing for the root.
fn segments<'a>(prefix: &str, path: &'a str) -> Option<Option<Vec<&'a str>>> {
    if path == "/" || path == prefix {
        return Some(None);
    }
    let below = path.strip_prefix(prefix)?.strip_prefix("v2")?;
    if below.is_empty() {
        return Some(Some(Vec::new()));
    }
    Some(Some(below.strip_prefix('/')?.split('/').collect()))
}

/// A place that an address names, whatever is to be done there.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Base,
    Catalog,
    Tags { name: &'a [&'a str] },
    Referrers { name: &'a [&'a str], subject: &'a str },
    Manifest { name: &'a [&'a str], reference: &'a str },
    Uploads { name: &'a [&'a str] },
    Upload { name: &'a [&'a str], id: &'a str },
    Blob { name: &'a [&'a str], digest: &'a str },
}

impl<'a> Place<'a> {
    /// A repository may be called `a/tags` or `blobs/uploads`, so what is asked for stands at the end.
    fn of(segments: Option<&'a [&'a str]>) -> Option<Self> {
        let Some(segments) = segments else {
            return Some(Place::Root);
        };
        // Whether a slash stands at the end tells no two places apart.
        let place = match segments.strip_suffix(&[""]).unwrap_or(segments) {
            [] => Place::Base,
            ["_catalog"] => Place::Catalog,
            [name @ .., "tags", "list"] => Place::Tags { name },
            [name @ .., "referrers", subject] => Place::Referrers { name, subject },
            [name @ .., "manifests", reference] => Place::Manifest { name, reference },
            [name @ .., "blobs", "uploads"] => Place::Uploads { name },
            [name @ .., "blobs", "uploads", id] => Place::Upload { name, id },
            [name @ .., "blobs", digest] => Place::Blob { name, digest },
            _ => return None,
        };
        Some(place)
    }

    /// As registry:2 orders them.
    fn allowed(self) -> &'static str {
        match self {
            Place::Root | Place::Base | Place::Catalog | Place::Tags { .. } | Place::Referrers { .. } => {
                "GET, HEAD"
            }
            Place::Manifest { .. } => "DELETE, GET, HEAD, PUT",
            Place::Blob { .. } => "DELETE, GET, HEAD",
            Place::Uploads { .. } => "POST",
            Place::Upload { .. } => "DELETE, GET, HEAD, PATCH, PUT",
        }
    }

    /// The path with its end as it should be, if it is not: with a slash or without one. An upload may begin at either.
    fn other_end(self, path: &str) -> Option<String> {
        match (self, path.strip_suffix('/')) {
            (Place::Root | Place::Uploads { .. }, _) | (Place::Base, Some(_)) => None,
            (Place::Base, None) => Some(format!("{path}/")),
            (_, without) => without.map(str::to_owned),
        }
    }

    fn route(self, method: &Method, query: &Query<'_>) -> Result<Route, RouteError> {
        let refused = || RouteError::Method(self.allowed());
        match self {
            Place::Root => reads(method).then_some(Route::Root).ok_or_else(refused),
            Place::Base => reads(method).then_some(Route::Base).ok_or_else(refused),
            Place::Catalog if reads(method) => Ok(Route::Catalog(query.paging()?)),
            Place::Tags { name } if reads(method) => tags(name, query),
            Place::Referrers { name, subject } if reads(method) => referrers(name, subject, query),
            Place::Uploads { name } if method == Method::POST => uploads(name, query),
            Place::Catalog | Place::Tags { .. } | Place::Referrers { .. } | Place::Uploads { .. } => {
                Err(refused())
            }
            Place::Manifest { name, reference } => {
                manifest(method, name, reference, query)?.ok_or_else(refused)
            }
            Place::Upload { name, id } => upload(method, name, id, query)?.ok_or_else(refused),
            Place::Blob { name, digest } => blob(method, name, digest)?.ok_or_else(refused),
        }
    }
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn tags(name: &[&str], query: &Query<'_>) -> Result<Route, RouteError> {
    Ok(Route::Tags {
        repository: path::repository(name)?,
        paging: query.paging()?,
    })
}

fn referrers(name: &[&str], subject: &str, query: &Query<'_>) -> Result<Route, RouteError> {
    Ok(Route::Referrers {
        repository: path::repository(name)?,
        subject: path::digest(subject)?,
        artifact_type: query.get("artifactType").filter(|text| !text.is_empty()),
        paging: query.paging()?,
    })
}

fn manifest(
    method: &Method,
    name: &[&str],
    reference: &str,
    query: &Query<'_>,
) -> Result<Option<Route>, RouteError> {
    let parts = || Ok((path::repository(name)?, path::reference(reference)?));
    Ok(Some(match *method {
        Method::GET | Method::HEAD => {
            let (repository, reference) = parts()?;
            Route::ReadManifest {
                repository,
                reference,
            }
        }
        Method::PUT => {
            let (repository, reference) = parts()?;
            let tags = query
                .all("tag")
                .map(|tag| path::tag(&tag))
                .collect::<Result<_, _>>()?;
            Route::PutManifest {
                repository,
                reference,
                tags,
            }
        }
        Method::DELETE => {
            let (repository, reference) = parts()?;
            Route::DeleteManifest {
                repository,
                reference,
            }
        }
        _ => return Ok(None),
    }))
}

fn blob(method: &Method, name: &[&str], digest: &str) -> Result<Option<Route>, RouteError> {
    let parts = || Ok((path::repository(name)?, path::digest(digest)?));
    match *method {
        Method::GET | Method::HEAD => {
            parts().map(|(repository, digest)| Some(Route::ReadBlob { repository, digest }))
        }
        Method::DELETE => parts().map(|(repository, digest)| Some(Route::DeleteBlob { repository, digest })),
        _ => Ok(None),
    }
}

fn uploads(name: &[&str], query: &Query<'_>) -> Result<Route, RouteError> {
    let repository = path::repository(name)?;
    let start = match mount(query) {
        Some(mount) => mount,
        None if query.get("mount").is_some() => Start::Session(None),
        None => match query.get("digest") {
            Some(digest) => Start::Whole(path::digest(&digest)?),
            None => Start::Session(
                query
                    .get("digest-algorithm")
                    .map(|text| path::algorithm(&text))
                    .transpose()?,
            ),
        },
    };
    Ok(Route::StartUpload { repository, start })
}

/// What cannot be mounted is uploaded: a digest or a repository that is none is no error.
fn mount(query: &Query<'_>) -> Option<Start> {
    let digest = query.get("mount")?.parse().ok()?;
    let from = query.get("from").map(|from| path::repository(&[&from]));
    let from = from.transpose().ok()?;
    Some(Start::Mount { digest, from })
}

fn upload(method: &Method, name: &[&str], id: &str, query: &Query<'_>) -> Result<Option<Route>, RouteError> {
    let parts = || {
        let repository = path::repository(name)?;
        let id = id.parse().map_err(|_| RouteError::Upload(path::excerpt(id)))?;
        Ok((repository, id))
    };
    Ok(Some(match *method {
        Method::PATCH => {
            let (repository, id) = parts()?;
            Route::AppendUpload { repository, id }
        }
        Method::PUT => {
            let (repository, id) = parts()?;
            let digest = path::digest(&query.get("digest").unwrap_or_default())?;
            Route::FinishUpload {
                repository,
                id,
                digest,
            }
        }
        Method::GET | Method::HEAD => {
            let (repository, id) = parts()?;
            Route::UploadStatus { repository, id }
        }
        Method::DELETE => {
            let (repository, id) = parts()?;
            Route::CancelUpload { repository, id }
        }
        _ => return Ok(None),
    }))
}
