//! Many objects deleted with few requests, and an answer for each.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::super::{Error, Key};
use super::bucket::Bucket;
use super::errors::Failure;
use super::listing::{self, MOST};

const AT_ONCE: usize = 8;

/// What became of each, in their order.
pub(super) async fn many(bucket: &Arc<Bucket>, keys: &[Key]) -> Vec<Result<(), Error>> {
    let mut answers = Vec::with_capacity(keys.len());
    for some in keys.chunks(MOST) {
        match together(bucket, some).await {
            Ok(told) => answers.extend(told),
            // Not every store knows how, and some want checksums that others do not know.
            Err(failure) if !failure.is_uncertain() && failure.status() != Some(403) => {
                answers.extend(one_by_one(bucket, some).await);
            }
            Err(failure) => {
                let what = format!("{failure:?}");
                let failed = |key| Failure::unanswered(what.clone()).into_error("delete", key);
                answers.extend(some.iter().map(|key| Err(failed(key))));
            }
        }
    }
    answers
}

async fn together(bucket: &Bucket, keys: &[Key]) -> Result<Vec<Result<(), Error>>, Failure> {
    let named = keys
        .iter()
        .map(|key| ObjectIdentifier::builder().key(bucket.keys.object(key)).build());
    let named: Result<Vec<_>, _> = named.collect();
    let delete = named.and_then(|named| Delete::builder().set_objects(Some(named)).build());
    let delete = delete.map_err(|error| Failure::protocol(error.to_string()))?;
    let request = bucket.client.delete_objects().bucket(&bucket.name).delete(delete);
    let answer = bucket.told(request.send().await)?;
    // Without `Quiet` each that is gone is named; one that is not named at all is not known to be gone.
    let gone = answer.deleted().iter().filter_map(|deleted| deleted.key());
    let mut told: HashMap<&str, Option<String>> = gone.map(|key| (key, None)).collect();
    for error in answer.errors() {
        if let Some(key) = error.key().filter(|_| error.code() != Some("NoSuchKey")) {
            let what = format!(
                "{}: {}",
                error.code().unwrap_or("error"),
                error.message().unwrap_or_default()
            );
            told.insert(key, Some(what));
        }
    }
    let of = |key: &Key| match told.get(bucket.keys.object(key).as_str()) {
        Some(None) => Ok(()),
        Some(Some(what)) => Err(Failure::protocol(what.clone()).into_error("delete", key)),
        None => {
            Err(Failure::protocol("the store did not say whether it is deleted").into_error("delete", key))
        }
    };
    Ok(keys.iter().map(of).collect())
}

async fn one_by_one(bucket: &Arc<Bucket>, keys: &[Key]) -> Vec<Result<(), Error>> {
    let keys = keys.to_vec();
    let deletions = keys.into_iter().map(|key| {
        let bucket = Arc::clone(bucket);
        async move { bucket.delete(&key).await }
    });
    stream::iter(deletions).buffered(AT_ONCE).collect().await
}

pub(super) async fn folder(bucket: &Arc<Bucket>, folder: &Key) -> Result<(), Error> {
    let mut pages = listing::walk(Arc::clone(bucket), folder.clone());
    while let Some(found) = pages.try_next().await? {
        let keys: Vec<Key> = found.into_iter().map(|(key, _)| key).collect();
        for answer in many(bucket, &keys).await {
            answer?;
        }
    }
    Ok(())
}
