//! A store that tells how long each call took.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::{
    Answer, Buffer, Clock, Error, Kept, Key, Objects, Opened, Page, Pieces, Removal, Resumed, Saved, Sealed,
    Stat, Storage, Uploads, Version, Walked, Wanted, Writer,
};

/// Told of a call by the name that registry:2 has for it.
pub type Told = Box<dyn Fn(&'static str, Duration) + Send + Sync>;

/// Passes every call on.
pub struct Timed<I: ?Sized> {
    inner: Box<I>,
    watch: Watch,
}

#[derive(Clone)]
struct Watch(Arc<Told>);

impl Timed<dyn Storage> {
    pub fn new(inner: impl Storage, told: Told) -> Self {
        Timed {
            inner: Box::new(inner),
            watch: Watch(Arc::new(told)),
        }
    }
}

impl<I: ?Sized> Timed<I> {
    fn timed<'a, T: 'a>(&self, action: &'static str, answer: Answer<'a, T>) -> Answer<'a, T> {
        self.watch.timed(action, answer)
    }
}

impl Watch {
    fn timed<'a, T: 'a>(&self, action: &'static str, answer: Answer<'a, T>) -> Answer<'a, T> {
        let told = Arc::clone(&self.0);
        Box::pin(async move {
            let started = Instant::now();
            let outcome = answer.await;
            told(action, started.elapsed());
            outcome
        })
    }

    fn on<I: ?Sized>(&self, inner: Box<I>) -> Timed<I> {
        Timed {
            inner,
            watch: self.clone(),
        }
    }
}

impl<I: ?Sized + fmt::Debug> fmt::Debug for Timed<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Objects for Timed<dyn Storage> {
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

    fn open<'a>(&'a self, key: &'a Key, wanted: Wanted) -> Answer<'a, Opened> {
        self.timed("Reader", self.inner.open(key, wanted))
    }

    fn write<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, Version> {
        self.timed("PutContent", self.inner.write(key, bytes))
    }

    fn write_lazily<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, ()> {
        self.timed("PutContent", self.inner.write_lazily(key, bytes))
    }

    fn confirm<'a>(&'a self, key: &'a Key) -> Answer<'a, bool> {
        self.inner.confirm(key)
    }

    fn list<'a>(&'a self, folder: &'a Key, after: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        self.timed("List", self.inner.list(folder, after, limit))
    }

    fn walk(&self, folder: &Key) -> Walked {
        self.inner.walk(folder)
    }

    fn delete<'a>(&'a self, key: &'a Key) -> Answer<'a, ()> {
        self.timed("Delete", self.inner.delete(key))
    }

    fn delete_many(&self, keys: Arc<[Key]>) -> Answer<'_, Vec<Result<(), Error>>> {
        self.timed("Delete", self.inner.delete_many(keys))
    }

    fn delete_if_same<'a>(&'a self, key: &'a Key, version: &'a Version) -> Answer<'a, Removal> {
        self.timed("Delete", self.inner.delete_if_same(key, version))
    }

    fn can_delete_if_same(&self) -> bool {
        self.inner.can_delete_if_same()
    }

    fn delete_folder<'a>(&'a self, folder: &'a Key) -> Answer<'a, ()> {
        self.timed("Delete", self.inner.delete_folder(folder))
    }

    fn clock(&self) -> Clock {
        self.inner.clock()
    }

    fn link_to<'a>(&'a self, key: &'a Key, ttl: Duration) -> Answer<'a, Option<String>> {
        self.timed("URLFor", self.inner.link_to(key, ttl))
    }
}

impl Uploads for Timed<dyn Storage> {
    fn begin<'a>(&'a self, at: &'a Key, note: Option<&'a str>) -> Answer<'a, ()> {
        self.timed("PutContent", self.inner.begin(at, note))
    }

    fn load<'a>(&'a self, at: &'a Key) -> Answer<'a, Option<Resumed>> {
        let loaded = self.timed("List", self.inner.load(at));
        Box::pin(async move {
            let resumed = loaded.await?;
            Ok(resumed.map(|resumed| Resumed {
                writer: Box::new(self.watch.on(resumed.writer)),
                ..resumed
            }))
        })
    }

    fn direct(&self, to: &Key) -> Box<dyn Writer> {
        Box::new(self.watch.on(self.inner.direct(to)))
    }

    fn abandon<'a>(&'a self, at: &'a Key) -> Answer<'a, ()> {
        self.timed("Delete", self.inner.abandon(at))
    }

    fn purge<'a>(&'a self, folder: &'a Key, before: SystemTime) -> Answer<'a, usize> {
        self.inner.purge(folder, before)
    }

    fn purge_remains(&self, before: SystemTime) -> Answer<'_, usize> {
        self.inner.purge_remains(before)
    }
}

impl Writer for Timed<dyn Writer> {
    fn piece(&mut self) -> Answer<'_, Buffer> {
        self.inner.piece()
    }

    fn put(&mut self, bytes: Bytes) -> Answer<'_, ()> {
        self.inner.put(bytes)
    }

    fn keep(self: Box<Self>, saved: Saved) -> Answer<'static, Kept> {
        let Timed { inner, watch } = *self;
        watch.timed("PutContent", inner.keep(saved))
    }

    fn seal(self: Box<Self>) -> Answer<'static, Box<dyn Sealed>> {
        let Timed { inner, watch } = *self;
        let sealed = watch.timed("Writer", inner.seal());
        Box::pin(async move {
            let sealed: Box<dyn Sealed> = Box::new(watch.on(sealed.await?));
            Ok(sealed)
        })
    }
}

impl Sealed for Timed<dyn Sealed> {
    fn read(&self) -> Pieces {
        self.inner.read()
    }

    fn publish<'a>(&'a self, to: &'a Key) -> Answer<'a, ()> {
        self.timed("Move", self.inner.publish(to))
    }

    fn forget(self: Box<Self>) -> Answer<'static, ()> {
        let Timed { inner, watch } = *self;
        watch.timed("Delete", inner.forget())
    }
}
