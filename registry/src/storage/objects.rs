//! Objects by key: small ones in one piece, large ones as a stream.

use std::fmt::{self, Debug};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream::BoxStream;

use super::{Answer, Clock, Error, Key};

/// A place that keeps objects by key.
///
/// An object is there whole or not at all, whatever crashes. "Durable" means that it outlives a power cut once
/// the call has returned. Reading after writing sees what was written, and so does listing. A call whose future is
/// dropped, and one that fails, may still take effect. What cannot be looked at is an error, never absent.
///
/// Each call says what it is on S3, where nothing but a single request is atomic.
pub trait Objects: Debug + Send + Sync + 'static {
    /// `None` if there is no such object. S3: HeadObject.
    fn stat<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stat>>;

    /// The whole of a small object, at most `limit` bytes of it; `None` if there is none. S3: GetObject with a range.
    fn read<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<Bytes>>;

    /// As [`Self::read`], with the version that it read: no write that begins after this has returned makes the same one,
    /// also if it writes the same bytes. S3: GetObject and its ETag, which does not tell the same bytes apart where
    /// objects have no versions.
    fn read_version<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<(Bytes, Version)>>;

    /// As [`Self::read`] for each of many, not all at one moment. Whoever has very many asks for some of them at a
    /// time. S3: a GetObject each, some of them at once.
    fn read_many(&self, keys: Arc<[Key]>, limit: usize) -> Answer<'_, Vec<Option<Bytes>>>;

    /// Opens an object, or a part of it, for reading. S3: GetObject with the range, whose answer tells the size; 416 is
    /// [`Opened::Unsatisfiable`].
    fn open<'a>(&'a self, key: &'a Key, wanted: Wanted) -> Answer<'a, Opened>;

    /// Makes or replaces an object, durably. Of several writers the last one wins; its modification time is now,
    /// also if the bytes are the same. The version that it gives may be that of the same bytes too, written next: to
    /// delete no more than was seen takes [`Self::read_version`]. S3: PutObject, which tells no time.
    fn write<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, Version>;

    /// As [`Self::write`], but a power cut may take it: for what can be derived again. S3: PutObject.
    fn write_lazily<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, ()>;

    /// Makes durable what somebody else did, and who perhaps has not come to that: the object, or, if this gives `false`,
    /// that it is not there. S3: HeadObject; what is seen there is durable.
    fn confirm<'a>(&'a self, key: &'a Key) -> Answer<'a, bool>;

    /// The names in a folder that come after `after`, in the order of their bytes, at most `limit` of them, and perhaps
    /// fewer. A folder that is not there is empty; one that cannot be read to its end is an error.
    /// S3: ListObjectsV2 with `/` as the delimiter. It sorts folders with their slash, so that a page is put in order
    /// by asking for those names too that are cut before `-` or `.`.
    fn list<'a>(&'a self, folder: &'a Key, after: Option<&'a str>, limit: usize) -> Answer<'a, Page>;

    /// All objects below a folder, in the order of their keys as texts, some at a time. What comes or goes meanwhile may
    /// be among them or not. After an error nothing follows, and what came before is not all. S3: ListObjectsV2 without
    /// a delimiter, page by page; a page that is cut without a token is an error.
    fn walk(&self, folder: &Key) -> Walked;

    /// Removes an object, durably. No error if it is gone. Folders, where the store has such, are its own affair: it removes
    /// those that it leaves empty. S3: DeleteObject.
    fn delete<'a>(&'a self, key: &'a Key) -> Answer<'a, ()>;

    /// As [`Self::delete`] for each of many, with an answer for each in their order. Whoever has very many gives some of
    /// them at a time. S3: DeleteObjects with up to 1,000; an object that its answer leaves out has failed.
    fn delete_many(&self, keys: Arc<[Key]>) -> Answer<'_, Vec<Result<(), Error>>>;

    /// As [`Self::delete`], if the object is still this version. What somebody else wrote meanwhile stays, also if it has the
    /// same bytes. S3: DeleteObject with If-Match, where that is enforced and objects have versions; else it is unsure.
    fn delete_if_same<'a>(&'a self, key: &'a Key, version: &'a Version) -> Answer<'a, Removal>;

    /// Whether [`Self::delete_if_same`] ever deletes. S3: where If-Match on DELETE was seen to be enforced, and objects have
    /// versions.
    fn can_delete_if_same(&self) -> bool {
        true
    }

    /// Removes all that lies below a folder. Not atomic, not durable. S3: ListObjectsV2 and DeleteObjects, page by page.
    fn delete_folder<'a>(&'a self, folder: &'a Key) -> Answer<'a, ()>;

    /// The store's clock, as its answers so far tell: nothing is written to learn it, and nobody waits. S3: their Date.
    fn clock(&self) -> Clock;

    /// An address at which whoever has it can read the object for so long, without asking this program. `None`: the store
    /// has none. S3: a presigned GetObject; nothing is asked.
    fn link_to<'a>(&'a self, key: &'a Key, ttl: Duration) -> Answer<'a, Option<String>> {
        let _ = (key, ttl);
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// All objects below a folder, some at a time.
pub type Walked = BoxStream<'static, Result<Vec<(Key, Stat)>, Error>>;

/// What became of a version that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone, by this call or another.
    Deleted,
    /// Somebody has written since: that stays.
    Moved,
    /// The store cannot tell, and nothing was deleted.
    Unsure,
}

