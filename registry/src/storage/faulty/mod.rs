//! A store that fails when it is told to, around any other one, for tests.
//!
//! ```text
//! script.rs    which calls, and what befalls them
//! uploads.rs   the same for what is on its way
//! past.rs      a second view of the store that is some seconds old, as another machine's on a network share
//! ```

mod past;
mod script;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::{
    Answer, Clock, Error, Key, Objects, Opened, Page, Removal, Stat, Storage, Version, Walked, Wanted,
};
use past::{Past, View};
pub(crate) use script::{Befalls, Call, Fault, Script, Trouble};

#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Arc<dyn Storage>,
    script: Arc<Script>,
    view: View,
    /// Of a page, so many names.
    page: usize,
    /// Whether it cannot tell one version from another.
    is_unsure: bool,
    /// How far its clock is ahead, in nanoseconds.
    ahead: i64,
}

impl Faulty {
    pub(crate) fn new(inner: impl Storage) -> Self {
        Faulty {
            inner: Arc::new(inner),
            script: Arc::default(),
            view: Past::of_nobody(),
            page: usize::MAX,
            is_unsure: false,
            ahead: 0,
        }
    }

    pub(crate) fn with_pages_of(self, page: usize) -> Self {
        Faulty { page, ..self }
    }

    /// As S3 without versions of objects.
    pub(crate) fn unsure(self) -> Self {
        Faulty {
            is_unsure: true,
            ..self
        }
    }

    /// Says that its clock is ahead of ours by this. Dates are not changed.
    pub(crate) fn ahead_by(self, seconds: i64) -> Self {
        Faulty {
            ahead: seconds * 1_000_000_000,
            ..self
        }
    }

    /// The same store for another machine, which sees what others did so much later.
    pub(crate) fn seen_late(&self, by: Duration) -> Self {
        Faulty {
            inner: Arc::clone(&self.inner),
            script: Arc::default(),
            view: self.view.of_another(by),
            page: self.page,
            is_unsure: self.is_unsure,
            ahead: self.ahead,
        }
    }

    /// From now on.
    pub(crate) fn script(&self) -> Arc<Script> {
        Arc::clone(&self.script)
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        key: &'a Key,
        inner: impl FnOnce() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move { self.script.run(call, key, inner).await })
    }

    /// As [`Self::call`], of one that changes the object.
    fn change<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        key: &'a Key,
        inner: impl FnOnce() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            self.view.remember(&*self.inner, key).await?;
            self.script.run(call, key, inner).await
        })
    }
}

impl Objects for Faulty {
    fn stat<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stat>> {
        self.call(Call::Stat, key, move || match self.view.before(key) {
            Some(then) => ready(then.map(|then| then.stat)),
            None => self.inner.stat(key),
        })
    }

    fn read<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<Bytes>> {
        self.call(Call::Read, key, move || match self.view.before(key) {
            Some(then) => ready(then.map(|then| then.bytes.slice(..then.bytes.len().min(limit)))),
            None => self.inner.read(key, limit),
        })
    }

    fn read_version<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<(Bytes, Version)>> {
        self.call(Call::ReadVersion, key, move || match self.view.before(key) {
            Some(then) => ready(then.map(|then| (then.bytes, Version("of the past".into())))),
            None => self.inner.read_version(key, limit),
        })
    }

