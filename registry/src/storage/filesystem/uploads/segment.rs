//! The bytes of one request, and those of a whole object before it is published.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::super::super::{
    Answer, Buffer, Error, Kept, Key, Objects, Opened, Pieces, Saved, Sealed, Transfer, Wanted, Writer,
};
use super::super::FilesystemStorage;
use super::super::writer::{FileWriter, Unfinished};
use super::progress::{Progress, State, keep, segments};
use super::{abandon, name_of};

/// Most bodies are configurations and small layers, which need no large buffer.
const FIRST_PIECE: u64 = 64 << 10;
/// The rest of a large one is written past the page cache, where every call waits for the disk.
const PIECE: u64 = 2 << 20;

/// The bytes of one request, in a file that is made for the first of them.
#[derive(Debug)]
pub(super) struct SegmentWriter {
    storage: FilesystemStorage,
    transfer: Transfer,
    /// Of the upload that the request goes on with. `None`: it brings the whole object.
    progress: Option<Progress>,
    segment: Key,
    is_begun: bool,
    file: Option<FileWriter>,
    bytes: u64,
}

impl SegmentWriter {
    pub(super) fn new(storage: &FilesystemStorage, segment: Key, progress: Option<Progress>) -> Self {
        SegmentWriter {
            storage: storage.clone(),
            transfer: storage.buffers.transfer(),
            progress,
            segment,
            is_begun: false,
            file: None,
            bytes: 0,
        }
    }
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
                    let threads = Arc::clone(&self.storage.threads);
                    let begun = self
                        .storage
                        .blocking("create", &self.segment, move |tree, segment| {
                            FileWriter::begin(tree, segment, threads)
                        });
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
            let removed = storage.threads.run(move || own.remove()).await;
            removed.map_err(|source| Error::new("delete", &key, source))
        }
        .boxed()
    }
}
