//! A store that lets something else happen at one moment, and tests of what happens at the worst one.

use std::sync::Mutex;

use futures::future::BoxFuture;

use super::*;
use crate::storage::{Answer, Entry, Object, Stat, Storage, Version, Writer};

/// Before the first of these calls for this key, `then` runs to its end.
struct Interruption {
    call: Call,
    key: Key,
    then: BoxFuture<'static, ()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Write,
    DeleteIf,
}

struct Interrupted {
    inner: FilesystemStorage,
    interruption: Mutex<Option<Interruption>>,
}

impl Interrupted {
    fn open(folder: &Path, interruption: Interruption) -> Content {
        let storage = Interrupted {
            inner: FilesystemStorage::open(folder).unwrap(),
            interruption: Mutex::new(Some(interruption)),
        };
        Content::new(Arc::new(storage), options())
    }

    async fn interrupt(&self, call: Call, key: &Key) {
        let interruption = self
            .interruption
            .lock()
            .unwrap()
            .take_if(|interruption| interruption.call == call && interruption.key == *key);
        if let Some(interruption) = interruption {
            interruption.then.await;
        }
    }
}

impl std::fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl Storage for Interrupted {
    fn write<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, ()> {
        Box::pin(async move {
            self.interrupt(Call::Write, key).await;
            self.inner.write(key, bytes).await
        })
    }

    fn delete_if<'a>(&'a self, key: &'a Key, within: &'a Key, version: &'a Version) -> Answer<'a, ()> {
        Box::pin(async move {
            self.interrupt(Call::DeleteIf, key).await;
            self.inner.delete_if(key, within, version).await
        })
    }

    fn stat<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stat>> {
        self.inner.stat(key)
    }

    fn read<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<Bytes>> {
        self.inner.read(key, limit)
    }

    fn read_version<'a>(&'a self, key: &'a Key, limit: usize) -> Answer<'a, Option<(Bytes, Version)>> {
        self.inner.read_version(key, limit)
    }

    fn read_many(&self, keys: Arc<[Key]>, limit: usize) -> Answer<'_, Vec<Option<Bytes>>> {
        self.inner.read_many(keys, limit)
    }

    fn open<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Arc<dyn Object>>> {
        self.inner.open(key)
    }

    fn touch<'a>(&'a self, key: &'a Key) -> Answer<'a, bool> {
        self.inner.touch(key)
    }

    fn flush<'a>(&'a self, key: &'a Key) -> Answer<'a, bool> {
        self.inner.flush(key)
    }

    fn create<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, bool> {
        self.inner.create(key, bytes)
    }

    fn writer<'a>(&'a self, key: &'a Key) -> Answer<'a, Box<dyn Writer>> {
        self.inner.writer(key)
    }

    fn publish<'a>(&'a self, parts: &'a [Key], to: &'a Key) -> Answer<'a, ()> {
        self.inner.publish(parts, to)
    }

    fn make_folder<'a>(&'a self, folder: &'a Key) -> Answer<'a, ()> {
        self.inner.make_folder(folder)
    }

    fn list<'a>(&'a self, folder: &'a Key, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<Entry>> {
        self.inner.list(folder, after, limit)
    }

    fn delete<'a>(&'a self, key: &'a Key, within: &'a Key) -> Answer<'a, ()> {
        self.inner.delete(key, within)
    }

    fn delete_folder<'a>(&'a self, folder: &'a Key, within: &'a Key) -> Answer<'a, ()> {
        self.inner.delete_folder(folder, within)
    }
}

/// An image that is tagged, and the same push once more on another process at the moment that the test chooses.
struct Race {
    registry: Registry,
    name: RepositoryName,
    image: Image,
}

impl Race {
    async fn new() -> Self {
        let race = Race {
            registry: registry(),
            name: repository("app"),
            image: image().layer("layer"),
        };
        race.image.push(&race.registry, "app", "latest").await;
        race
    }

    fn tag_link(&self) -> Key {
        layout::tag_link(&self.name, &tag("latest"))
    }

    fn push(&self) -> BoxFuture<'static, ()> {
        let (content, name, image) = (self.registry.another(), self.name.clone(), self.image.clone());
        Box::pin(async move {
            put(&content, &name, "latest", image.manifest()).await.unwrap();
        })
    }

    fn deletion(&self) -> BoxFuture<'static, ()> {
        let (content, name, digest) = (self.registry.another(), self.name.clone(), self.image.digest());
        Box::pin(async move {
            content.delete_manifest(&name, &digest).await.unwrap();
        })
    }

    fn interrupted(&self, call: Call, then: BoxFuture<'static, ()>) -> Content {
        let key = self.tag_link();
        Interrupted::open(self.registry.folder.path(), Interruption { call, key, then })
    }

    async fn check_tagged(&self) {
        let found = self.registry.manifest(&self.name, &by_tag("latest")).await;
        assert_eq!(found.unwrap().digest, self.image.digest());
        let tags = self.registry.tags(&self.name, None, None).await.unwrap();
        assert_eq!(tags.items, [tag("latest")]);
        // And whoever deletes the manifest next finds the tag.
        let (content, digest) = (self.registry.another(), self.image.digest());
        let deleted = content.delete_manifest(&self.name, &digest).await;
        assert_eq!(deleted.unwrap(), [tag("latest")]);
    }
}

/// The deletion has looked whether the manifest came back, and is about to take the tag.
#[tokio::test]
async fn deleting_a_manifest_never_takes_back_a_tag_that_the_same_digest_was_pushed_by() {
    let race = Race::new().await;
    let content = race.interrupted(Call::DeleteIf, race.push());
    let deleted = content.delete_manifest(&race.name, &race.image.digest()).await;
    assert_eq!(deleted.unwrap(), [] as [Tag; 0]);
    race.check_tagged().await;
}

/// The manifest's deletion was cut off before it came to the tag.
#[tokio::test]
async fn deleting_a_tag_whose_manifest_went_before_never_takes_back_a_newer_push() {
    let race = Race::new().await;
    let revision = layout::revision_link(&race.name, &race.image.digest());
    fs::remove_file(race.registry.path(&revision)).unwrap();
    let content = race.interrupted(Call::DeleteIf, race.push());
    let deleted = content.delete_tag(&race.name, &tag("latest")).await;
    assert!(
        matches!(deleted, Err(Error::ManifestUnknown { .. })),
        "{deleted:?}"
    );
    race.check_tagged().await;
}

/// The push has written all but the tag.
#[tokio::test]
async fn a_manifest_that_is_deleted_while_it_is_pushed_is_there_once_the_push_is_answered() {
    let race = Race::new().await;
    let content = race.interrupted(Call::Write, race.deletion());
    put(&content, &race.name, "latest", race.image.manifest())
        .await
        .unwrap();
    race.check_tagged().await;
}
