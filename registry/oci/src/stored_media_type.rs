//! The media type of a manifest that is stored already. It does not lie beside the bytes, so the bytes tell it.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::MediaType;

/// What a stored manifest is served as: by its `mediaType`, else by its shape, as registry:2 decides it.
/// `None` if it is no manifest that this registry or registry:2 ever accepted.
pub fn stored_media_type(bytes: &[u8]) -> Option<MediaType> {
    let shape: Shape = serde_json::from_slice(bytes).ok()?;
    match shape.media_type.as_deref() {
        Some(text) if !text.is_empty() => text.parse().ok(),
        _ if shape.schema_version == Some(1) && shape.signatures.is_some() => {
            Some(MediaType::DockerSchema1Signed)
        }
        _ if shape.schema_version == Some(1) => Some(MediaType::DockerSchema1),
        _ if shape.manifests.is_some() => Some(MediaType::OciIndex),
        _ => Some(MediaType::OciManifest),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<i64>,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    signatures: Option<IgnoredAny>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_decides_then_the_shape() {
        let cases = [
            (
                r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json"}"#,
                Some(MediaType::DockerManifest),
            ),
            (r#"{"schemaVersion":2,"manifests":[]}"#, Some(MediaType::OciIndex)),
            (
                r#"{"schemaVersion":2,"mediaType":"","config":{}}"#,
                Some(MediaType::OciManifest),
            ),
            (
                r#"{"schemaVersion":1,"signatures":[]}"#,
                Some(MediaType::DockerSchema1Signed),
            ),
            (r#"{"schemaVersion":1}"#, Some(MediaType::DockerSchema1)),
            (r#"{"schemaVersion":2,"mediaType":"text/plain"}"#, None),
            ("not JSON", None),
        ];
        for (bytes, media_type) in cases {
            assert_eq!(stored_media_type(bytes.as_bytes()), media_type, "{bytes}");
        }
    }
}
