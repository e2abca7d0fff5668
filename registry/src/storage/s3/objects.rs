//! Objects by key, each call one request or a few.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::DateTime;
use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::super::{
    Answer, Clock, Error, Key, Objects, Opened, Page, Removal, Stat, Version, Walked, Wanted,
};
use super::S3Storage;
use super::body::Heap;
use super::bucket::Bucket;
use super::errors::Failure;
use super::{client, deleting, listing, reading};

/// Requests of one call that are under way at once.
const AT_ONCE: usize = 16;
/// A conflict is over at once, mostly.
const CONFLICT: Duration = Duration::from_millis(20);
const CONFLICTS: u32 = 6;

impl Bucket {
    pub(super) async fn head(
        &self,
        action: &'static str,
        key: &Key,
    ) -> Result<Option<HeadObjectOutput>, Error> {
        let request = self
            .client
            .head_object()
            .bucket(&self.name)
            .key(self.keys.object(key));
        self.found(action, key, request.send().await).await
    }

    pub(super) async fn stat(&self, key: &Key) -> Result<Option<Stat>, Error> {
        let found = self.head("look at", key).await?;
        Ok(found.map(|found| stat(found.content_length, found.last_modified)))
    }

    pub(super) async fn read_small(
        &self,
        key: &Key,
        limit: usize,
    ) -> Result<Option<(Bytes, Version)>, Error> {
        let Some(last) = limit.checked_sub(1) else {
            let found = self.head("read", key).await?;
            return Ok(found.map(|found| (Bytes::new(), version(found.e_tag))));
        };
        // A range of an object without bytes is refused, but whoever limits a read mostly reads all.
        let range = (limit < WHOLE).then(|| format!("bytes=0-{last}"));
        let request = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(self.keys.object(key))
            .set_range(range);
        let answer = request.send().await;
        if let Err(error) = &answer
            && error
                .raw_response()
                .is_some_and(|response| response.status().as_u16() == 416)
        {
            let found = self.head("read", key).await?;
            return Ok(found.map(|found| (Bytes::new(), version(found.e_tag))));
        }
        let Some(found) = self.found("read", key, answer).await? else {
            return Ok(None);
        };
        let version = version(found.e_tag);
        let bytes = reading::all_of(found.body, limit).await;
        let bytes = bytes.map_err(|failure| failure.into_error("read", key))?;
        Ok(Some((bytes, version)))
    }

    pub(super) async fn write(&self, key: &Key, bytes: Bytes) -> Result<Version, Error> {
        let mut heap = Heap::default();
        heap.push(bytes);
        self.write_heap(key, &heap).await
    }

    pub(super) async fn write_heap(&self, key: &Key, bytes: &Heap) -> Result<Version, Error> {
        let mut attempt = 0;
        loop {
            match self.put_once(key, bytes).await {
                Ok(version) => return Ok(version),
                // Another request was in the way. On stores that keep folders one may be removed at this moment.
                Err(failure) if failure.status() == Some(409) && attempt < CONFLICTS => {
                    attempt += 1;
                    tokio::time::sleep(CONFLICT * attempt).await;
                }
                Err(failure) => return Err(failure.into_error("write", key)),
            }
        }
    }

    async fn put_once(&self, key: &Key, bytes: &Heap) -> Result<Version, Failure> {
        let is_plain = !self.settings.is_encrypted_on_the_way();
        let length = bytes.len() as u64;
        let request = self
            .put(key)
            .content_length(i64::try_from(length).unwrap_or(i64::MAX))
            .body(bytes.to_send(is_plain))
            .customize();
        let request = match is_plain {
            true => request,
            false => request.disable_payload_signing(),
        };
        let patience = aws_sdk_s3::Config::builder().timeout_config(client::deadline(length));
        let written = self.told(request.config_override(patience).send().await)?;
        Ok(version(written.e_tag))
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<(), Error> {
        let request = self
            .client
            .delete_object()
            .bucket(&self.name)
            .key(self.keys.object(key));
        self.found("delete", key, request.send().await).await?;
        Ok(())
    }
}

/// Nothing that is read in one piece is larger: then a range has nothing to say.
const WHOLE: usize = 1 << 30;

pub(super) fn stat(size: Option<i64>, modified: Option<DateTime>) -> Stat {
    let modified = modified.and_then(|time| SystemTime::try_from(time).ok());
    // What has no time is new: nothing is deleted because of it.
    let modified = modified.unwrap_or_else(SystemTime::now);
    Stat {
        size: size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        modified,
        changed: modified,
    }
}

fn version(tag: Option<String>) -> Version {
    Version(tag.unwrap_or_default().into())
}

impl Objects for S3Storage {
    fn stat<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stat>> {
        self.bucket.stat(key).boxed()
    }

