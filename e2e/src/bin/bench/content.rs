//! What is pushed and pulled: a large blob that is never in memory, and small images. No HTTP.

use aws_lc_rs::rand;
use bytes::{Bytes, BytesMut};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Media type of the manifests.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

const PIECE: usize = 256 << 10;

/// A blob of any size: one random piece of its own, again and again.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    noise: Bytes,
    size: u64,
    digest: String,
}

impl Blob {
    /// A blob that no other has the digest of.
    pub(crate) fn random(size: u64) -> Self {
        let mut blob = Self {
            noise: noise(PIECE),
            size,
            digest: String::new(),
        };
        let mut hasher = Sha256::new();
        let mut offset = 0;
        loop {
            let piece = blob.piece(offset);
            if piece.is_empty() {
                break;
            }
            hasher.update(&piece);
            offset += piece.len() as u64;
        }
        blob.digest = digest_text(hasher);
        blob
    }

    /// What comes at this offset, as much of it as is sent at once; nothing at the end.
    pub(crate) fn piece(&self, offset: u64) -> Bytes {
        let length = (self.size - offset).min(PIECE as u64) as usize;
        self.noise.slice(..length)
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }
}

/// An image of small blobs.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// The layers, and the configuration last.
    pub(crate) blobs: Vec<(String, Bytes)>,
    pub(crate) manifest: Bytes,
}

impl Image {
    /// Layers of this size that no other image has.
    pub(crate) fn random(layers: usize, layer_size: usize) -> Self {
        let layers = (0..layers).map(|_| noise(layer_size)).collect::<Vec<_>>();
        let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = Bytes::from(config.to_string());
        let described = |media_type: &str, blob: &Bytes| {
            json!({
                "mediaType": format!("application/vnd.oci.image.{media_type}"), "size": blob.len(), "digest": digest(blob),
            })
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described("config.v1+json", &config),
            "layers": layers.iter().map(|layer| described("layer.v1.tar", layer)).collect::<Vec<_>>(),
        });
        let blobs = layers.into_iter().chain([config]);
        Self {
            blobs: blobs.map(|blob| (digest(&blob), blob)).collect(),
            manifest: Bytes::from(manifest.to_string()),
        }
    }
}

/// The digest of bytes as registries write it.
pub(crate) fn digest(bytes: &[u8]) -> String {
    digest_text(Sha256::new_with_prefix(bytes))
}

/// What a hash came to, as registries write it.
pub(crate) fn digest_text(hasher: Sha256) -> String {
    format!("sha256:{}", base16ct::lower::encode_string(&hasher.finalize()))
}

fn noise(length: usize) -> Bytes {
    let mut bytes = BytesMut::zeroed(length);
    rand::fill(&mut bytes).expect("the system's random source works");
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_a_blob_are_what_its_digest_says() {
        let size = 2 * PIECE as u64 + 17;
        let blob = Blob::random(size);
        let mut all = Vec::new();
        while (all.len() as u64) < size {
            all.extend_from_slice(&blob.piece(all.len() as u64));
        }
        assert_eq!(all.len() as u64, size);
        assert_eq!(digest(&all), blob.digest());
        assert!(blob.piece(size).is_empty());
    }
}
