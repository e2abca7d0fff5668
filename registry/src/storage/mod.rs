//! Bytes by key. Knows no digests, no repositories and no HTTP.
//!
//! ```text
//! content ──► dyn Storage ──► FilesystemStorage     a folder, registry:2's `filesystem` driver
//! ```
//! Every backend passes the suite in `contract.rs`.

mod buffers;
#[cfg(test)]
pub(crate) mod contract;
mod error;
mod filesystem;
mod key;
mod memory;
mod timed;
mod uncached_copy;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::future::BoxFuture;

pub use buffers::{Buffer, Buffers, Transfer};
pub use error::{Error, Source};
pub use filesystem::{DirectIo, FilesystemStorage};
pub use key::{Key, KeyError};
pub use timed::{Timed, Told};

/// What a store answers, some time later.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// A place that keeps objects by key.
///
/// An object is there whole or not at all, whatever crashes. "Durable" means that it outlives a power cut once
/// the call has returned. Folders exist as far as something is in them, except where [`Self::make_folder`] asks
/// for one. Reading after writing sees what was written, and so does listing. A call whose future is dropped may
/// still take effect.
pub trait Storage: Debug + Send + Sync + 'static {
    /// `None` if there is no such object.
    fn stat<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stat>>;

    /// The whole of a small object, at most `limit` bytes of it; `None` if there is none.
    fn read<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<Bytes>>;

    /// As [`Self::read`], with the version that it read: no write that begins after this has returned makes the same one,
    /// also if it writes the same bytes.
    fn read_version<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<(Bytes, Version)>>;

    /// As [`Self::read`] for each of many, one after the other. Whoever has very many asks for some of them at a time.
    fn read_many(&self, keys: Arc<[Key]>, limit: usize) -> Answer<'_, Vec<Option<Bytes>>>;

    /// Opens an object for reading in parts. It stays readable when it is replaced or deleted meanwhile.
    fn open<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Arc<dyn Object>>>;

    /// Makes or replaces an object, durably. Of several writers the last one wins; its modification time is now,
    /// also if the bytes are the same.
    fn write<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, ()>;

    /// Renews the modification time of an object that is there, durably. `false`: it is not there, and stays away.
    fn touch<'a>(&'a self, key: &'a Key) -> Answer<'a, bool>;

    /// Makes durable what somebody else did, and who perhaps has not come to that: the object, or, if this gives `false`,
    /// that it is not there.
    fn flush<'a>(&'a self, key: &'a Key) -> Answer<'a, bool>;

    /// Makes an object unless there is one: of several who try, exactly one gets `true`. Not durable.
    fn create<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, bool>;

    /// Begins an object that is written piece by piece. It is visible under its key while it grows, so the key is
    /// one that nobody else knows. Its folder must be there, else [`Error::Missing`].
    fn writer<'a>(&'a self, key: &'a Key) -> Answer<'a, Box<dyn Writer>>;

    /// Makes or replaces `to` by the parts one after the other, durably. The parts stay; they were written by
    /// [`Self::writer`] to its end. [`Error::Missing`] if one is missing.
    fn publish<'a>(&'a self, parts: &'a [Key], to: &'a Key) -> Answer<'a, ()>;

    /// Makes a folder that may stay empty, where the store has folders. Durable.
    fn make_folder<'a>(&'a self, folder: &'a Key) -> Answer<'a, ()>;

    /// The names in a folder that come after `after`, in the order of their bytes, at most `limit` of them.
    /// A folder that is not there is empty.
    fn list<'a>(&'a self, folder: &'a Key, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<Entry>>;

    /// Removes an object, durably, and the folders below `within` that it leaves empty. No error if it is gone.
    fn delete<'a>(&'a self, key: &'a Key, within: &'a Key) -> Answer<'a, ()>;

    /// As [`Self::delete`], if the object is still this version. What somebody else wrote meanwhile stays, also if it has the
    /// same bytes.
    fn delete_if<'a>(&'a self, key: &'a Key, within: &'a Key, version: &'a Version) -> Answer<'a, ()>;

    /// Removes all that lies below a folder, and the folders below `within` that this leaves empty. Not atomic,
    /// not durable.
    fn delete_folder<'a>(&'a self, folder: &'a Key, within: &'a Key) -> Answer<'a, ()>;
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
pub struct Version(Box<str>);

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub name: String,
    pub is_folder: bool,
}

/// An object that is open for reading.
pub trait Object: Debug + Send + Sync + 'static {
    fn size(&self) -> u64;

    /// Reads from this offset into the buffer, as much as is at hand: at least one byte unless the object ends
    /// there. Gives the buffer back, filled that far.
    fn read_at(&self, offset: u64, buffer: Buffer) -> Answer<'_, Buffer>;
}

/// An object that is being written. Dropped before its end, it is removed.
pub trait Writer: Debug + Send {
    fn write(&mut self, bytes: Bytes) -> Answer<'_, ()>;

    /// The end: the bytes are durable, the name not yet.
    fn finish(self: Box<Self>) -> Answer<'static, ()>;
}
