//! Content as people push it: images and indexes, of OCI and of Docker, artifacts and referrers.

use std::rc::Rc;

use fastrand::Rng;
use roadstead_e2e::sha256;
use serde_json::{Value, json};

pub(super) const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Bytes under their digest.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) digest: String,
    pub(super) bytes: Vec<u8>,
}

impl Blob {
    pub(super) fn of(bytes: Vec<u8>) -> Rc<Self> {
        let digest = sha256(&bytes);
        Rc::new(Self { digest, bytes })
    }

    pub(super) fn random(rng: &mut Rng, largest: usize) -> Rc<Self> {
        let size = rng.usize(1..=largest);
        Self::of(std::iter::repeat_with(|| rng.u8(..)).take(size).collect())
    }
}

/// A manifest with all that it refers to.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) digest: String,
    pub(super) bytes: Vec<u8>,
    pub(super) media_type: &'static str,
    pub(super) blobs: Vec<Rc<Blob>>,
    pub(super) children: Vec<Rc<Document>>,
    pub(super) subject: Option<String>,
    /// What a list of referrers shows.
    pub(super) artifact_type: Option<String>,
}

/// Whose format a document has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Oci,
    Docker,
}

impl Format {
    fn any(rng: &mut Rng) -> Self {
        if rng.u8(..3) == 0 { Self::Docker } else { Self::Oci }
    }
}

/// An image of these layers, with a configuration that no other image has.
pub(super) fn image(rng: &mut Rng, layers: Vec<Rc<Blob>>) -> Rc<Document> {
    let format = Format::any(rng);
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "id": rng.u64(..)});
    let config = Blob::of(config.to_string().into_bytes());
    let (media_type, config_type, layer_type) = match format {
        Format::Oci => (
            OCI_IMAGE,
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.layer.v1.tar+gzip",
        ),
        Format::Docker => (
            DOCKER_IMAGE,
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ),
    };
    let listed: Vec<Value> = layers.iter().map(|layer| of_blob(layer_type, layer)).collect();
    let mut body = json!({"schemaVersion": 2, "mediaType": media_type, "config": of_blob(config_type, &config), "layers": listed});
    // OCI does not demand the field, and Docker's own type cannot be told without it.
    if format == Format::Oci && rng.bool() {
        without_media_type(&mut body);
    }
    let blobs = std::iter::once(config).chain(layers).collect();
    document(rng, media_type, &body, blobs, Vec::new())
}

/// An index of images that are pushed before it.
pub(super) fn index(rng: &mut Rng, children: Vec<Rc<Document>>) -> Rc<Document> {
    let format = Format::any(rng);
    let media_type = match format {
        Format::Oci => OCI_INDEX,
        Format::Docker => DOCKER_LIST,
    };
    let listed: Vec<Value> = children
        .iter()
        .map(|child| {
            let mut descriptor = of_document(child);
            descriptor["platform"] =
                json!({"architecture": *rng.choice(["amd64", "arm64"]).expect("of two"), "os": "linux"});
            descriptor
        })
        .collect();
    let mut body = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": listed});
    if format == Format::Oci {
        body["annotations"] = json!({"id": rng.u64(..).to_string()});
        if rng.bool() {
            without_media_type(&mut body);
        }
    }
    document(rng, media_type, &body, Vec::new(), children)
}

/// An artifact that refers to a manifest: a signature, a list of what is inside.
pub(super) fn referrer(rng: &mut Rng, subject: &Document) -> Rc<Document> {
    let artifact_type = format!(
        "application/vnd.example.{}",
        rng.choice(["signature", "sbom"]).expect("of two")
    );
    let empty = Blob::of(b"{}".to_vec());
    let layer = Blob::random(rng, 2048);
    let body = json!({
        "schemaVersion": 2, "mediaType": OCI_IMAGE, "artifactType": artifact_type,
        "config": of_blob("application/vnd.oci.empty.v1+json", &empty),
        "layers": [of_blob("application/octet-stream", &layer)],
        "subject": of_document(subject),
        "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"},
    });
    let mut document = document(rng, OCI_IMAGE, &body, vec![empty, layer], Vec::new());
    let made = Rc::get_mut(&mut document).expect("nobody else has it yet");
    made.subject = Some(subject.digest.clone());
    made.artifact_type = Some(artifact_type);
    document
}

/// The bytes are what counts, so their layout is anyone's: with and without white space, as clients write them.
fn document(
    rng: &mut Rng,
    media_type: &'static str,
    body: &Value,
    blobs: Vec<Rc<Blob>>,
    children: Vec<Rc<Document>>,
) -> Rc<Document> {
    let bytes = if rng.bool() {
        serde_json::to_vec(body)
    } else {
        serde_json::to_vec_pretty(body)
    }
    .expect("a value can be written");
    Rc::new(Document {
        digest: sha256(&bytes),
        bytes,
        media_type,
        blobs,
        children,
        subject: None,
        artifact_type: None,
    })
}

fn without_media_type(body: &mut Value) {
    body.as_object_mut()
        .expect("a manifest is an object")
        .remove("mediaType");
}

fn of_blob(media_type: &str, blob: &Blob) -> Value {
    json!({"mediaType": media_type, "digest": blob.digest, "size": blob.bytes.len()})
}

fn of_document(document: &Document) -> Value {
    json!({"mediaType": document.media_type, "digest": document.digest, "size": document.bytes.len()})
}
