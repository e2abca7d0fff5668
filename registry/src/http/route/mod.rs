//! The one place that knows URLs: what a method and a path ask for, and how the answer names other places.
//!
//! Everything in a [`Route`] is parsed: no handler sees text from a URL.

mod links;
mod path;
mod place;
mod query;
#[cfg(test)]
mod tests;

use http::{Method, Uri};
use roadstead_oci::{Algorithm, Digest, Reference, RepositoryName, Tag};

pub(super) use self::links::Links;
pub(super) use self::path::excerpt;
use self::place::{Place, segments};
use self::query::Query;
use crate::auth::access::Action;
use crate::content::UploadId;
use crate::metrics::Handler;

/// One thing that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Any place, asked by `OPTIONS`: what can be done there. Nothing is told of what is there.
    Options {
        allowed: &'static str,
        handler: Handler,
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
    pub(super) fn handler(&self) -> Handler {
        match self {
            Route::Options { handler, .. } => *handler,
            Route::Root => Handler::Root,
            Route::Base => Handler::Base,
            Route::Catalog(_) => Handler::Catalog,
            Route::Tags { .. } => Handler::Tags,
            Route::Referrers { .. } => Handler::Referrers,
            Route::ReadBlob { .. } | Route::DeleteBlob { .. } => Handler::Blob,
            Route::ReadManifest { .. } | Route::PutManifest { .. } | Route::DeleteManifest { .. } => {
                Handler::Manifest
            }
            Route::StartUpload { .. } => Handler::Uploads,
            Route::AppendUpload { .. }
            | Route::FinishUpload { .. }
            | Route::UploadStatus { .. }
            | Route::CancelUpload { .. } => Handler::Upload,
        }
    }
}

/// Why a request names nothing that can be done here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RouteError {
    #[error("there is nothing at this address; the API of the registry is under {0}v2/")]
    NoSuchPlace(String),
    /// The same place has this address; methods and rights count there.
    #[error("this is at {to}")]
    Moved { to: String, is_read: bool },
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
        return Ok(Place::Root.options());
    }
    let moved = |path: &str| RouteError::Moved {
        to: path::encode(path, uri.query()),
        is_read: matches!(*method, Method::GET | Method::HEAD),
    };
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
        return Ok(place.options());
    }
    if let Some(right) = place.other_end(path) {
        return Err(moved(&right));
    }
    place.route(method, &Query::parse(uri.query().unwrap_or_default()))
}
