//! An upload as it lies in the bucket, for any process to go on with.
//!
//! ```text
//! <upload>/startedat              when it began: without it there is no such upload. registry:2's purging reads it too
//! <upload>/note                   the word that it began with, if any
//! <upload>/tail-<attempt>         bytes that are no whole part
//! <upload>/state-<end>-<attempt>  how far it has come; the largest end counts
//! ```
//! Nothing of it is ever changed. A record names the parts and the tail whose bytes were hashed, so that no other bytes get
//! in, whoever else writes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::{Error, Key, Saved};
use super::bucket::Bucket;
use super::errors::Failure;
use super::listing;
use super::multipart::Multipart;
use super::session::{Progress, Tail};

pub(super) const STARTED_AT: &str = "startedat";
const NOTE: &str = "note";
const STATE: &str = "state-";
/// Ten thousand tags and what stands around them.
const STATE_LIMIT: usize = 2 << 20;
const NOTE_LIMIT: usize = 1 << 10;

#[derive(Debug, Serialize, Deserialize)]
struct State {
    end: u64,
    hash: Option<Saved>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multipart: Option<Multipart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tail: Option<StoredTail>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredTail {
    name: String,
    size: u64,
}

/// What is found of an upload.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) progress: Progress,
    pub(super) note: Option<String>,
    /// There is more than that it began.
    pub(super) is_stored: bool,
}

pub(super) fn within(at: &Key, name: &str) -> Key {
    at.join(name).expect("letters, digits and dashes")
}

pub(super) async fn begin(bucket: &Bucket, at: &Key, note: Option<&str>) -> Result<(), Error> {
    if let Some(note) = note {
        bucket
            .write(&within(at, NOTE), Bytes::copy_from_slice(note.as_bytes()))
            .await?;
    }
    let now = jiff::Timestamp::now().to_string();
    bucket.write(&within(at, STARTED_AT), now.into()).await.map(drop)
}

pub(super) async fn load(bucket: &Bucket, at: &Key) -> Result<Option<Found>, Error> {
    let names = listing::below(bucket, at).await?;
    let has = |name: &str| names.iter().any(|found| found == name);
    // What registry:2 has begun, only it can go on with: `data` and `hashstates` are its own.
    if !has(STARTED_AT)
        || names
            .iter()
            .any(|name| name == "data" || name.starts_with("hashstates/"))
    {
        return Ok(None);
    }
    let note = match has(NOTE) {
        true => bucket.read_small(&within(at, NOTE), NOTE_LIMIT).await?,
        false => None,
    };
    let note = note.and_then(|(bytes, _)| String::from_utf8(bytes.to_vec()).ok());
    let states = names.iter().filter_map(|name| Some((end_of(name)?, name)));
    let Some((_, last)) = states.max() else {
        return Ok(Some(Found {
            progress: Progress::default(),
            note,
            is_stored: names.iter().any(|name| name != STARTED_AT),
        }));
    };
    let Some(state) = read_state(bucket, at, last).await? else {
        return Ok(None);
    };
    let tail = state
        .tail
        .map(|tail| Ok((at.join(&tail.name)?, tail.size)))
        .transpose();
    let Ok(tail) = tail.map_err(|_: super::super::key::KeyError| ()) else {
        return Ok(None);
    };
    Ok(Some(Found {
        progress: Progress {
            end: state.end,
            saved: state.hash,
            multipart: state.multipart,
            tail: tail.map_or(Tail::Nothing, |(key, size)| Tail::Stored(key, size)),
        },
        note,
        is_stored: true,
    }))
}

/// Makes progress outlast this process.
pub(super) async fn store(bucket: &Bucket, at: &Key, progress: &Progress) -> Result<(), Error> {
    let attempt = Uuid::new_v4().simple().to_string();
    let tail = match &progress.tail {
        Tail::Nothing => None,
        Tail::Held(bytes, _) => {
            let name = format!("tail-{attempt}");
            bucket.write_heap(&within(at, &name), bytes).await?;
            Some(StoredTail {
                name,
                size: bytes.len() as u64,
            })
        }
        Tail::Stored(key, size) => Some(StoredTail {
            name: key.as_str().rsplit('/').next().unwrap_or_default().to_owned(),
            size: *size,
        }),
    };
    let state = State {
        end: progress.end,
        hash: progress.saved.clone(),
        multipart: progress.multipart.clone(),
        tail,
    };
    let name = within(at, &format!("{STATE}{}-{attempt}", progress.end));
    let text = serde_json::to_vec(&state)
        .map_err(|error| Failure::protocol(error.to_string()).into_error("write", at))?;
    bucket.write(&name, text.into()).await?;
    // Whoever ends an upload first removes this, then looks for records: one of the two sees the other.
    if bucket.head("look at", &within(at, STARTED_AT)).await?.is_some() {
        return Ok(());
    }
    remove(bucket, at).await?;
    Err(Error::Missing(at.clone()))
}

/// Ends it, whatever is there of it.
pub(super) async fn remove(bucket: &Bucket, at: &Key) -> Result<(), Error> {
    bucket.delete(&within(at, STARTED_AT)).await?;
    let names = listing::below(bucket, at).await?;
    for name in &names {
        if end_of(name).is_some()
            && let Some(state) = read_state(bucket, at, name).await?
            && let Some(multipart) = state.multipart
            && let Ok(key) = multipart.key.parse()
        {
            bucket.abort(&key, &multipart.id).await?;
        }
    }
    for name in names {
        if let Ok(key) = at.join(&name) {
            bucket.delete(&key).await?;
        }
    }
    Ok(())
}

async fn read_state(bucket: &Bucket, at: &Key, name: &str) -> Result<Option<State>, Error> {
    let Some((bytes, _)) = bucket.read_small(&within(at, name), STATE_LIMIT).await? else {
        return Ok(None);
    };
    Ok(serde_json::from_slice(&bytes).ok())
}

/// Of `state-<end>-<attempt>`.
fn end_of(name: &str) -> Option<u64> {
    name.strip_prefix(STATE)?.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_record_is_in_its_name() {
        assert_eq!(end_of("state-12-abc"), Some(12));
        for name in ["state-", "state-x-abc", "state-12", "tail-12-abc", "startedat"] {
            assert_eq!(end_of(name), None, "{name}");
        }
    }
}
