//! Pushes and pulls as clients of a registry do them.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Method, StatusCode, Uri, header};
use sha2::{Digest as _, Sha256};

use crate::client::{Connection, Payload};
use crate::content::{Blob, Image, MANIFEST, digest, digest_text};

/// The path of a blob in a repository.
pub(crate) fn blob_path(repository: &str, digest: &str) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

/// The path of a manifest in a repository.
pub(crate) fn manifest_path(repository: &str, reference: &str) -> String {
    format!("/v2/{repository}/manifests/{reference}")
}

impl Connection {
    /// POST, then PUT with all bytes.
    pub(crate) async fn push_blob(
        &mut self,
        repository: &str,
        digest: &str,
        bytes: Payload,
    ) -> anyhow::Result<()> {
        let uploads = format!("/v2/{repository}/blobs/uploads/");
        let answer = self
            .expect(StatusCode::ACCEPTED, Method::POST, &uploads, &[], Payload::Empty)
            .await?;
        let location = answer
            .headers()
            .get(header::LOCATION)
            .context("an upload without Location")?;
        let location: Uri = location.to_str()?.parse()?;
        let location = location.path_and_query().context("a Location without a path")?;
        let separator = if location.query().is_some() { '&' } else { '?' };
        let path = format!("{location}{separator}digest={digest}");
        let kind = [("content-type", "application/octet-stream")];
        self.expect(StatusCode::CREATED, Method::PUT, &path, &kind, bytes)
            .await?;
        Ok(())
    }

    /// An image under a tag, as clients push one that the registry has nothing of: each blob is asked for first.
    pub(crate) async fn push_image(
        &mut self,
        repository: &str,
        tag: &str,
        image: &Image,
    ) -> anyhow::Result<()> {
        for (digest, bytes) in &image.blobs {
            let path = blob_path(repository, digest);
            self.expect(StatusCode::NOT_FOUND, Method::HEAD, &path, &[], Payload::Empty)
                .await?;
            self.push_blob(repository, digest, Payload::Bytes(bytes.clone()))
                .await?;
        }
        self.push_manifest(repository, tag, &image.manifest).await
    }

    /// A manifest under a tag or its digest.
    pub(crate) async fn push_manifest(
        &mut self,
        repository: &str,
        reference: &str,
        manifest: &Bytes,
    ) -> anyhow::Result<()> {
        let kind = [("content-type", MANIFEST)];
        let path = manifest_path(repository, reference);
        let payload = Payload::Bytes(manifest.clone());
        self.expect(StatusCode::CREATED, Method::PUT, &path, &kind, payload)
            .await?;
        Ok(())
    }

    /// An image by its tag, as a container runtime pulls it: the tag's digest, the manifest, every blob.
    pub(crate) async fn pull_image(
        &mut self,
        repository: &str,
        tag: &str,
        image: &Image,
    ) -> anyhow::Result<()> {
        let accept = [("accept", MANIFEST)];
        let head = self
            .expect(
                StatusCode::OK,
                Method::HEAD,
                &manifest_path(repository, tag),
                &accept,
                Payload::Empty,
            )
            .await?;
        let named = head.headers().get("docker-content-digest");
        let named = named
            .context("a manifest without its digest")?
            .to_str()?
            .to_owned();
        let manifest = self.get(&manifest_path(repository, &named), &accept).await?;
        ensure!(
            manifest == image.manifest,
            "{repository}:{tag} is not what was pushed"
        );
        for (named, bytes) in &image.blobs {
            let got = self.get(&blob_path(repository, named), &[]).await?;
            ensure!(got.len() == bytes.len(), "{named} has {} bytes", got.len());
        }
        Ok(())
    }

    /// Pulls a large blob, and looks at every byte of it.
    pub(crate) async fn verify(&mut self, path: &str, blob: &Blob) -> anyhow::Result<()> {
        let mut hasher = Sha256::new();
        self.download(path, blob.size(), |piece| hasher.update(piece))
            .await?;
        let got = digest_text(hasher);
        ensure!(got == blob.digest(), "{path} came as {got}");
        Ok(())
    }
}

/// Pulls what stands at a path, and says whether it is what it should be.
pub(crate) async fn verify_small(
    connection: &mut Connection,
    path: &str,
    expected: &Bytes,
) -> anyhow::Result<()> {
    let got = connection.get(path, &[("accept", MANIFEST)]).await?;
    ensure!(got == expected, "{path} came as {}", digest(&got));
    Ok(())
}
