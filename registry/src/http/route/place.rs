//! The places that addresses name, and what each method asks for there.

use http::Method;

use super::query::Query;
use super::{Route, RouteError, Start, path};
use crate::metrics::Handler;

/// What stands below `/v2`, between slashes; nothing for the root.
pub(super) fn segments<'a>(prefix: &str, path: &'a str) -> Option<Option<Vec<&'a str>>> {
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
pub(super) enum Place<'a> {
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
    pub(super) fn of(segments: Option<&'a [&'a str]>) -> Option<Self> {
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

    pub(super) fn options(self) -> Route {
        let handler = match self {
            Place::Root => Handler::Root,
            Place::Base => Handler::Base,
            Place::Catalog => Handler::Catalog,
            Place::Tags { .. } => Handler::Tags,
            Place::Referrers { .. } => Handler::Referrers,
            Place::Manifest { .. } => Handler::Manifest,
            Place::Uploads { .. } => Handler::Uploads,
            Place::Upload { .. } => Handler::Upload,
            Place::Blob { .. } => Handler::Blob,
        };
        Route::Options {
            allowed: self.allowed(),
            handler,
        }
    }

    /// The path with its end as it should be, if it is not: with a slash or without one. An upload may begin at either.
    pub(super) fn other_end(self, path: &str) -> Option<String> {
        match (self, path.strip_suffix('/')) {
            (Place::Root | Place::Uploads { .. }, _) | (Place::Base, Some(_)) => None,
            (Place::Base, None) => Some(format!("{path}/")),
            (_, without) => without.map(str::to_owned),
        }
    }

    pub(super) fn route(self, method: &Method, query: &Query<'_>) -> Result<Route, RouteError> {
        let refused = || RouteError::Method(self.allowed());
        match self {
            // As registry:2: what asks whether something is alive here has odd methods at times.
            Place::Root => Ok(Route::Root),
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
