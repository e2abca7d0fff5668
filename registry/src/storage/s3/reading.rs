//! Reading an object as its bytes come. A connection that breaks on the way is no reason to begin again: the rest is asked
//! for by range, of the same version.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt};
use tokio::time::timeout;
use tracing::warn;

use super::super::{Error, Key, Opened, Pieces, Reading, Wanted};
use super::bucket::Bucket;
use super::errors::Failure;
use super::objects::stat;

/// So long the next bytes may take, while somebody waits for them.
const IDLE: Duration = Duration::from_secs(30);
/// Attempts to go on that bring not a byte.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn open(bucket: &Arc<Bucket>, key: &Key, wanted: Wanted) -> Result<Opened, Error> {
    let Some(range) = header(wanted) else {
        // Of a part without bytes only its object's size can be told.
        let size = bucket.stat(key).await?.map(|stat| stat.size);
        return Ok(size.map_or(Opened::Missing, |size| Opened::Unsatisfiable { size }));
    };
    let answer = get(bucket, key).set_range(range).send().await;
    if let Err(error) = &answer
        && let Some(response) = error.raw_response()
        && response.status().as_u16() == 416
    {
        let told = response.headers().get("content-range").and_then(size_of);
        let size = match told {
            Some(size) => Some(size),
            None => bucket.stat(key).await?.map(|stat| stat.size),
        };
        return Ok(size.map_or(Opened::Missing, |size| Opened::Unsatisfiable { size }));
    }
    let Some(found) = bucket.found("open", key, answer).await? else {
        return Ok(Opened::Missing);
    };
    let broken = |what: &str| Failure::protocol(what).into_error("open", key);
    let length = found.content_length.and_then(|length| u64::try_from(length).ok());
    let length = length.ok_or_else(|| broken("the answer has no length"))?;
    let (size, range) = match found.content_range.as_deref() {
        Some(told) => range_of(told).ok_or_else(|| broken("the answer's Content-Range makes no sense"))?,
        None if wanted == Wanted::All => (length, 0..length),
        // It has sent all, which must be what was wanted.
        None => match wanted.of(length) {
            Some(range) if range == (0..length) => (length, range),
            _ => return Err(broken("the store does not know ranges")),
        },
    };
    if range.end - range.start != length {
        return Err(broken("the answer's length is not that of its range"));
    }
    let modified = stat(i64::try_from(size).ok(), found.last_modified);
    Ok(Opened::Found(Reading {
        stat: modified,
        range: range.clone(),
        pieces: pieces(Arc::clone(bucket), key.clone(), range, found),
    }))
}

fn get(bucket: &Bucket, key: &Key) -> aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder {
    bucket
        .client
        .get_object()
        .bucket(&bucket.name)
        .key(bucket.keys.object(key))
}

/// `None`: it has no bytes in any object, and cannot be asked for.
fn header(wanted: Wanted) -> Option<Option<String>> {
    match wanted {
        Wanted::All => Some(None),
        Wanted::From(first) => Some(Some(format!("bytes={first}-"))),
        Wanted::Between(first, last) => (first <= last).then(|| Some(format!("bytes={first}-{last}"))),
        Wanted::Last(length) => (length > 0).then(|| Some(format!("bytes=-{length}"))),
    }
}

/// Of `bytes 0-4/5`: the size, and which these are.
fn range_of(told: &str) -> Option<(u64, Range<u64>)> {
    let (range, size) = told.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let size = size.parse().ok()?;
    (first <= last && last < size).then_some((size, first..last + 1))
}

/// Of `bytes */5`.
fn size_of(told: &str) -> Option<u64> {
    told.strip_prefix("bytes */")?.parse().ok()
}

struct Stream {
    bucket: Arc<Bucket>,
    key: Key,
    left: Range<u64>,
    tag: Option<String>,
    body: Option<ByteStream>,
    failures: u32,
}

fn pieces(bucket: Arc<Bucket>, key: Key, range: Range<u64>, found: GetObjectOutput) -> Pieces {
    let stream = Stream {
        bucket,
        key,
        left: range,
        tag: found.e_tag,
        body: Some(found.body),
        failures: 0,
    };
    stream::try_unfold(stream, |mut stream| async move {
        let piece = stream.next().await?;
        Ok(piece.map(|piece| (piece, stream)))
    })
    .boxed()
}

impl Stream {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.left.is_empty() {
            match self.piece().await {
                Ok(mut piece) => {
                    let left = self.left.end - self.left.start;
                    piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                    self.left.start += piece.len() as u64;
                    self.failures = 0;
                    return Ok(Some(piece));
                }
                Err(failure) => self.after(failure).await?,
            }
        }
        Ok(None)
    }

    async fn piece(&mut self) -> Result<Bytes, Failure> {
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                let found = self.rest().await?;
                self.body.insert(found)
            }
        };
        match timeout(IDLE, body.next()).await {
            Ok(Some(Ok(piece))) => Ok(piece),
            Ok(Some(Err(error))) => Err(Failure::unanswered(format!("the answer broke off: {error}"))),
            Ok(None) => Err(Failure::unanswered("the answer ended before its end")),
            Err(_) => Err(Failure::unanswered("no more bytes of the answer came in time")),
        }
    }

    /// What has not come yet, of the version whose beginning has.
    async fn rest(&self) -> Result<ByteStream, Failure> {
        let range = format!("bytes={}-{}", self.left.start, self.left.end - 1);
        let request = get(&self.bucket, &self.key)
            .range(range)
            .set_if_match(self.tag.clone());
        let found = self.bucket.told(request.send().await)?;
        let told = found.content_range.as_deref().and_then(range_of);
        match told {
            Some((_, range)) if range == self.left && found.e_tag == self.tag => Ok(found.body),
            _ => Err(Failure::protocol("another part came than was asked for")),
        }
    }

    /// Waits before the next attempt, if there is to be one.
    async fn after(&mut self, failure: Failure) -> Result<(), Error> {
        self.body = None;
        self.failures += 1;
        if self.failures > ATTEMPTS || !failure.is_uncertain() {
            return Err(failure.into_error("read", &self.key));
        }
        warn!(key = %self.key, at = self.left.start, ?failure, "reading goes on after a break");
        tokio::time::sleep(PAUSE * 2_u32.pow(self.failures - 1)).await;
        Ok(())
    }
}

/// A small object in one piece, at most so many bytes of it.
pub(super) async fn all_of(mut body: ByteStream, limit: usize) -> Result<Bytes, Failure> {
    let mut all = BytesMut::new();
    loop {
        match timeout(IDLE, body.next()).await {
            Ok(None) => break,
            Ok(Some(Ok(piece))) => all.extend_from_slice(&piece),
            Ok(Some(Err(error))) => {
                return Err(Failure::unanswered(format!("the answer broke off: {error}")));
            }
            Err(_) => return Err(Failure::unanswered("no more bytes of the answer came in time")),
        }
        if all.len() >= limit {
            all.truncate(limit);
            break;
        }
    }
    Ok(all.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_strictly() {
        assert_eq!(range_of("bytes 1-3/5"), Some((5, 1..4)));
        for told in [
            "",
            "bytes 1-3",
            "bytes 3-1/5",
            "bytes 1-5/5",
            "bytes */5",
            "items 0-1/2",
        ] {
            assert_eq!(range_of(told), None, "{told}");
        }
        assert_eq!(size_of("bytes */5"), Some(5));
    }
}
