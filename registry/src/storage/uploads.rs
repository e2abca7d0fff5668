//! Objects that arrive piece by piece, and are not seen before they are whole.

use std::fmt::Debug;
use std::time::SystemTime;

use bytes::Bytes;

use super::{Answer, Buffer, Key, Pieces};

/// What a caller wants to know again of the bytes that came so far. A store keeps it and does not look into it.
pub type Saved = serde_json::Value;

/// A place that takes in what arrives piece by piece, in one request or in several.
///
/// ```text
/// begin ─► load ─► Writer: piece, put … ─► keep       the bytes of this request count
///                                        └► seal ─► Sealed: durable, and invisible until publish
/// direct ────────► Writer: piece, put … ──► seal
/// ```
/// Any process may go on with what another one kept. No byte ever counts that was not part of the state that was kept
/// with it. Each call says what it is on S3, where nothing but a single request is atomic.
pub trait Uploads: Debug + Send + Sync + 'static {
    /// Begins an upload under a key that nobody else knows. `note`: a word that [`Self::load`] gives back. Not durable:
    /// whoever loses it begins anew. S3: PutObject of its record.
    fn begin<'a>(&'a self, at: &'a Key, note: Option<&'a str>) -> Answer<'a, ()>;

    /// How far an upload has come, to go on there. `None`: it is not there, or cannot go on. S3: ListObjectsV2 of its
    /// records, GetObject of the one that ends last.
    fn load<'a>(&'a self, at: &'a Key) -> Answer<'a, Option<Resumed>>;

    /// A whole object that will be published as `to`. S3: CreateMultipartUpload at that key, once there is more than
    /// one part; a single part is a PutObject when it is published.
    fn direct(&self, to: &Key) -> Box<dyn Writer>;

    /// Ends an upload without an object. No error if it is gone. S3: AbortMultipartUpload, and deletion of its records.
    fn abandon<'a>(&'a self, at: &'a Key) -> Answer<'a, ()>;

    /// Abandons the uploads right below this folder that were begun before that time, and gives their number. Of those
    /// that cannot be removed the log tells. S3: a page of the folder at a time.
    fn purge<'a>(&'a self, folder: &'a Key, before: SystemTime) -> Answer<'a, usize>;

    /// Removes what processes that died left behind: nobody has written to it since. S3: ListMultipartUploads under our
    /// prefix, which may be incomplete; what it leaves out, the next time finds.
    fn purge_remains(&self, before: SystemTime) -> Answer<'_, usize>;
}

/// An upload as it is found.
#[derive(Debug)]
pub struct Resumed {
    /// So many bytes are here.
    pub received: u64,
    /// What was kept with them; nothing before the first.
    pub saved: Option<Saved>,
    pub note: Option<String>,
    /// For the bytes that follow.
    pub writer: Box<dyn Writer>,
}

/// What one request brings. Dropped before its end, its bytes are as if they had never come.
pub trait Writer: Debug + Send {
    /// Memory of the store for the next bytes. All pieces but the last are to be full. Waits while the store has no memory to
    /// give: until earlier pieces of this writer are stored, or other transfers end. A folder never waits, its pieces become
    /// smaller; a store that sends pieces of a fixed size waits for room for a whole one.
    fn piece(&mut self) -> Answer<'_, Buffer>;

    /// The bytes of a piece. [`super::Error::Missing`]: the upload has ended meanwhile. S3: UploadPart.
    fn put(&mut self, bytes: Bytes) -> Answer<'_, ()>;

    /// From now on these bytes count, and this is what is known of all that came. Nothing is kept of an object that
    /// comes in one request. S3: PutObject of a record that names the parts. Of two who go on at the same place both
    /// may succeed; what counts then is whole, and never less than what either was told.
    fn keep(self: Box<Self>, saved: Saved) -> Answer<'static, Kept>;

    /// The end: all that came is durable, and not yet visible. [`super::Error::Missing`]: the upload has ended
    /// meanwhile, or is damaged. S3: the last part.
    fn seal(self: Box<Self>) -> Answer<'static, Box<dyn Sealed>>;
}

/// Whether a request's bytes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// So many have come with them.
    Counts { received: u64 },
    /// Another request was faster with bytes from the same place: the upload goes on here.
    Overtaken { received: u64 },
}

/// All bytes of an object, durable and invisible. Dropped, what was kept of it stays, and the rest goes.
pub trait Sealed: Debug + Send + Sync {
    /// All of them, in order. S3: GetObject, after CompleteMultipartUpload at a key of its own.
    fn read(&self) -> Pieces;

    /// Makes or replaces `to`, durably and at once. May be done again. S3: CompleteMultipartUpload, PutObject, or
    /// CopyObject; one that timed out may have succeeded.
    fn publish<'a>(&'a self, to: &'a Key) -> Answer<'a, ()>;

    /// Lets go of what is kept, the upload with it: it is published, or never will be. S3: as [`Uploads::abandon`].
    fn forget(self: Box<Self>) -> Answer<'static, ()>;
}
