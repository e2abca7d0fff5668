//! Uploads as they lie in a folder: any process can take one up, none can spoil it for another.
//!
//! Each request writes its bytes into a file of its own and then tries to make `state-<offset>`, which names that file
//! and what is known of the bytes so far. Of two requests that go on at the same offset one succeeds; the other is
//! told where to go on. So no byte counts that is not in the state, and no state is ever changed. An object that comes in
//! one request lies among the temporary files, and has no state.

use std::io;
use std::time::SystemTime;

use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};
use uuid::Uuid;

use super::super::{
    Answer, Buffer, Error, Kept, Key, Objects, Opened, Pieces, Resumed, Saved, Sealed, Transfer, Uploads,
    Wanted, Writer,
};
use super::tree::Tree;
use super::writer::{FileWriter, Unfinished};
use super::{FilesystemStorage, off_thread};

/// RFC 3339; without it there is no such upload. registry:2's purging reads it too.
const STARTED_AT: &str = "startedat";
/// registry:2 keeps the bytes of its own uploads here, and what it knows of them beside it, in a way that is its own.
const FOREIGN: [&str; 2] = ["data", "hashstates"];
const STATE_LIMIT: usize = 4 << 10;

/// Most bodies are configurations and small layers, which need no large buffer.
const FIRST_PIECE: u64 = 64 << 10;
/// The rest of a large one is written past the page cache, where every call waits for the disk.
const PIECE: u64 = 2 << 20;

/// One request that counts.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// Where its bytes end, and the next begin.
    end: u64,
    segment: String,
    hash: Saved,
}

/// How far an upload has come.
#[derive(Debug)]
struct Progress {
    at: Key,
    /// The offsets at which a request began that counts.
    offsets: Vec<u64>,
    /// The file of the last of them.
    segment: Option<String>,
    received: u64,
}

/// With what was kept of its bytes, and its note.
type Loaded = (Progress, Option<Saved>, Option<String>);

impl Uploads for FilesystemStorage {
    fn begin<'a>(&'a self, at: &'a Key, note: Option<&'a str>) -> Answer<'a, ()> {
        let note = note.map(str::to_owned);
        self.blocking("create", at, move |tree, at| begin(tree, at, note.as_deref()))
    }

    fn load<'a>(&'a self, at: &'a Key) -> Answer<'a, Option<Resumed>> {
        let loaded = self.blocking("read", at, load);
        async move {
            let Some((progress, saved, note)) = loaded.await? else {
                return Ok(None);
            };
            let segment = format!("seg-{}-{}", progress.received, Uuid::new_v4().simple());
            Ok(Some(Resumed {
                received: progress.received,
                saved,
                note,
                writer: self.writer(within(at, &segment), Some(progress)),
            }))
        }
        .boxed()
    }

    fn direct(&self, _to: &Key) -> Box<dyn Writer> {
        let temporary = format!("{}/{}", Self::TEMPORARY, Uuid::new_v4());
        self.writer(temporary.parse().expect("letters, digits and dashes"), None)
    }

    fn abandon<'a>(&'a self, at: &'a Key) -> Answer<'a, ()> {
        self.blocking("delete", at, abandon)
    }

    fn purge<'a>(&'a self, folder: &'a Key, before: SystemTime) -> Answer<'a, usize> {
        self.blocking("purge", folder, move |tree, folder| purge(tree, folder, before))
    }

    fn purge_remains(&self, before: SystemTime) -> Answer<'_, usize> {
        let tree = self.tree.clone();
        async move {
            let folder: Key = Self::TEMPORARY.parse().expect("a name below a name");
            let purged = {
                let folder = folder.clone();
                off_thread(move || purge_remains(&tree, &folder, before)).await
            };
            purged.map_err(|source| Error::new("purge", &folder, source))
        }
        .boxed()
    }
}

impl FilesystemStorage {
    fn writer(&self, segment: Key, progress: Option<Progress>) -> Box<dyn Writer> {
        Box::new(SegmentWriter {
            storage: self.clone(),
            transfer: self.buffers.transfer(),
            progress,
            segment,
            is_begun: false,
            file: None,
            bytes: 0,
        })
    }
}

/// The bytes of one request, in a file that is made for the first of them.
#[derive(Debug)]
struct SegmentWriter {
    storage: FilesystemStorage,
    transfer: Transfer,
    /// Of the upload that the request goes on with. `None`: it brings the whole object.
    progress: Option<Progress>,
    segment: Key,
    is_begun: bool,
    file: Option<FileWriter>,
    bytes: u64,
}