    fn read<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<Bytes>> {
        async move {
            let found = self.bucket.read_small(key, limit).await?;
            Ok(found.map(|(bytes, _)| bytes))
        }
        .boxed()
    }

    fn read_version<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<(Bytes, Version)>> {
        self.bucket.read_small(key, limit).boxed()
    }

    fn read_many(&self, keys: Arc<[Key]>, limit: usize) -> Answer<'_, Vec<Option<Bytes>>> {
        async move {
            let reads = (0..keys.len()).map(|at| {
                let (bucket, keys) = (Arc::clone(&self.bucket), Arc::clone(&keys));
                async move {
                    let found = bucket.read_small(&keys[at], limit).await?;
                    Ok(found.map(|(bytes, _)| bytes))
                }
            });
            stream::iter(reads).buffered(AT_ONCE).try_collect().await
        }
        .boxed()
    }

    fn open<'a>(&'a self, key: &'a Key, wanted: Wanted) -> Answer<'a, Opened> {
        reading::open(&self.bucket, key, wanted).boxed()
    }

    fn write<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, Version> {
        self.bucket.write(key, bytes).boxed()
    }

    fn write_lazily<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, ()> {
        self.bucket
            .write(key, bytes)
            .map(|written| written.map(drop))
            .boxed()
    }

    fn confirm<'a>(&'a self, key: &'a Key) -> Answer<'a, bool> {
        async move { Ok(self.bucket.head("look at", key).await?.is_some()) }.boxed()
    }

    fn list<'a>(&'a self, folder: &'a Key, after: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        listing::list(&self.bucket, folder, after, limit).boxed()
    }

    fn walk(&self, folder: &Key) -> Walked {
        listing::walk(Arc::clone(&self.bucket), folder.clone())
    }

    fn delete<'a>(&'a self, key: &'a Key) -> Answer<'a, ()> {
        self.bucket.delete(key).boxed()
    }

    fn delete_many(&self, keys: Arc<[Key]>) -> Answer<'_, Vec<Result<(), Error>>> {
        async move { Ok(deleting::many(&self.bucket, &keys).await) }.boxed()
    }

    /// An ETag is a hash of the bytes: that nobody has written the same ones again it cannot tell.
    fn delete_if_same<'a>(&'a self, key: &'a Key, seen: &'a Version) -> Answer<'a, Removal> {
        async move {
            let found = self.bucket.head("delete", key).await?;
            Ok(match found.map(|found| version(found.e_tag)) {
                None => Removal::Deleted,
                Some(found) if found != *seen => Removal::Moved,
                Some(_) => Removal::Unsure,
            })
        }
        .boxed()
    }

    fn can_delete_if_same(&self) -> bool {
        false
    }

    fn delete_folder<'a>(&'a self, folder: &'a Key) -> Answer<'a, ()> {
        deleting::folder(&self.bucket, folder).boxed()
    }

    fn clock(&self) -> Clock {
        self.bucket.answers.clock()
    }

    fn link_to<'a>(&'a self, key: &'a Key, ttl: Duration) -> Answer<'a, Option<String>> {
        async move {
            let bucket = &self.bucket;
            let failed = |what: String| Failure::protocol(what).into_error("sign an address of", key);
            let ttl = PresigningConfig::expires_in(ttl).map_err(|error| failed(error.to_string()))?;
            let request = bucket
                .client
                .get_object()
                .bucket(&bucket.name)
                .key(bucket.keys.object(key));
            let signed = bucket.told(request.presigned(ttl).await);
            let signed = signed.map_err(|failure| failure.into_error("sign an address of", key))?;
            Ok(Some(signed.uri().to_owned()))
        }
        .boxed()
    }
}
