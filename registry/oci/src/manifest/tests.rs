//! Table tests of what may be pushed.

use serde_json::{Value, json};

use super::*;
use crate::media_type::{
    DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, DOCKER_SCHEMA1_SIGNED, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST,
};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn descriptor(media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": DIGEST, "size": 0})
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_EMPTY),
        "layers": [descriptor("text/plain")],
    })
}

fn index() -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(OCI_MANIFEST)]})
}

fn with(mut manifest: Value, key: &str, value: Value) -> Value {
    manifest[key] = value;
    manifest
}

fn without(mut manifest: Value, key: &str) -> Value {
    manifest.as_object_mut().unwrap().remove(key);
    manifest
}

fn parse(manifest: &Value, content_type: Option<&str>) -> Result<Manifest, ManifestError> {
    Manifest::parse(manifest.to_string().as_bytes(), content_type)
}

#[test]
fn an_image_names_its_blobs_and_an_index_its_children() {
    let image = parse(&image(), Some(OCI_MANIFEST)).unwrap();
    assert_eq!(image.blobs().count(), 2);
    assert!(image.manifests().is_empty());
    let index = parse(&index(), Some(OCI_INDEX)).unwrap();
    assert_eq!(index.manifests().len(), 1);
    assert_eq!(index.blobs().count(), 0);
}

#[test]
fn the_media_type_is_decided_by_body_then_header_then_shape() {
    let bare_image = without(image(), "mediaType");
    let bare_index = without(index(), "mediaType");
    let cases = [
        (image(), None, MediaType::OciManifest),
        (
            image(),
            Some("application/json; charset=utf-8"),
            MediaType::OciManifest,
        ),
        (
            with(image(), "mediaType", json!(DOCKER_MANIFEST)),
            Some(DOCKER_MANIFEST),
            MediaType::DockerManifest,
        ),
        (
            with(index(), "mediaType", json!(DOCKER_MANIFEST_LIST)),
            None,
            MediaType::DockerManifestList,
        ),
        (bare_image.clone(), Some(OCI_MANIFEST), MediaType::OciManifest),
        (bare_image, None, MediaType::OciManifest),
        (bare_index.clone(), Some(OCI_INDEX), MediaType::OciIndex),
        (bare_index, None, MediaType::OciIndex),
    ];
    for (manifest, content_type, expected) in cases {
        assert_eq!(
            parse(&manifest, content_type).unwrap().media_type(),
            expected,
            "{content_type:?} {manifest}"
        );
    }
}

#[test]
fn go_writes_empty_lists_as_null() {
    assert!(
        parse(&with(index(), "manifests", Value::Null), None)
            .unwrap()
            .manifests()
            .is_empty()
    );
    assert!(
        parse(&with(image(), "layers", Value::Null), None)
            .unwrap()
            .layers()
            .is_empty()
    );
}

#[test]
fn what_registry_2_would_misread_is_refused() {
    let bad = [
        with(image(), "Layers", json!([])),
        with(index(), "MANIFESTS", json!([])),
        with(image(), "layers", json!("str")),
        with(index(), "manifests", json!("str")),
        with(
            index(),
            "manifests",
            json!([{"mediaType": OCI_MANIFEST, "digest": DIGEST, "Size": 1, "size": 1}]),
        ),
        with(image(), "config", Value::Null),
        with(image(), "config", json!([])),
        with(image(), "manifests", json!([])),
        with(index(), "layers", json!([])),
        with(index(), "config", descriptor(OCI_EMPTY)),
        with(image(), "schemaVersion", json!("2")),
        with(image(), "schemaVersion", json!(3)),
        with(
            image(),
            "mediaType",
            json!("application/vnd.oci.artifact.manifest.v1+json"),
        ),
        with(image(), "mediaType", json!(OCI_MANIFEST.to_uppercase())),
        with(image(), "mediaType", json!(7)),
        with(image(), "subject", json!("sha256:00")),
        with(image(), "annotations", json!({"a": 1})),
        without(image(), "schemaVersion"),
        without(image(), "layers"),
        without(image(), "config"),
        without(index(), "manifests"),
        json!([]),
        json!(null),
    ];
    for manifest in bad {
        assert!(parse(&manifest, None).is_err(), "{manifest}");
    }
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let text = image().to_string().replacen('{', r#"{"layers":[],"#, 1);
    assert!(matches!(
        Manifest::parse(text.as_bytes(), None),
        Err(ManifestError::Json(_))
    ));
}

#[test]
fn header_and_body_must_agree() {
    let error = parse(&image(), Some(DOCKER_MANIFEST)).unwrap_err();
    assert!(
        matches!(error, ManifestError::ContentTypeMismatch { .. }),
        "{error}"
    );
    let error = parse(&image(), Some("text/plain")).unwrap_err();
    assert!(
        matches!(error, ManifestError::ContentTypeMismatch { .. }),
        "{error}"
    );
    let error = parse(&without(image(), "mediaType"), Some(DOCKER_MANIFEST)).unwrap_err();
    assert!(
        matches!(error, ManifestError::MediaTypeAbsent(MediaType::DockerManifest)),
        "{error}"
    );
    let error = parse(&without(image(), "mediaType"), Some(OCI_INDEX)).unwrap_err();
    assert!(matches!(error, ManifestError::ImageAndIndex), "{error}");
}

#[test]
fn schema_1_is_recognised_so_that_the_answer_can_say_so() {
    let schema1 = json!({"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": []});
    assert!(matches!(parse(&schema1, None), Err(ManifestError::Schema1)));
    assert!(matches!(
        parse(&schema1, Some(DOCKER_SCHEMA1_SIGNED)),
        Err(ManifestError::Schema1)
    ));
    assert!(matches!(
        Manifest::parse(b"{", Some(DOCKER_SCHEMA1_SIGNED)),
        Err(ManifestError::Schema1)
    ));
}

#[test]
fn the_artifact_type_is_the_manifests_own_or_its_configs() {
    assert_eq!(parse(&image(), None).unwrap().artifact_type(), Some(OCI_EMPTY));
    let own = with(image(), "artifactType", json!("text/x"));
    assert_eq!(parse(&own, None).unwrap().artifact_type(), Some("text/x"));
    assert_eq!(parse(&index(), None).unwrap().artifact_type(), None);
}