impl Writer for SegmentWriter {
    fn piece(&mut self) -> Answer<'_, Buffer> {
        let wanted = if self.is_begun { PIECE } else { FIRST_PIECE };
        self.is_begun = true;
        std::future::ready(Ok(self.transfer.buffer_for(wanted))).boxed()
    }

    fn put(&mut self, bytes: Bytes) -> Answer<'_, ()> {
        async move {
            self.bytes += bytes.len() as u64;
            let file = match &mut self.file {
                Some(file) => file,
                None => {
                    let begun = self.storage.blocking("create", &self.segment, FileWriter::begin);
                    self.file.insert(begun.await?)
                }
            };
            let written = file.write(bytes).await;
            written.map_err(|source| Error::new("write", &self.segment, source))
        }
        .boxed()
    }

    fn keep(self: Box<Self>, saved: Saved) -> Answer<'static, Kept> {
        let Self {
            storage,
            progress,
            segment,
            file,
            bytes,
            ..
        } = *self;
        async move {
            let received = progress.as_ref().map_or(0, |progress| progress.received);
            let (Some(progress), Some(file)) = (progress, file) else {
                return Ok(Kept::Counts { received });
            };
            let state = State {
                end: received + bytes,
                segment: name_of(&segment).to_owned(),
                hash: saved,
            };
            let kept = storage.blocking("keep", &segment, move |tree, _| {
                keep(tree, &progress, file, &state)
            });
            kept.await
        }
        .boxed()
    }

    fn seal(self: Box<Self>) -> Answer<'static, Box<dyn Sealed>> {
        let Self {
            storage,
            progress,
            segment,
            file,
            ..
        } = *self;
        async move {
            let at = progress.as_ref().map(|progress| progress.at.clone());
            let sealed = storage.blocking("flush", &segment, move |tree, segment| {
                let own = file.map(FileWriter::finish).transpose()?;
                let mut segments = progress.map_or(Ok(Vec::new()), |progress| segments(tree, &progress))?;
                segments.extend(own.is_some().then(|| segment.clone()));
                Ok((segments, own))
            });
            let (segments, own) = sealed.await?;
            let sealed: Box<dyn Sealed> = Box::new(Segments {
                storage,
                segments,
                own,
                at,
            });
            Ok(sealed)
        }
        .boxed()
    }
}

/// All segments of an object, flushed.
#[derive(Debug)]
struct Segments {
    storage: FilesystemStorage,
    segments: Vec<Key>,
    /// The one that no state names.
    own: Option<Unfinished>,
    at: Option<Key>,
}

impl Sealed for Segments {
    fn read(&self) -> Pieces {
        let storage = self.storage.clone();
        let opened = stream::iter(self.segments.clone()).then(move |segment| {
            let storage = storage.clone();
            async move {
                match storage.open(&segment, Wanted::All).await? {
                    Opened::Found(reading) => Ok(reading.pieces),
                    Opened::Missing | Opened::Unsatisfiable { .. } => Err(Error::Missing(segment)),
                }
            }
        });
        opened.try_flatten().boxed()
    }

    fn publish<'a>(&'a self, to: &'a Key) -> Answer<'a, ()> {
        let segments = self.segments.clone();
        self.storage
            .blocking("publish", to, move |tree, to| tree.publish(&segments, to))
    }

    fn forget(self: Box<Self>) -> Answer<'static, ()> {
        let Self { storage, own, at, .. } = *self;
        async move {
            // The folder goes with all that is in it.
            if let Some(at) = at {
                if let Some(own) = own {
                    own.keep();
                }
                return storage.blocking("delete", &at, abandon).await;
            }
            let Some(own) = own else { return Ok(()) };
            let key = own.key().clone();
            let removed = off_thread(move || own.remove()).await;
            removed.map_err(|source| Error::new("delete", &key, source))
        }
        .boxed()
    }
}

fn begin(tree: &Tree, at: &Key, note: Option<&str>) -> io::Result<()> {
    if let Some(note) = note {
        tree.create(&within(at, note), &Bytes::new())?;
    }
    // Whole seconds, as registry:2 writes them.
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    tree.create(&within(at, STARTED_AT), &now.into()).map(|_| ())
}

fn load(tree: &Tree, at: &Key) -> io::Result<Option<Loaded>> {
    let names: Vec<String> = tree
        .list(at, None, usize::MAX)?
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    let is_foreign = |name: &String| FOREIGN.contains(&name.as_str());
    if !names.iter().any(|name| name == STARTED_AT) || names.iter().any(is_foreign) {
        return Ok(None);
    }
    let mut offsets: Vec<u64> = names.iter().filter_map(|name| offset_of_state(name)).collect();
    offsets.sort_unstable();
    let last = match offsets.last() {
        None => None,
        Some(offset) => match read_state(tree, at, *offset)? {
            None => return Ok(None),
            last => last,
        },
    };
    let received = last.as_ref().map_or(0, |last| last.end);
    let is_ours =
        |name: &String| name == STARTED_AT || name.starts_with("seg-") || name.starts_with("state-");
    let note = names.into_iter().find(|name| !is_ours(name));
    let (segment, saved) = last.map(|last| (last.segment, last.hash)).unzip();
    let progress = Progress {
        at: at.clone(),
        offsets,
        segment,
        received,
    };
    Ok(Some((progress, saved, note)))
}

