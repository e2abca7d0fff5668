//! Images to push.

use roadstead_oci::Digest;
use serde_json::{Value, json};

use super::{Registry, digest};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A small image.
pub(super) struct Image {
    layers: Vec<&'static [u8]>,
    subject: Option<Digest>,
    artifact_type: Option<&'static str>,
}

pub(super) fn image() -> Image {
    Image {
        layers: Vec::new(),
        subject: None,
        artifact_type: None,
    }
}

impl Image {
    pub(super) fn layer(mut self, bytes: &'static [u8]) -> Self {
        self.layers.push(bytes);
        self
    }

    pub(super) fn subject(mut self, subject: Digest) -> Self {
        self.subject = Some(subject);
        self
    }

    pub(super) fn artifact_type(mut self, artifact_type: &'static str) -> Self {
        self.artifact_type = Some(artifact_type);
        self
    }

    pub(super) fn manifest(&self) -> Vec<u8> {
        let descriptor = |media_type: &str, bytes: &[u8]| -> Value {
            json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
        };
        let layers: Vec<_> = self
            .layers
            .iter()
            .map(|bytes| descriptor("application/vnd.oci.image.layer.v1.tar", bytes))
            .collect();
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", b"{}"),
            "layers": layers,
        });
        if let Some(artifact_type) = self.artifact_type {
            manifest["artifactType"] = artifact_type.into();
        }
        if let Some(subject) = self.subject {
            manifest["subject"] = json!({"mediaType": MANIFEST, "digest": subject, "size": 1});
        }
        serde_json::to_vec(&manifest).unwrap()
    }

    /// Pushes its blobs and then itself, under a tag.
    pub(super) async fn push(&self, registry: &Registry, repository: &str, tag: &str) -> Digest {
        for blob in self.layers.iter().copied().chain([&b"{}"[..]]) {
            registry.push_blob(repository, blob).await;
        }
        let manifest = self.manifest();
        let path = format!("/v2/{repository}/manifests/{tag}");
        let reply = registry
            .ask("PUT", &path)
            .header("content-type", MANIFEST)
            .body(&manifest)
            .send()
            .await;
        assert_eq!(reply.status, 201, "{reply:?}");
        digest(&manifest)
    }
}