    fn read_many(&self, keys: Arc<[Key]>, limit: usize) -> Answer<'_, Vec<Option<Bytes>>> {
        Box::pin(async move {
            let mut all = Vec::with_capacity(keys.len());
            for key in keys.iter() {
                let read = || match self.view.before(key) {
                    Some(then) => ready(then.map(|then| then.bytes)),
                    None => self.inner.read(key, limit),
                };
                all.push(self.script.run(Call::ReadMany, key, read).await?);
            }
            Ok(all)
        })
    }

    fn open<'a>(&'a self, key: &'a Key, wanted: Wanted) -> Answer<'a, Opened> {
        self.call(Call::Open, key, move || match self.view.before(key) {
            Some(None) => ready(Opened::Missing),
            // What is open stays as it is.
            _ => self.inner.open(key, wanted),
        })
    }

    fn write<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, Version> {
        self.change(Call::Write, key, move || self.inner.write(key, bytes))
    }

    fn write_lazily<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, ()> {
        self.change(Call::WriteLazily, key, move || {
            self.inner.write_lazily(key, bytes)
        })
    }

    fn confirm<'a>(&'a self, key: &'a Key) -> Answer<'a, bool> {
        self.call(Call::Confirm, key, move || self.inner.confirm(key))
    }

    fn list<'a>(&'a self, folder: &'a Key, after: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        self.call(Call::List, folder, move || {
            let limit = limit.min(self.page);
            match self.view.is_of_the_past() {
                true => self.view.list(&*self.inner, folder, after, limit),
                false => self.inner.list(folder, after, limit),
            }
        })
    }

    fn walk(&self, folder: &Key) -> Walked {
        let (script, view, inner) = (
            Arc::clone(&self.script),
            self.view.clone(),
            Arc::clone(&self.inner),
        );
        let folder = folder.clone();
        let walked = async move {
            let begin = || -> Answer<'static, ()> { ready(()) };
            script.run(Call::Walk, &folder, begin).await?;
            let pages: Walked = match view.is_of_the_past() {
                true => stream::once(async move { view.walk(&*inner, &folder).await }).boxed(),
                false => inner.walk(&folder),
            };
            Ok(pages)
        };
        stream::once(walked).try_flatten().boxed()
    }

    fn delete<'a>(&'a self, key: &'a Key) -> Answer<'a, ()> {
        self.change(Call::Delete, key, move || self.inner.delete(key))
    }

    fn delete_many(&self, keys: Arc<[Key]>) -> Answer<'_, Vec<Result<(), Error>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(keys.len());
            for key in keys.iter() {
                let delete = || self.inner.delete(key);
                answers.push(self.change(Call::DeleteMany, key, delete).await);
            }
            Ok(answers)
        })
    }

    fn delete_if_same<'a>(&'a self, key: &'a Key, version: &'a Version) -> Answer<'a, Removal> {
        self.change(Call::DeleteIfSame, key, move || match self.is_unsure {
            true => ready(Removal::Unsure),
            false => self.inner.delete_if_same(key, version),
        })
    }

    fn can_delete_if_same(&self) -> bool {
        !self.is_unsure && self.inner.can_delete_if_same()
    }

    fn delete_folder<'a>(&'a self, folder: &'a Key) -> Answer<'a, ()> {
        self.call(Call::DeleteFolder, folder, move || {
            self.inner.delete_folder(folder)
        })
    }

    fn clock(&self) -> Clock {
        let mut clock = self.inner.clock();
        clock.offset += self.ahead;
        clock
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

#[cfg(test)]
mod tests {
    use super::super::contract::contract_tests;
    use super::super::memory::MemoryStorage;
    use super::*;

    /// As it is without faults; its pages are short.
    fn fresh() -> (Arc<dyn Storage>, ()) {
        (Arc::new(Faulty::new(MemoryStorage::new()).with_pages_of(2)), ())
    }

    mod without_faults {
        use super::*;

        contract_tests!(fresh());
    }

    mod seen_late_by_nothing {
        use super::*;

        contract_tests!((
            Arc::new(Faulty::new(MemoryStorage::new()).seen_late(Duration::ZERO)) as Arc<dyn Storage>,
            ()
        ));
    }

    mod that_cannot_tell_versions_apart {
        use super::*;

        contract_tests!((
            Arc::new(Faulty::new(MemoryStorage::new()).unsure()) as Arc<dyn Storage>,
            ()
        ));
    }

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn what_others_did_is_seen_late_and_what_it_did_itself_at_once() {
        let here = Faulty::new(MemoryStorage::new());
        let there = here.seen_late(Duration::from_secs(3600));
        let (old, new, gone) = (key("f/old"), key("f/new/x"), key("f/gone"));
        for at in [&old, &gone] {
            there.write(at, Bytes::from_static(b"1")).await.unwrap();
        }
        here.write(&old, Bytes::from_static(b"2")).await.unwrap();
        here.write(&new, Bytes::from_static(b"2")).await.unwrap();
        here.delete(&gone).await.unwrap();
        let names = async |store: &Faulty| {
            let page = store.list(&key("f"), None, 9).await.unwrap();
            page.entries
                .into_iter()
                .map(|entry| entry.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(there.read(&old, 9).await.unwrap().unwrap(), "1");
        assert_eq!(there.read(&new, 9).await.unwrap(), None);
        assert_eq!(there.read(&gone, 9).await.unwrap().unwrap(), "1");
        assert_eq!(names(&there).await, ["gone", "old"]);
        assert_eq!(names(&here).await, ["new", "old"]);
        there.write(&old, Bytes::from_static(b"3")).await.unwrap();
        assert_eq!(there.read(&old, 9).await.unwrap().unwrap(), "3");
        assert_eq!(here.read(&old, 9).await.unwrap().unwrap(), "3");
    }

    #[tokio::test]
    async fn a_fault_befalls_the_calls_that_it_is_for() {
        let store = Faulty::new(MemoryStorage::new());
        let script = store.script();
        script.add(
            Fault::of(Call::Write, "b", Befalls::Failure(Trouble::Full))
                .after(1)
                .times(1),
        );
        script.add(Fault::of(Call::Write, "c", Befalls::LostAnswer(Trouble::Busy)));
        let write = async |at: &str| store.write(&key(at), Bytes::new()).await.is_ok();
        assert_eq!(
            [write("b").await, write("b").await, write("b").await],
            [true, false, true]
        );
        script.add(Fault::of(
            Call::Write,
            "d",
            Befalls::Delay(Duration::from_millis(1)),
        ));
        assert!(write("d").await);
        assert!(!write("c").await && store.stat(&key("c")).await.unwrap().is_some());
        script.clear();
        assert!(write("c").await);
        script.die_after(2);
        assert_eq!(
            [write("a").await, write("a").await, write("a").await],
            [true, true, false]
        );
        assert!(store.stat(&key("a")).await.is_err());
    }
}