/// Makes the segment's bytes count. If another request was first with bytes from the same offset, these are dropped.
/// An upload that has ended is not begun again by that.
fn keep(tree: &Tree, progress: &Progress, file: FileWriter, state: &State) -> io::Result<Kept> {
    let segment = file.finish()?;
    let (begin, text) = (progress.received, serde_json::to_vec(state)?);
    let is_first = match tree.create_beside(&state_key(&progress.at, begin), &text.into()) {
        // The state may be there nevertheless, as on a share whose answer was lost.
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            segment.keep();
            return Err(error);
        }
        created => created?,
    };
    let counts = Kept::Counts { received: state.end };
    if is_first {
        segment.keep();
        return Ok(counts);
    }
    let winner = read_state(tree, &progress.at, begin)?;
    // A share may have been asked twice for one link.
    if winner
        .as_ref()
        .is_some_and(|winner| winner.segment == state.segment)
    {
        segment.keep();
        return Ok(counts);
    }
    segment.remove()?;
    Ok(Kept::Overtaken {
        received: winner.map_or(begin, |winner| winner.end),
    })
}

/// The files that hold all bytes, in order, each as long as its state says: those of which the hash was loaded.
fn segments(tree: &Tree, progress: &Progress) -> io::Result<Vec<Key>> {
    let mut segments = Vec::with_capacity(progress.offsets.len() + 1);
    let (mut end, mut last) = (0, None);
    for offset in &progress.offsets {
        let state = read_state(tree, &progress.at, *offset)?;
        let segment = state.and_then(|state| {
            let key = progress.at.join(&state.segment).ok()?;
            last = Some(state.segment);
            Some((key, state.end))
        });
        let Some((segment, state_end)) = segment else {
            return Err(damaged(&progress.at));
        };
        let size = super::absent_as_none(tree.stat(&segment))?.map(|stat| stat.size);
        if *offset != end || size != state_end.checked_sub(*offset) {
            return Err(damaged(&progress.at));
        }
        end = state_end;
        segments.push(segment);
    }
    if end != progress.received || last != progress.segment {
        return Err(damaged(&progress.at));
    }
    Ok(segments)
}

/// What it says about itself is not what is there, after a power cut perhaps: the client begins anew.
fn damaged(at: &Key) -> io::Error {
    warn!(upload = %at, "upload is damaged and cannot go on");
    io::ErrorKind::NotFound.into()
}

fn abandon(tree: &Tree, at: &Key) -> io::Result<()> {
    tree.delete_folder_at_once(at)
}

fn purge(tree: &Tree, folder: &Key, before: SystemTime) -> io::Result<usize> {
    let mut purged = 0;
    for entry in tree.list(folder, None, usize::MAX)? {
        let Ok(upload) = folder.join(&entry.name) else {
            continue;
        };
        if !is_abandoned(tree, &upload, before)? {
            continue;
        }
        match tree.delete_folder_at_once(&upload) {
            Ok(()) => purged += 1,
            Err(error) => warn!(%upload, %error, "abandoned upload not purged"),
        }
    }
    if purged > 0 {
        info!(uploads = %folder, purged, "purged abandoned uploads");
    }
    Ok(purged)
}

/// Begun before that time; or it does not say when, and nothing in it is younger: a remainder.
fn is_abandoned(tree: &Tree, upload: &Key, before: SystemTime) -> io::Result<bool> {
    if let Some(started) = started_at(tree, upload)? {
        return Ok(SystemTime::from(started) < before);
    }
    for entry in tree.list(upload, None, usize::MAX)? {
        let Ok(object) = upload.join(&entry.name) else {
            return Ok(false);
        };
        let found = super::absent_as_none(tree.stat(&object))?;
        if found.is_none_or(|object| object.modified >= before) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// When the upload in this folder was begun, if that can be told.
fn started_at(tree: &Tree, upload: &Key) -> io::Result<Option<jiff::Timestamp>> {
    let text = tree.read(&within(upload, STARTED_AT), 64)?;
    Ok(text.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok()))
}

fn purge_remains(tree: &Tree, folder: &Key, before: SystemTime) -> io::Result<usize> {
    let mut purged = 0;
    for entry in tree.list(folder, None, usize::MAX)? {
        let Ok(remainder) = folder.join(&entry.name) else {
            continue;
        };
        let found = super::absent_as_none(tree.stat(&remainder))?;
        if found.is_some_and(|found| found.modified < before) {
            tree.delete(&remainder)?;
            purged += 1;
        }
    }
    Ok(purged)
}

fn read_state(tree: &Tree, at: &Key, offset: u64) -> io::Result<Option<State>> {
    let state = tree.read(&state_key(at, offset), STATE_LIMIT)?;
    Ok(state.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn state_key(at: &Key, offset: u64) -> Key {
    within(at, &format!("state-{offset}"))
}

fn offset_of_state(name: &str) -> Option<u64> {
    name.strip_prefix("state-")?.parse().ok()
}

fn within(at: &Key, name: &str) -> Key {
    at.join(name)
        .expect("names in an upload's folder are letters, digits and dashes")
}

fn name_of(key: &Key) -> &str {
    key.as_str().rsplit('/').next().unwrap_or_default()
}
