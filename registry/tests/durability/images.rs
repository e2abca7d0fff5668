//! Images made of chance.

use aws_lc_rs::digest::{SHA256, digest};
use fastrand::Rng;
use roadstead_oci::Digest;
use roadstead_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use serde_json::{Value, json};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    Digest::sha256(hash.as_ref().try_into().unwrap()).to_string()
}

/// Bytes that nobody else has, of about this size.
pub(crate) fn noise(chance: &mut Rng, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    chance.fill(&mut bytes);
    bytes
}

/// Bytes that everybody has: two clients that take the same number push the same blob.
pub(crate) fn common(number: u64) -> Vec<u8> {
    noise(&mut Rng::with_seed(number), 1000 + (number as usize % 7) * 40_000)
}

pub(crate) fn image(config: &[u8], layers: &[Vec<u8>], subject: Option<&[u8]>) -> Vec<u8> {
    let layers: Vec<Value> = layers.iter().map(|layer| descriptor(LAYER, layer)).collect();
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(CONFIG, config),
        "layers": layers,
    });
    if let Some(subject) = subject {
        manifest["subject"] = descriptor(OCI_MANIFEST, subject);
    }
    manifest.to_string().into_bytes()
}

pub(crate) fn index(children: &[&[u8]]) -> Vec<u8> {
    let children: Vec<Value> = children
        .iter()
        .map(|child| descriptor(OCI_MANIFEST, child))
        .collect();
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children})
        .to_string()
        .into_bytes()
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest_of(bytes), "size": bytes.len()})
}
