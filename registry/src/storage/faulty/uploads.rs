//! What is on its way through a faulty store.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::super::{Answer, Buffer, Kept, Key, Pieces, Resumed, Saved, Sealed, Storage, Uploads, Writer};
use super::past::View;
use super::script::Script;
use super::{Call, Faulty};

impl Uploads for Faulty {
    fn begin<'a>(&'a self, at: &'a Key, note: Option<&'a str>) -> Answer<'a, ()> {
        self.call(Call::Begin, at, move || self.inner.begin(at, note))
    }

    fn load<'a>(&'a self, at: &'a Key) -> Answer<'a, Option<Resumed>> {
        Box::pin(async move {
            let found = self.script.run(Call::Load, at, || self.inner.load(at)).await?;
            Ok(found.map(|resumed| Resumed {
                writer: self.writer(at, resumed.writer),
                ..resumed
            }))
        })
    }

    fn direct(&self, to: &Key) -> Box<dyn Writer> {
        self.writer(to, self.inner.direct(to))
    }

    fn abandon<'a>(&'a self, at: &'a Key) -> Answer<'a, ()> {
        self.call(Call::Abandon, at, move || self.inner.abandon(at))
    }

    fn purge<'a>(&'a self, folder: &'a Key, before: SystemTime) -> Answer<'a, usize> {
        self.call(Call::Purge, folder, move || self.inner.purge(folder, before))
    }

    fn purge_remains(&self, before: SystemTime) -> Answer<'_, usize> {
        Box::pin(async move {
            let nowhere = "remains".parse().unwrap();
            let purge = || self.inner.purge_remains(before);
            self.script.run(Call::PurgeRemains, &nowhere, purge).await
        })
    }
}

impl Faulty {
    fn writer(&self, key: &Key, inner: Box<dyn Writer>) -> Box<dyn Writer> {
        let (storage, script) = (Arc::clone(&self.inner), Arc::clone(&self.script));
        let key = key.clone();
        Box::new(Faults {
            inner,
            script,
            key,
            storage,
            view: self.view.clone(),
        })
    }
}

#[derive(Debug)]
struct Faults<I: ?Sized> {
    inner: Box<I>,
    script: Arc<Script>,
    key: Key,
    storage: Arc<dyn Storage>,
    view: View,
}

impl Writer for Faults<dyn Writer> {
    fn piece(&mut self) -> Answer<'_, Buffer> {
        Box::pin(self.script.run(Call::Piece, &self.key, || self.inner.piece()))
    }

    fn put(&mut self, bytes: Bytes) -> Answer<'_, ()> {
        Box::pin(self.script.run(Call::Put, &self.key, || self.inner.put(bytes)))
    }

    fn keep(self: Box<Self>, saved: Saved) -> Answer<'static, Kept> {
        let Self {
            inner, script, key, ..
        } = *self;
        Box::pin(async move { script.run(Call::Keep, &key, || inner.keep(saved)).await })
    }

    fn seal(self: Box<Self>) -> Answer<'static, Box<dyn Sealed>> {
        let Self {
            inner,
            script,
            key,
            storage,
            view,
        } = *self;
        Box::pin(async move {
            let inner = script.run(Call::Seal, &key, || inner.seal()).await?;
            let sealed: Box<dyn Sealed> = Box::new(Faults {
                inner,
                script,
                key,
                storage,
                view,
            });
            Ok(sealed)
        })
    }
}

impl Sealed for Faults<dyn Sealed> {
    fn read(&self) -> Pieces {
        let (script, key, pieces) = (Arc::clone(&self.script), self.key.clone(), self.inner.read());
        let pieces = async move {
            let read = || -> Answer<'static, ()> { Box::pin(std::future::ready(Ok(()))) };
            script.run(Call::ReadSealed, &key, read).await?;
            Ok(pieces)
        };
        stream::once(pieces).try_flatten().boxed()
    }

    fn publish<'a>(&'a self, to: &'a Key) -> Answer<'a, ()> {
        Box::pin(async move {
            self.view.remember(&*self.storage, to).await?;
            self.script
                .run(Call::Publish, to, || self.inner.publish(to))
                .await
        })
    }

    fn forget(self: Box<Self>) -> Answer<'static, ()> {
        let Self {
            inner, script, key, ..
        } = *self;
        Box::pin(async move { script.run(Call::Forget, &key, || inner.forget()).await })
    }
}