/// What a store knows about an object without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub size: u64,
    pub modified: SystemTime,
    /// When anything about it changed last, its name included: never before `modified`, as far as the store knows.
    pub changed: SystemTime,
}

/// Which write of an object somebody saw. Opaque: only the store that gave it can do something with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub(super) Box<str>);

/// Some of the names in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// There may be more after the last of these. A page without any is the last.
    pub more: bool,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub name: String,
    pub is_folder: bool,
}

/// Which bytes of an object somebody wants, who does not know its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    All,
    From(u64),
    /// The first and the last of them.
    Between(u64, u64),
    /// So many, at its end.
    Last(u64),
}

impl Wanted {
    /// Which these are of an object of this size. `None`: no byte of a part that is wanted is there.
    pub fn of(self, size: u64) -> Option<Range<u64>> {
        let part = match self {
            Wanted::All => return Some(0..size),
            Wanted::From(first) => first..size,
            Wanted::Between(first, last) => first..last.saturating_add(1).min(size),
            Wanted::Last(length) => size.saturating_sub(length)..size,
        };
        (part.start < part.end).then_some(part)
    }
}

/// What came of opening an object.
#[derive(Debug)]
pub enum Opened {
    Found(Reading),
    Missing,
    /// It is there, with this size, and has no such part.
    Unsatisfiable {
        size: u64,
    },
}

/// Bytes on their way from the store.
pub type Pieces = BoxStream<'static, Result<Bytes, Error>>;

/// An object that is being read.
pub struct Reading {
    pub stat: Stat,
    /// What of it comes: what was wanted, as far as it is there.
    pub range: Range<u64>,
    /// All of it, in order, or an error. The memory is the store's: after a few pieces the next comes when one has been
    /// dropped.
    pub pieces: Pieces,
}

impl Debug for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Reading({:?} of {} bytes)", self.range, self.stat.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_of_it_is_there() {
        for (wanted, size, part) in [
            (Wanted::All, 0, Some(0..0)),
            (Wanted::All, 9, Some(0..9)),
            (Wanted::From(0), 0, None),
            (Wanted::From(8), 9, Some(8..9)),
            (Wanted::From(9), 9, None),
            (Wanted::Between(2, 3), 9, Some(2..4)),
            (Wanted::Between(2, u64::MAX), 9, Some(2..9)),
            (Wanted::Between(3, 2), 9, None),
            (Wanted::Between(9, 10), 9, None),
            (Wanted::Last(3), 9, Some(6..9)),
            (Wanted::Last(30), 9, Some(0..9)),
            (Wanted::Last(0), 9, None),
            (Wanted::Last(3), 0, None),
        ] {
            assert_eq!(wanted.of(size), part, "{wanted:?} of {size}");
        }
    }
}
