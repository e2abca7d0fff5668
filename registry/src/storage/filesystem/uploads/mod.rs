//! Uploads as they lie in a folder: any process can take one up, none can spoil it for another.
//!
//! ```text
//! mod.rs ─ segment.rs    the contract: begin, go on, seal, publish
//!     │        └─ progress.rs    what counts of an upload
//! purge.rs               those that nobody finished
//! ```

mod progress;
mod purge;
mod segment;

use std::io;
use std::time::SystemTime;

use bytes::Bytes;
use futures::FutureExt;
use uuid::Uuid;

use super::super::{Answer, Error, Key, Resumed, Uploads, Writer};
use super::FilesystemStorage;
use super::tree::Tree;
use progress::{Progress, within};
use segment::SegmentWriter;

/// RFC 3339; without it there is no such upload. registry:2's purging reads it too.
const STARTED_AT: &str = "startedat";

impl Uploads for FilesystemStorage {
    fn begin<'a>(&'a self, at: &'a Key, note: Option<&'a str>) -> Answer<'a, ()> {
        let note = note.map(str::to_owned);
        self.blocking("create", at, move |tree, at| begin(tree, at, note.as_deref()))
    }

    fn load<'a>(&'a self, at: &'a Key) -> Answer<'a, Option<Resumed>> {
        let loaded = self.blocking("read", at, progress::load);
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
        self.blocking("purge", folder, move |tree, folder| {
            purge::uploads(tree, folder, before)
        })
    }

    fn purge_remains(&self, before: SystemTime) -> Answer<'_, usize> {
        let tree = self.tree.clone();
        async move {
            let folder: Key = Self::TEMPORARY.parse().expect("a name below a name");
            let purged = {
                let folder = folder.clone();
                self.threads
                    .run(move || purge::remains(&tree, &folder, before))
                    .await
            };
            purged.map_err(|source| Error::new("purge", &folder, source))
        }
        .boxed()
    }
}

impl FilesystemStorage {
    fn writer(&self, segment: Key, progress: Option<Progress>) -> Box<dyn Writer> {
        Box::new(SegmentWriter::new(self, segment, progress))
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

pub(super) fn abandon(tree: &Tree, at: &Key) -> io::Result<()> {
    tree.delete_folder_at_once(at)
}

fn name_of(key: &Key) -> &str {
    key.as_str().rsplit('/').next().unwrap_or_default()
}
