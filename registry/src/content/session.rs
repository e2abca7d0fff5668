//! An upload as it lies in the store: any process can take it up, none can spoil it for another.
//!
//! Each request writes its bytes into an object of its own and then tries to make `state-<offset>`, which names
//! that object and the hash so far. Of two requests that continue at the same offset one succeeds; the other is
//! told where to continue. So no byte counts that was not hashed, and no state is ever changed.

use bytes::Bytes;
use roadstead_oci::{Algorithm, RepositoryName};
use serde::{Deserialize, Serialize};
use tracing::warn;
use uuid::Uuid;

use super::error::Error;
use super::hasher::{HashState, Hasher};
use super::{Content, UploadId, layout};
use crate::storage::{Key, Storage};

const STARTED_AT: &str = "startedat";
/// An empty object with this name says that the client announced sha512.
const SHA512: &str = "sha512";
/// registry:2 keeps the bytes of its own uploads here. It has hashed them in a way that is its own.
const FOREIGN_DATA: &str = "data";
const STATE_LIMIT: usize = 4 << 10;

/// An upload, as far as it has come.
#[derive(Debug)]
pub(super) struct Session {
    repository: RepositoryName,
    id: UploadId,
    folder: Key,
    algorithm: Algorithm,
    /// The offsets at which a request began that counts.
    offsets: Vec<u64>,
    last: Option<State>,
}

/// One request that counts.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// Where its bytes end, and the next begin.
    end: u64,
    segment: String,
    hash: HashState,
}

impl Session {
    pub(super) async fn start(
        storage: &dyn Storage,
        repository: &RepositoryName,
        algorithm: Option<Algorithm>,
    ) -> Result<UploadId, Error> {
        let id = UploadId::random();
        let folder = layout::upload(repository, &id);
        if algorithm == Some(Algorithm::Sha512) {
            storage.create(&name(&folder, SHA512), Bytes::new()).await?;
        }
        // Whole seconds, as registry:2 writes them: its purging reads them too.
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        storage.create(&name(&folder, STARTED_AT), now.into()).await?;
        Ok(id)
    }

    pub(super) async fn load(
        content: &Content,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<Self, Error> {
        let folder = layout::upload(repository, id);
        let unknown = || Error::BlobUploadUnknown {
            repository: repository.clone(),
            id: id.clone(),
        };
        let entries = content.storage().list(&folder, None, usize::MAX).await?;
        let has = |name: &str| entries.iter().any(|entry| entry.name == name);
        if !has(STARTED_AT) || has(FOREIGN_DATA) {
            return Err(unknown());
        }
        let mut offsets: Vec<u64> = entries
            .iter()
            .filter_map(|entry| offset_of_state(&entry.name))
            .collect();
        offsets.sort_unstable();
        let last = match offsets.last() {
            None => None,
            Some(offset) => Some(
                read_state(content.storage(), &folder, *offset)
                    .await?
                    .ok_or_else(unknown)?,
            ),
        };
        let algorithm = if has(SHA512) {
            Algorithm::Sha512
        } else {
            Algorithm::Sha256
        };
        Ok(Self {
            repository: repository.clone(),
            id: id.clone(),
            folder,
            algorithm,
            offsets,
            last,
        })
    }

    /// How many bytes are here.
    pub(super) fn received(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.end)
    }

    pub(super) fn check_offset(&self, at: Option<u64>) -> Result<(), Error> {
        match at {
            Some(at) if at != self.received() => Err(Error::RangeInvalid {
                received: self.received(),
            }),
            _ => Ok(()),
        }
    }

    /// The hash to go on with: of the algorithm that is `wanted` if nothing has come yet, else of the one that
    /// has been used so far.
    pub(super) fn hasher(&self, wanted: Option<Algorithm>) -> Result<Hasher, Error> {
        match &self.last {
            None => Ok(Hasher::new(wanted.unwrap_or(self.algorithm))),
            Some(last) => last.hash.resume().map_err(|_| self.damaged()),
        }
    }

    /// A new name for the bytes of one request.
    pub(super) fn new_segment(&self) -> Key {
        name(
            &self.folder,
            &format!("seg-{}-{}", self.received(), Uuid::new_v4().simple()),
        )
    }

    /// Makes the segment's bytes count, and gives the new size. If another request was first with bytes from the
    /// same offset, these are dropped.
    pub(super) async fn record(
        &self,
        storage: &dyn Storage,
        segment: &Key,
        bytes: u64,
        hasher: &Hasher,
    ) -> Result<u64, Error> {
        let begin = self.received();
        if bytes == 0 {
            return Ok(begin);
        }
        let end = begin + bytes;
        let segment_name = segment.as_str().rsplit('/').next().unwrap_or_default().to_owned();
        let state = State {
            end,
            segment: segment_name,
            hash: hasher.save(),
        };
        let state = serde_json::to_vec(&state).expect("numbers and texts are always JSON");
        if storage
            .create(&name(&self.folder, &format!("state-{begin}")), state.into())
            .await?
        {
            return Ok(end);
        }
        storage.delete(segment, &self.folder).await?;
        let winner = read_state(storage, &self.folder, begin).await?;
        Err(Error::RangeInvalid {
            received: winner.map_or(begin, |winner| winner.end),
        })
    }

    /// The objects that hold all bytes, in order, each as long as its state says.
    pub(super) async fn segments(&self, storage: &dyn Storage) -> Result<Vec<Key>, Error> {
        let mut segments = Vec::with_capacity(self.offsets.len());
        let mut end = 0;
        for offset in &self.offsets {
            let state = read_state(storage, &self.folder, *offset)
                .await?
                .ok_or_else(|| self.damaged())?;
            let segment = layout::below(&self.folder, &state.segment).ok_or_else(|| self.damaged())?;
            let size = storage.stat(&segment).await?.map(|stat| stat.size);
            if *offset != end || size != state.end.checked_sub(*offset) {
                return Err(self.damaged());
            }
            end = state.end;
            segments.push(segment);
        }
        Ok(segments)
    }

    /// What it says about itself is not what is there, after a power cut perhaps: the client starts anew.
    fn damaged(&self) -> Error {
        warn!(upload = %self.folder, "upload is damaged and cannot go on");
        Error::BlobUploadUnknown {
            repository: self.repository.clone(),
            id: self.id.clone(),
        }
    }
}

async fn read_state(storage: &dyn Storage, folder: &Key, offset: u64) -> Result<Option<State>, Error> {
    let state = storage
        .read(&name(folder, &format!("state-{offset}")), STATE_LIMIT)
        .await?;
    Ok(state.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn offset_of_state(name: &str) -> Option<u64> {
    name.strip_prefix("state-")?.parse().ok()
}

fn name(folder: &Key, name: &str) -> Key {
    layout::below(folder, name).expect("names of an upload's objects are letters, digits and dashes")
}

/// When the upload in this folder was started, if that can be told.
pub(super) async fn started_at(
    storage: &dyn Storage,
    folder: &Key,
) -> Result<Option<jiff::Timestamp>, Error> {
    let text = storage.read(&name(folder, STARTED_AT), 64).await?;
    Ok(text.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok()))
}
