//! An object that comes in parts. The parts are named by us, not asked for: what a store lists of them may lag.

use std::sync::Arc;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use serde::{Deserialize, Serialize};

use super::super::{Error, Key};
use super::body::Heap;
use super::bucket::Bucket;
use super::client;
use super::errors::Failure;

/// S3 takes no more.
const MOST: usize = 10_000;
/// A large object takes a store some time to put together.
const COMPLETING: u64 = 64 << 20;

/// One of them, and what is there of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Multipart {
    /// Where it will be, in the store.
    pub(super) key: String,
    pub(super) id: String,
    /// The parts, by their tags, in order. All but the last have the same size.
    pub(super) parts: Vec<String>,
    /// Of all parts together.
    pub(super) size: u64,
}

/// Gives up a multipart upload that nobody will finish.
#[derive(Debug)]
pub(super) struct AbortOnDrop {
    bucket: Arc<Bucket>,
    key: Key,
    id: Option<String>,
}

impl AbortOnDrop {
    pub(super) fn disarm(mut self) {
        self.id = None;
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let (bucket, key) = (Arc::clone(&self.bucket), self.key.clone());
        runtime.spawn(async move {
            if let Err(error) = bucket.abort(&key, &id).await {
                tracing::debug!(%key, %error, "parts of an upload stay until they are purged");
            }
        });
    }
}

impl Bucket {
    pub(super) async fn begin_parts(self: &Arc<Self>, key: &Key) -> Result<(Multipart, AbortOnDrop), Error> {
        let attributes = self.attributes();
        let request = self
            .client
            .create_multipart_upload()
            .bucket(&self.name)
            .key(self.keys.object(key))
            .set_server_side_encryption(attributes.encryption)
            .set_ssekms_key_id(attributes.kms_key)
            .set_storage_class(attributes.class)
            .set_acl(attributes.acl);
        let begun = self.told(request.send().await);
        let begun = begun.map_err(|failure| failure.into_error("create", key))?;
        let Some(id) = begun.upload_id else {
            return Err(Failure::protocol("a multipart upload began without an id").into_error("create", key));
        };
        let multipart = Multipart {
            key: key.to_string(),
            id: id.clone(),
            parts: Vec::new(),
            size: 0,
        };
        let guard = AbortOnDrop {
            bucket: Arc::clone(self),
            key: key.clone(),
            id: Some(id),
        };
        Ok((multipart, guard))
    }

    /// The tag of a part, counted from nought, once it is there.
    pub(super) async fn send_part(
        &self,
        key: &Key,
        id: &str,
        part: usize,
        bytes: &Heap,
    ) -> Result<String, Error> {
        if part >= MOST {
            let what = "an object has at most 10,000 parts; larger ones take a larger storage.s3.chunksize";
            return Err(Failure::protocol(what).into_error("write", key));
        }
        let length = bytes.len();
        let is_plain = !self.settings.is_encrypted_on_the_way();
        let request = self
            .client
            .upload_part()
            .bucket(&self.name)
            .key(self.keys.object(key))
            .upload_id(id)
            .part_number(i32::try_from(part + 1).unwrap_or(i32::MAX))
            .content_length(i64::try_from(length).unwrap_or(i64::MAX))
            .body(bytes.to_send(is_plain))
            .customize();
        let request = match is_plain {
            true => request,
            false => request.disable_payload_signing(),
        };
        let patience = aws_sdk_s3::Config::builder().timeout_config(client::deadline(length as u64));
        match self.told(request.config_override(patience).send().await) {
            Ok(sent) => sent
                .e_tag
                .ok_or_else(|| Failure::protocol("a part has no tag").into_error("write", key)),
            Err(failure) if failure.is_upload_gone() => Err(Error::Missing(key.clone())),
            Err(failure) => Err(failure.into_error("write", key)),
        }
    }

    /// Makes one object of the parts. May be done again.
    pub(super) async fn complete(&self, key: &Key, multipart: &Multipart) -> Result<(), Error> {
        let parts = multipart.parts.iter().zip(1..);
        let parts =
            parts.map(|(tag, number)| CompletedPart::builder().e_tag(tag).part_number(number).build());
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.collect()))
            .build();
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(&self.name)
            .key(self.keys.object(key))
            .upload_id(&multipart.id)
            .multipart_upload(parts)
            .customize()
            .config_override(aws_sdk_s3::Config::builder().timeout_config(client::deadline(COMPLETING)));
        let Err(failure) = self.told(request.send().await) else {
            return Ok(());
        };
        let may_be_done = failure.is_uncertain() || failure.code() == Some("NoSuchUpload");
        // The answer to an attempt that succeeded may have been lost.
        if may_be_done
            && self
                .stat(key)
                .await?
                .is_some_and(|stat| stat.size == multipart.size)
        {
            return Ok(());
        }
        match failure.is_upload_gone() {
            true => Err(Error::Missing(key.clone())),
            false => Err(failure.into_error("write", key)),
        }
    }

    /// No error if it is gone.
    pub(super) async fn abort(&self, key: &Key, id: &str) -> Result<(), Error> {
        let request = self
            .client
            .abort_multipart_upload()
            .bucket(&self.name)
            .key(self.keys.object(key))
            .upload_id(id);
        match self.told(request.send().await) {
            Err(failure) if failure.code() != Some("NoSuchUpload") && failure.status() != Some(404) => {
                Err(failure.into_error("delete", key))
            }
            _ => Ok(()),
        }
    }
}
