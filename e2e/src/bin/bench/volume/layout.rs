//! The files that registry:2 writes when an image is pushed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::content::digest;

/// What an image brings into a volume.
#[derive(Debug)]
pub(crate) struct StoredImage {
    pub(crate) repository: String,
    pub(crate) tag: Option<String>,
    pub(crate) manifest: Bytes,
    /// Configuration and layers.
    pub(crate) blobs: Vec<StoredBlob>,
}

/// A blob of an image.
#[derive(Debug)]
pub(crate) struct StoredBlob {
    pub(crate) digest: String,
    pub(crate) bytes: Bytes,
    /// Nobody will read it: another name for a file of the same size does, and saves a million of those.
    pub(crate) stands_in: bool,
}

/// A volume that is being written, by several writers.
#[derive(Debug)]
pub(super) struct Volume {
    root: PathBuf,
    writers: AtomicUsize,
}

/// Writes images, one after the other.
#[derive(Debug)]
pub(super) struct Writer {
    blobs: PathBuf,
    repositories: PathBuf,
    /// The file whose names all blobs that stand in are, and how many it has.
    stand_in: PathBuf,
    names: u32,
}

/// Fewer than any file system allows.
const MOST_NAMES: u32 = 30_000;

impl Volume {
    /// In an empty folder.
    pub(super) fn create(root: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(root.join("docker/registry/v2/blobs/sha256"))?;
        fs::create_dir_all(root.join("docker/registry/v2/repositories"))?;
        Ok(Self {
            root: root.to_owned(),
            writers: AtomicUsize::new(0),
        })
    }

    pub(super) fn writer(&self) -> anyhow::Result<Writer> {
        let number = self.writers.fetch_add(1, Ordering::Relaxed);
        let layout = self.root.join("docker/registry/v2");
        Ok(Writer {
            blobs: layout.join("blobs/sha256"),
            repositories: layout.join("repositories"),
            // Beside the layout and gone at the end: its bytes live on under the blobs' names.
            stand_in: self.root.join(format!("stand-in-{number}")),
            names: MOST_NAMES,
        })
    }
}

impl Writer {
    pub(super) fn put(&mut self, image: &StoredImage) -> anyhow::Result<()> {
        let repository = self.repositories.join(&image.repository);
        fs::create_dir_all(repository.join("_uploads"))?;
        for blob in &image.blobs {
            self.blob(blob)?;
            link(&repository.join("_layers"), &blob.digest)?;
        }
        let manifest = StoredBlob {
            digest: digest(&image.manifest),
            bytes: image.manifest.clone(),
            stands_in: false,
        };
        self.blob(&manifest)?;
        let manifests = repository.join("_manifests");
        link(&manifests.join("revisions"), &manifest.digest)?;
        if let Some(tag) = &image.tag {
            let tag = manifests.join("tags").join(tag);
            fs::create_dir_all(tag.join("current"))?;
            fs::write(tag.join("current/link"), &manifest.digest)?;
            link(&tag.join("index"), &manifest.digest)?;
        }
        Ok(())
    }

    fn blob(&mut self, blob: &StoredBlob) -> anyhow::Result<()> {
        let hex = hex(&blob.digest);
        let folder = self.blobs.join(&hex[..2]).join(hex);
        fs::create_dir_all(&folder)?;
        let data = folder.join("data");
        if !blob.stands_in {
            return Ok(fs::write(data, &blob.bytes)?);
        }
        if self.names >= MOST_NAMES {
            self.next_stand_in(&blob.bytes)?;
        }
        match fs::hard_link(&self.stand_in, data) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error.into()),
            _ => {
                self.names += 1;
                Ok(())
            }
        }
    }

    fn next_stand_in(&mut self, bytes: &Bytes) -> anyhow::Result<()> {
        self.remove_stand_in()?;
        fs::write(&self.stand_in, bytes)?;
        self.names = 0;
        Ok(())
    }

    fn remove_stand_in(&self) -> anyhow::Result<()> {
        match fs::remove_file(&self.stand_in) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Registries ignore a file there; the folder is removed as a whole at the end of the run.
        let _ = self.remove_stand_in();
    }
}

/// `FOLDER/sha256/HEX/link`.
fn link(folder: &Path, digest: &str) -> anyhow::Result<()> {
    let folder = folder.join("sha256").join(hex(digest));
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join("link"), digest)?)
}

fn hex(digest: &str) -> &str {
    digest
        .strip_prefix("sha256:")
        .expect("the benchmark makes sha256 digests only")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bench::Registries;
    use crate::client::Payload;
    use crate::table::DOCKER_REGISTRY;
    use crate::volume::{LargeTags, Referrers, Shape};

    /// Folders have no content. Of what stands in, only the size is right.
    fn tree(root: &Path, of_size_only: &[String]) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root).unwrap().display().to_string();
                let content = match path.is_dir() {
                    true => {
                        folders.push(path);
                        None
                    }
                    false if of_size_only.iter().any(|hex| name.contains(hex)) && name.ends_with("data") => {
                        Some(vec![0; fs::metadata(path).unwrap().len() as usize])
                    }
                    false => Some(fs::read(path).unwrap()),
                };
                found.insert(name, content);
            }
        }
        found
    }

    #[tokio::test]
    async fn the_files_are_those_that_registry_2_writes() {
        let shape = Shape {
            manifests: 13,
            blobs_per_manifest: 3,
            tags: LargeTags(3),
            referrers: Referrers(2),
            per_repository: 4,
        };
        let folder = tempfile::tempdir().unwrap();
        let registries = Registries::new(Path::new("/bin/true"), folder.path()).unwrap();
        let theirs = registries.setting.make_folder("docker-registry/data").unwrap();
        let (server, _) = registries.start(DOCKER_REGISTRY, &theirs).await.unwrap();
        let mut connection = server.target.connect().await.unwrap();
        let mut stand_ins = Vec::new();
        for image in shape.jobs().iter().flat_map(|job| job.images()) {
            for blob in &image.blobs {
                let bytes = Payload::Bytes(blob.bytes.clone());
                connection
                    .push_blob(&image.repository, &blob.digest, bytes)
                    .await
                    .unwrap();
                stand_ins.extend(blob.stands_in.then(|| hex(&blob.digest).to_owned()));
            }
            let reference = image.tag.clone().unwrap_or_else(|| digest(&image.manifest));
            connection
                .push_manifest(&image.repository, &reference, &image.manifest)
                .await
                .unwrap();
        }
        let ours = folder.path().join("ours");
        crate::volume::write(&ours, &shape).unwrap();
        assert_eq!(tree(&ours, &stand_ins), tree(&theirs, &stand_ins));
    }
}
