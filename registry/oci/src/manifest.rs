//! Manifests: images and indexes, of OCI and of Docker.
//!
//! A push is parsed strictly, because a registry:2 may read the same store and its garbage collection acts on
//! what it understands. What is stored already is only looked at for its type, and served byte for byte.

use serde::Deserialize;
use serde_json::error::Category;
use thiserror::Error;

use crate::strict_json::{Keys, Strict};
use crate::{Annotations, Descriptor, MediaType};

/// A manifest that may be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    media_type: MediaType,
    content: ManifestContent,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    annotations: Annotations,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestContent {
    Image {
        config: Descriptor,
        layers: Vec<Descriptor>,
    },
    Index {
        manifests: Vec<Descriptor>,
    },
}

/// Why a manifest is not accepted.
#[derive(Debug, Error)]
pub enum ManifestError {
    #[error("{wrong}: {0}", wrong = what_is_wrong(.0))]
    Json(#[from] serde_json::Error),
    #[error("schemaVersion is {0}, only 2 is accepted")]
    SchemaVersion(i64),
    #[error(
        "schema 1 manifests can be pulled but no longer pushed, push the image again with a current client"
    )]
    Schema1,
    #[error("media type {0:?} is not accepted, use an OCI or Docker schema 2 image manifest or index")]
    UnsupportedMediaType(String),
    #[error("Content-Type is {header:?} but the manifest's mediaType is {body:?}, they must be the same")]
    ContentTypeMismatch { header: String, body: String },
    #[error("a manifest pushed as {0} must say so in its own mediaType field")]
    MediaTypeAbsent(MediaType),
    #[error("a manifest has either config and layers (an image) or manifests (an index), not both")]
    ImageAndIndex,
    #[error("manifest has no {0}")]
    Missing(&'static str),
}

fn what_is_wrong(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        Category::Data => "manifest is not valid",
        Category::Syntax | Category::Eof | Category::Io => "manifest is not JSON",
    }
}

impl Manifest {
    /// Parses a pushed manifest. `content_type` is the request's header; absent or generic, the body decides.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        let header = content_type.map(essence).filter(|essence| !is_generic(essence));
        if header.as_deref().is_some_and(is_schema1) {
            return Err(ManifestError::Schema1);
        }
        let Strict(raw): Strict<RawManifest> = serde_json::from_slice(bytes)?;
        let media_type = decide_media_type(&raw, header.as_deref())?;
        raw.into_manifest(media_type)
    }

    pub fn media_type(&self) -> MediaType {
        self.media_type
    }

    pub fn content(&self) -> &ManifestContent {
        &self.content
    }

    pub fn config(&self) -> Option<&Descriptor> {
        match &self.content {
            ManifestContent::Image { config, layers: _ } => Some(config),
            ManifestContent::Index { manifests: _ } => None,
        }
    }

    pub fn layers(&self) -> &[Descriptor] {
        match &self.content {
            ManifestContent::Image { config: _, layers } => layers,
            ManifestContent::Index { manifests: _ } => &[],
        }
    }

    /// The children of an index.
    pub fn manifests(&self) -> &[Descriptor] {
        match &self.content {
            ManifestContent::Image { config: _, layers: _ } => &[],
            ManifestContent::Index { manifests } => manifests,
        }
    }

    /// What an image is made of: its config and layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config().into_iter().chain(self.layers())
    }

    pub fn subject(&self) -> Option<&Descriptor> {
        self.subject.as_ref()
    }

    /// The type that a [referrers list](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers)
    /// shows: the manifest's own, else that of an image's config.
    pub fn artifact_type(&self) -> Option<&str> {
        let own = self.artifact_type.as_deref().filter(|own| !own.is_empty());
        own.or_else(|| self.config().map(|config| config.media_type.as_str()))
    }

    pub fn annotations(&self) -> &Annotations {
        &self.annotations
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    schema_version: Option<i64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "present")]
    layers: Option<Option<Vec<Descriptor>>>,
    #[serde(default, deserialize_with = "present")]
    manifests: Option<Option<Vec<Descriptor>>>,
    subject: Option<Descriptor>,
    annotations: Option<Annotations>,
}

/// Go writes an empty list as `null`, so for lists there are three cases: absent, null and a list.
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

impl Keys for RawManifest {
    const EXPECTED: &'static str = "a JSON object";
    const KEYS: &'static [&'static str] = &[
        "schemaVersion",
        "mediaType",
        "artifactType",
        "config",
        "layers",
        "manifests",
        "subject",
        "annotations",
    ];
}

impl RawManifest {
    fn into_manifest(self, media_type: MediaType) -> Result<Manifest, ManifestError> {
        match self.schema_version {
            Some(2) => {}
            Some(other) => return Err(ManifestError::SchemaVersion(other)),
            None => return Err(ManifestError::Missing("schemaVersion")),
        }
        let content = if media_type.is_index() {
            if self.config.is_some() || self.layers.is_some() {
                return Err(ManifestError::ImageAndIndex);
            }
            let manifests = self.manifests.ok_or(ManifestError::Missing("manifests"))?;
            ManifestContent::Index {
                manifests: manifests.unwrap_or_default(),
            }
        } else {
            if self.manifests.is_some() {
                return Err(ManifestError::ImageAndIndex);
            }
            let config = self.config.ok_or(ManifestError::Missing("config"))?;
            let layers = self.layers.ok_or(ManifestError::Missing("layers"))?;
            ManifestContent::Image {
                config,
                layers: layers.unwrap_or_default(),
            }
        };
        Ok(Manifest {
            media_type,
            content,
            subject: self.subject,
            artifact_type: self.artifact_type,
            annotations: self.annotations.unwrap_or_default(),
        })
    }
}

fn decide_media_type(raw: &RawManifest, header: Option<&str>) -> Result<MediaType, ManifestError> {
    let body = raw.media_type.as_deref().filter(|body| !body.is_empty());
    match (body, header) {
        (Some(body), Some(header)) if body != header => Err(ManifestError::ContentTypeMismatch {
            header: header.to_owned(),
            body: body.to_owned(),
        }),
        (Some(body), _) => accepted(body),
        (None, None) if raw.schema_version == Some(1) => Err(ManifestError::Schema1),
        (None, None) if raw.manifests.is_some() => Ok(MediaType::OciIndex),
        (None, None) => Ok(MediaType::OciManifest),
        (None, Some(header)) => match accepted(header)? {
            // The type is not stored beside the bytes: without the field, Docker's could not be told from OCI's.
            docker @ (MediaType::DockerManifest | MediaType::DockerManifestList) => {
                Err(ManifestError::MediaTypeAbsent(docker))
            }
            oci => Ok(oci),
        },
    }
}

fn accepted(media_type: &str) -> Result<MediaType, ManifestError> {
    match media_type.parse() {
        Ok(MediaType::DockerSchema1 | MediaType::DockerSchema1Signed) => Err(ManifestError::Schema1),
        Ok(accepted) => Ok(accepted),
        Err(_) => Err(ManifestError::UnsupportedMediaType(
            media_type.chars().take(200).collect(),
        )),
    }
}

fn is_schema1(media_type: &str) -> bool {
    matches!(
        media_type.parse(),
        Ok(MediaType::DockerSchema1 | MediaType::DockerSchema1Signed)
    )
}

/// A media type without its parameters.
fn essence(content_type: &str) -> String {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// Types that say no more than that there are bytes; curl sends the last one when it is told nothing.
fn is_generic(essence: &str) -> bool {
    let generic = [
        "",
        "application/json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
    ];
    generic.contains(&essence)
}

#[cfg(test)]
mod tests;
