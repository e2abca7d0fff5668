//! A store that tells how long each call took.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Answer, Entry, Key, Object, Stat, Storage, Version, Writer};

/// Told of a call by the name that registry:2 has for it.
pub type Told = Box<dyn Fn(&'static str, Duration) + Send + Sync>;

/// Passes every call on.
pub struct Timed {
    inner: Arc<dyn Storage>,
    told: Told,
}

impl Timed {
    pub fn new(inner: Arc<dyn Storage>, told: Told) -> Self {
        Timed { inner, told }
    }

    fn timed<'a, T: 'a>(&'a self, action: &'static str, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            let started = Instant::now();
            let outcome = answer.await;
            (self.told)(action, started.elapsed());
            outcome
        })
    }
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Storage for Timed {
    fn stat<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stat>> {
        self.timed("Stat", self.inner.stat(key))
    }

    fn read<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<Bytes>> {
        self.timed("GetContent", self.inner.read(key, limit))
    }

    fn read_version<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<(Bytes, Version)>> {
        self.timed("GetContent", self.inner.read_version(key, limit))
    }

    fn read_many(&self, keys: Arc<[Key]>, limit: usize) -> Answer<'_, Vec<Option<Bytes>>> {
        self.timed("GetContent", self.inner.read_many(keys, limit))
    }

    fn open<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Arc<dyn Object>>> {
        self.timed("Reader", self.inner.open(key))
    }

    fn write<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, ()> {
        self.timed("PutContent", self.inner.write(key, bytes))
    }

    fn touch<'a>(&'a self, key: &'a Key) -> Answer<'a, bool> {
        self.timed("PutContent", self.inner.touch(key))
    }

    fn flush<'a>(&'a self, key: &'a Key) -> Answer<'a, bool> {
        self.inner.flush(key)
    }

    fn create<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, bool> {
        self.timed("PutContent", self.inner.create(key, bytes))
    }

    fn writer<'a>(&'a self, key: &'a Key) -> Answer<'a, Box<dyn Writer>> {
        self.timed("Writer", self.inner.writer(key))
    }

    fn publish<'a>(&'a self, parts: &'a [Key], to: &'a Key) -> Answer<'a, ()> {
        self.timed("Move", self.inner.publish(parts, to))
    }

    fn make_folder<'a>(&'a self, folder: &'a Key) -> Answer<'a, ()> {
        self.inner.make_folder(folder)
    }

    fn list<'a>(&'a self, folder: &'a Key, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<Entry>> {
        self.timed("List", self.inner.list(folder, after, limit))
    }

    fn delete<'a>(&'a self, key: &'a Key, within: &'a Key) -> Answer<'a, ()> {
        self.timed("Delete", self.inner.delete(key, within))
    }

    fn delete_if<'a>(&'a self, key: &'a Key, within: &'a Key, version: &'a Version) -> Answer<'a, ()> {
        self.timed("Delete", self.inner.delete_if(key, within, version))
    }

    fn delete_folder<'a>(&'a self, folder: &'a Key, within: &'a Key) -> Answer<'a, ()> {
        self.timed("Delete", self.inner.delete_folder(folder, within))
    }
}
