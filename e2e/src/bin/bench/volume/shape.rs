//! How many repositories, tags, manifests and blobs a volume has, and what is in each.

use bytes::Bytes;
use serde_json::{Value, json};

use super::layout::{StoredBlob, StoredImage};
use crate::content::{MANIFEST, digest};

/// The numbers of a volume. One repository has very many tags, one has very many referrers of one manifest, and the
/// rest are of ordinary size: half of their manifests have tags, and the second one refers to the first.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) manifests: usize,
    /// Of each manifest: one is its configuration.
    pub(crate) blobs_per_manifest: usize,
    pub(crate) tags: LargeTags,
    pub(crate) referrers: Referrers,
    /// Manifests of each ordinary repository.
    pub(crate) per_repository: usize,
}

/// The repository of many tags, each of a manifest of its own.
#[derive(Debug, Clone)]
pub(crate) struct LargeTags(pub(crate) usize);

/// The repository of one tagged manifest that many others refer to.
#[derive(Debug, Clone)]
pub(crate) struct Referrers(pub(crate) usize);

impl LargeTags {
    pub(crate) const REPOSITORY: &str = "large/tags";

    pub(crate) fn tag(number: usize) -> String {
        format!("build-{number:06}")
    }
}

impl Referrers {
    pub(crate) const REPOSITORY: &str = "large/referrers";
}

/// Some images of one repository: what a thread writes at once.
#[derive(Debug)]
pub(crate) struct Job {
    kind: Kind,
    first: usize,
    end: usize,
    blobs: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Tags,
    Referrers,
    Ordinary(usize),
}

impl Shape {
    /// Everything, in pieces.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        /// Images of a piece.
        const PIECE: usize = 500;
        let mut jobs = Vec::new();
        let mut add = |kind, count: usize| {
            for first in (0..count).step_by(PIECE) {
                jobs.push(Job {
                    kind,
                    first,
                    end: (first + PIECE).min(count),
                    blobs: self.blobs_per_manifest,
                });
            }
        };
        add(Kind::Tags, self.tags.0);
        add(Kind::Referrers, self.referrers.0 + 1);
        let mut left = self.ordinary();
        for number in 0..self.repositories() {
            let count = left.min(self.per_repository);
            add(Kind::Ordinary(number), count);
            left -= count;
        }
        jobs
    }

    fn ordinary(&self) -> usize {
        self.manifests - self.tags.0 - self.referrers.0 - 1
    }

    /// How many ordinary repositories there are.
    pub(crate) fn repositories(&self) -> usize {
        self.ordinary().div_ceil(self.per_repository)
    }

    /// All repositories, in the catalog's order.
    pub(crate) fn catalog(&self) -> Vec<String> {
        let large = [LargeTags::REPOSITORY, Referrers::REPOSITORY].map(str::to_owned);
        let ordinary = (0..self.repositories()).map(ordinary_name);
        let mut all: Vec<String> = large.into_iter().chain(ordinary).collect();
        all.sort();
        all
    }

    /// The digest of a manifest of the repository of many tags.
    pub(crate) fn tagged(&self, number: usize) -> String {
        digest(&image(Kind::Tags, number, self.blobs_per_manifest).manifest)
    }

    /// The digest of the manifest that many refer to.
    pub(crate) fn subject(&self) -> String {
        digest(&image(Kind::Referrers, 0, self.blobs_per_manifest).manifest)
    }

    /// A manifest of an ordinary repository: its repository and digest.
    pub(crate) fn ordinary_manifest(&self, repository: usize, number: usize) -> (String, String) {
        let image = image(Kind::Ordinary(repository), number, self.blobs_per_manifest);
        (image.repository, digest(&image.manifest))
    }
}

impl Job {
    pub(crate) fn images(&self) -> impl Iterator<Item = StoredImage> {
        (self.first..self.end).map(|number| image(self.kind, number, self.blobs))
    }
}

fn ordinary_name(number: usize) -> String {
    format!("team-{:02}/app-{number:04}", number % 20)
}

/// The same image for the same numbers, always: what was written can be asked for without having kept it.
fn image(kind: Kind, number: usize, blobs: usize) -> StoredImage {
    let (repository, tag, subject) = match kind {
        Kind::Tags => (
            LargeTags::REPOSITORY.to_owned(),
            Some(LargeTags::tag(number)),
            None,
        ),
        Kind::Referrers => (
            Referrers::REPOSITORY.to_owned(),
            (number == 0).then(|| "latest".to_owned()),
            (number > 0).then_some(0),
        ),
        Kind::Ordinary(index) => (
            ordinary_name(index),
            number.is_multiple_of(2).then(|| format!("build-{number:03}")),
            (number == 1).then_some(0),
        ),
    };
    let layers: Vec<StoredBlob> = (1..blobs)
        .map(|layer| {
            // All of one size, so that one file can stand in for all.
            let short = &digest(format!("{repository} {number} {layer}").as_bytes())[7..39];
            let bytes = Bytes::from(short.to_owned());
            StoredBlob {
                digest: digest(&bytes),
                bytes,
                stands_in: true,
            }
        })
        .collect();
    let config = Bytes::from(
        json!({"architecture": "amd64", "os": "linux", "author": format!("{repository} {number}")})
            .to_string(),
    );
    let config = StoredBlob {
        digest: digest(&config),
        bytes: config,
        stands_in: false,
    };
    let subject = subject.map(|subject| image(kind, subject, blobs).manifest);
    let manifest = manifest(&config, &layers, subject.as_ref());
    StoredImage {
        repository,
        tag,
        manifest,
        blobs: [config].into_iter().chain(layers).collect(),
    }
}

fn manifest(config: &StoredBlob, layers: &[StoredBlob], subject: Option<&Bytes>) -> Bytes {
    let described = |media_type: &str, digest: &str, size: usize| -> Value {
        json!({"mediaType": media_type, "digest": digest, "size": size})
    };
    let layer = |layer: &StoredBlob| {
        described(
            "application/vnd.oci.image.layer.v1.tar",
            &layer.digest,
            layer.bytes.len(),
        )
    };
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described("application/vnd.oci.image.config.v1+json", &config.digest, config.bytes.len()),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    });
    if let Some(subject) = subject {
        manifest["subject"] = described(MANIFEST, &digest(subject), subject.len());
        manifest["artifactType"] = json!("application/vnd.example.signature");
    }
    Bytes::from(manifest.to_string())
}
