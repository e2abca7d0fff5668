//! Copies within the bucket, whose bytes do not pass here.

use std::time::Duration;

use aws_sdk_s3::types::MetadataDirective;
use futures::stream::{self, StreamExt, TryStreamExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use tracing::warn;

use super::super::{Error, Key};
use super::bucket::Bucket;
use super::client;
use super::errors::Failure;

/// What a URL's path may hold as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');
/// Some stores cannot copy what was completed just now.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(500);
/// A store copies at this rate at least.
const SLOWED: u64 = 4;

impl Bucket {
    /// Copies an object of this size, and makes sure that the copy has it too.
    pub(super) async fn copy(self: &Arc<Self>, from: &Key, to: &Key, size: u64) -> Result<(), Error> {
        let mut attempt = 0;
        loop {
            let failure = match self.copy_once(from, to, size).await {
                Ok(()) => match self.stat(to).await? {
                    Some(stat) if stat.size == size => return Ok(()),
                    _ => {
                        Failure::protocol("the copy has not the size of the original").into_error("copy", to)
                    }
                },
                Err(error @ (Error::Missing(_) | Error::Full { .. } | Error::ReadOnly { .. })) => {
                    return Err(error);
                }
                Err(error) => error,
            };
            attempt += 1;
            if attempt == ATTEMPTS {
                return Err(failure);
            }
            warn!(%from, %to, error = %failure, "copy failed and is tried again");
            tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
        }
    }

    async fn copy_once(self: &Arc<Self>, from: &Key, to: &Key, size: u64) -> Result<(), Error> {
        if size > self.settings.copy.threshold {
            return self.copy_in_parts(from, to, size).await;
        }
        let attributes = self.attributes();
        let request = self
            .client
            .copy_object()
            .bucket(&self.name)
            .key(self.keys.object(to))
            .copy_source(self.source(from))
            .metadata_directive(MetadataDirective::Copy)
            .set_server_side_encryption(attributes.encryption)
            .set_ssekms_key_id(attributes.kms_key)
            .set_storage_class(attributes.class)
            .set_acl(attributes.acl)
            .customize()
            .config_override(aws_sdk_s3::Config::builder().timeout_config(client::deadline(size / SLOWED)));
        match self.told(request.send().await) {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_missing_for_sure() => Err(Error::Missing(from.clone())),
            Err(failure) => Err(failure.into_error("copy", to)),
        }
    }

    async fn copy_in_parts(self: &Arc<Self>, from: &Key, to: &Key, size: u64) -> Result<(), Error> {
        let copying = self.settings.copy;
        // Not more than a store takes, however large it is.
        let part = copying.part.max(size.div_ceil(10_000));
        let (mut multipart, guard) = self.begin_parts(to).await?;
        let parts = (0..size.div_ceil(part)).map(|number| {
            let (bucket, id) = (Arc::clone(self), multipart.id.clone());
            let (from, to) = (from.clone(), to.clone());
            async move {
                let first = number * part;
                let last = (first + part).min(size) - 1;
                bucket.copy_part(&from, &to, &id, number, first, last).await
            }
        });
        multipart.parts = stream::iter(parts)
            .buffered(copying.at_once)
            .try_collect()
            .await?;
        multipart.size = size;
        self.complete(to, &multipart).await?;
        guard.disarm();
        Ok(())
    }

    async fn copy_part(
        &self,
        from: &Key,
        to: &Key,
        id: &str,
        number: u64,
        first: u64,
        last: u64,
    ) -> Result<String, Error> {
        let request = self
            .client
            .upload_part_copy()
            .bucket(&self.name)
            .key(self.keys.object(to))
            .upload_id(id)
            .part_number(i32::try_from(number + 1).unwrap_or(i32::MAX))
            .copy_source(self.source(from))
            .copy_source_range(format!("bytes={first}-{last}"))
            .customize()
            .config_override(
                aws_sdk_s3::Config::builder().timeout_config(client::deadline((last - first) / SLOWED)),
            );
        let copied = self.told(request.send().await);
        let copied = copied.map_err(|failure| failure.into_error("copy", to))?;
        let tag = copied.copy_part_result.and_then(|result| result.e_tag);
        tag.ok_or_else(|| Failure::protocol("a part has no tag").into_error("copy", to))
    }

    /// Encoded once, which nobody else does.
    fn source(&self, from: &Key) -> String {
        let path = format!("{}/{}", self.name, self.keys.object(from));
        utf8_percent_encode(&path, ENCODED).to_string()
    }
}
