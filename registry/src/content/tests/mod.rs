//! A registry in a temporary folder, and builders for what is pushed to it.

mod batches;
mod blobs;
mod concurrency;
mod interrupted;
mod leftovers;
mod lists;
mod manifests;
mod on_disk;
mod referrers;
mod tag_index;
mod tombstones;
mod troubles;
mod uploads;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{TryStreamExt, stream};
use roadstead_oci::media_type::{OCI_EMPTY, OCI_INDEX, OCI_MANIFEST};
use roadstead_oci::{Algorithm, Digest, Reference, RepositoryName, Tag};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::hashing::digest_of;
use super::layout::Place;
use super::uploads::Body;
use super::walk::Walk;
use super::*;
use crate::storage::{FilesystemStorage, Key};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A registry on a folder of its own. Derefs to its content.
struct Registry {
    content: Content,
    folder: TempDir,
}

impl std::ops::Deref for Registry {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.content
    }
}

/// All tags that are listed.
async fn tags_of(content: &Content, repository: &RepositoryName) -> Vec<String> {
    let tags = content.tags.list(repository, None, None).await.unwrap();
    tags.items.iter().map(Tag::to_string).collect()
}

fn registry() -> Registry {
    registry_with(options())
}

fn options() -> Options {
    Options {
        delete_enabled: true,
        ..Options::default()
    }
}

fn registry_with(options: Options) -> Registry {
    let folder = tempfile::tempdir().unwrap();
    Registry {
        content: open(folder.path(), options),
        folder,
    }
}

fn open(folder: &Path, options: Options) -> Content {
    Content::new(Arc::new(FilesystemStorage::open(folder).unwrap()), options)
}

impl Registry {
    /// Another process, or this one after a restart, on the same folder.
    fn another(&self) -> Content {
        open(self.folder.path(), options())
    }

    fn path(&self, key: &crate::storage::Key) -> PathBuf {
        self.folder.path().join(key.as_str())
    }

    async fn bytes_of(&self, repository: &RepositoryName, digest: &Digest) -> Vec<u8> {
        self.read_part(repository, digest, Wanted::All).await
    }

    async fn read_part(&self, repository: &RepositoryName, digest: &Digest, wanted: Wanted) -> Vec<u8> {
        let reading = self.blobs.read(repository, digest, wanted).await.unwrap();
        let (_, stream) = reading.part.expect("a part that is there");
        whole(stream).await.unwrap()
    }

    /// All objects of the store, found by walking through it, with what they are.
    async fn places(&self) -> Vec<(Key, Option<Place>)> {
        let mut places = Vec::new();
        for root in ["docker", "roadstead"] {
            let mut walk = Walk::below(root.parse().unwrap(), |_| true);
            while let Some(folder) = walk.next(&*self.storage).await.unwrap() {
                for entry in folder.entries.iter().filter(|entry| !entry.is_folder) {
                    let key = layout::below(&folder.key, &entry.name).unwrap();
                    places.push((key.clone(), Place::of(&key)));
                }
            }
        }
        places
    }

    /// Every file below the registry's folder with what is in it; folders that are empty end in a slash.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.folder.path(), self.folder.path(), &mut files);
        files
    }
}

/// What goes away meanwhile is not there.
fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    fn unless_gone<T>(looked_at: std::io::Result<T>) -> Option<T> {
        match looked_at {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            other => Some(other.unwrap()),
        }
    }
    let Some(entries) = unless_gone(fs::read_dir(folder)) else {
        return;
    };
    let entries: Vec<_> = entries.map(Result::unwrap).collect();
    let name = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    if entries.is_empty() {
        files.insert(format!("{}/", name(folder)), Vec::new());
    }
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            files.extend(unless_gone(fs::read(&path)).map(|bytes| (name(&path), bytes)));
        }
    }
}

/// Copies: whoever holds on to the pieces gets no more of them.
async fn whole(stream: BlobStream) -> std::io::Result<Vec<u8>> {
    let append = |mut all: Vec<u8>, piece: Bytes| async move {
        all.extend_from_slice(&piece);
        Ok(all)
    };
    stream.try_fold(Vec::new(), append).await
}

fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

fn by_tag(name: &str) -> Reference {
    Reference::Tag(tag(name))
}

fn sha256(bytes: &[u8]) -> Digest {
    digest_of(Algorithm::Sha256, bytes)
}

fn sha512(bytes: &[u8]) -> Digest {
    digest_of(Algorithm::Sha512, bytes)
}

/// A body that comes whole.
fn body(bytes: impl Into<Bytes>) -> impl Body {
    stream::iter([Ok::<_, BodyError>(bytes.into())])
}

fn no_body() -> impl Body {
    stream::iter([])
}

/// A body that is cut off after these bytes.
fn cut_off(bytes: impl Into<Bytes>) -> impl Body {
    stream::iter([Ok(bytes.into()), Err(BodyError("connection reset".into()))])
}

/// Bytes that do not repeat at any power of two.
fn noise(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at % 251) as u8 ^ (at / 251 % 241) as u8)
        .collect()
}

/// An image to push: a config `{}` and layers.
#[derive(Clone, Default)]
struct Image {
    layers: Vec<Bytes>,
    more: Vec<(&'static str, Value)>,
}

fn image() -> Image {
    Image::default()
}

impl Image {
    fn layer(mut self, bytes: impl Into<Bytes>) -> Self {
        self.layers.push(bytes.into());
        self
    }

    fn subject(self, subject: &Bytes) -> Self {
        let descriptor = descriptor(OCI_MANIFEST, subject);
        self.with("subject", descriptor)
    }

    fn with(mut self, key: &'static str, value: Value) -> Self {
        self.more.push((key, value));
        self
    }

    fn manifest(&self) -> Bytes {
        let layers: Vec<Value> = self.layers.iter().map(|layer| descriptor(LAYER, layer)).collect();
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(OCI_EMPTY, b"{}"),
            "layers": layers,
        });
        for (key, value) in &self.more {
            manifest[key] = value.clone();
        }
        manifest.to_string().into()
    }

    fn digest(&self) -> Digest {
        sha256(&self.manifest())
    }

    async fn push(&self, content: &Content, name: &str, reference: &str) -> Pushed {
        let name = repository(name);
        push_blob(content, &name, Bytes::from_static(b"{}")).await;
        for layer in &self.layers {
            push_blob(content, &name, layer.clone()).await;
        }
        put(content, &name, reference, self.manifest()).await.unwrap()
    }

    /// Under its own digest only.
    async fn push_untagged(&self, content: &Content, name: &str) -> Pushed {
        self.push(content, name, &self.digest().to_string()).await
    }
}

async fn put(
    content: &Content,
    name: &RepositoryName,
    reference: &str,
    manifest: Bytes,
) -> Result<Pushed, Error> {
    content
        .manifests
        .put(name, &reference.parse().unwrap(), &[], None, manifest)
        .await
}

async fn push_blob(content: &Content, name: &RepositoryName, bytes: Bytes) -> Digest {
    let digest = sha256(&bytes);
    content.uploads.push(name, &digest, body(bytes)).await.unwrap();
    digest
}

fn index(children: &[Bytes]) -> Bytes {
    let manifests: Vec<Value> = children
        .iter()
        .map(|child| descriptor(OCI_MANIFEST, child))
        .collect();
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})
        .to_string()
        .into()
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": sha256(bytes), "size": bytes.len()})
}
