//! What somebody else does at the worst moment.

use futures::future::BoxFuture;

use super::*;
use crate::storage::faulty::{Befalls, Call, Fault, Faulty};

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
            content.manifests.delete(&name, &digest).await.unwrap();
        })
    }

    fn interrupted(&self, call: Call, then: BoxFuture<'static, ()>) -> Content {
        let storage = Faulty::new(FilesystemStorage::open(self.registry.folder.path()).unwrap());
        let interruption = Befalls::Interruption(then);
        storage
            .script()
            .add(Fault::of(call, self.tag_link().as_str(), interruption));
        Content::new(Arc::new(storage), options())
    }

    async fn check_tagged(&self) {
        let found = self.registry.manifests.get(&self.name, &by_tag("latest")).await;
        assert_eq!(found.unwrap().digest, self.image.digest());
        let tags = self.registry.tags.list(&self.name, None, None).await.unwrap();
        assert_eq!(tags.items, [tag("latest")]);
        // And whoever deletes the manifest next finds the tag.
        let (content, digest) = (self.registry.another(), self.image.digest());
        let deleted = content.manifests.delete(&self.name, &digest).await;
        assert_eq!(deleted.unwrap().tags, [tag("latest")]);
    }
}

/// The deletion has looked whether the manifest came back, and is about to take the tag.
#[tokio::test]
async fn deleting_a_manifest_never_takes_back_a_tag_that_the_same_digest_was_pushed_by() {
    let race = Race::new().await;
    let content = race.interrupted(Call::DeleteIfSame, race.push());
    let deleted = content.manifests.delete(&race.name, &race.image.digest()).await;
    assert_eq!(deleted.unwrap().tags, [] as [Tag; 0]);
    race.check_tagged().await;
}

/// The manifest's deletion was cut off before it came to the tag.
#[tokio::test]
async fn deleting_a_tag_whose_manifest_went_before_never_takes_back_a_newer_push() {
    let race = Race::new().await;
    let revision = layout::revision_link(&race.name, &race.image.digest());
    fs::remove_file(race.registry.path(&revision)).unwrap();
    let content = race.interrupted(Call::DeleteIfSame, race.push());
    let deleted = content.tags.delete(&race.name, &tag("latest")).await;
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

/// More often than anybody tries.
const FOR_EVER: usize = 20;

fn is_contended<T: std::fmt::Debug>(outcome: Result<T, Error>) {
    assert!(matches!(outcome, Err(Error::Contended { .. })), "{outcome:?}");
}

/// As on a share whose renames give a file another time.
#[tokio::test]
async fn a_tag_that_is_another_version_each_time_does_not_keep_a_deletion_for_ever() {
    let race = Race::new().await;
    let (digest, link) = (race.image.digest(), race.tag_link());
    let storage = Faulty::new(FilesystemStorage::open(race.registry.folder.path()).unwrap());
    for _ in 0..FOR_EVER {
        let (content, tag) = (race.registry.another(), link.clone());
        let written = async move {
            let bytes = digest.to_string().into();
            content.storage.write(&tag, bytes).await.unwrap();
        };
        let interruption = Befalls::Interruption(Box::pin(written));
        storage
            .script()
            .add(Fault::of(Call::DeleteIfSame, link.as_str(), interruption).times(1));
    }
    let content = Content::new(Arc::new(storage), options());
    is_contended(content.manifests.delete(&race.name, &digest).await);
    let deleted = race.registry.manifests.get(&race.name, &by_tag("latest")).await;
    assert!(matches!(deleted, Err(Error::ManifestUnknown { .. })));
}

#[tokio::test]
async fn a_manifest_that_somebody_deletes_each_time_is_not_pushed_for_ever() {
    let race = Race::new().await;
    let (digest, link) = (race.image.digest(), race.tag_link());
    let storage = Faulty::new(FilesystemStorage::open(race.registry.folder.path()).unwrap());
    for _ in 0..FOR_EVER {
        let interruption = Befalls::Interruption(race.deletion());
        storage
            .script()
            .add(Fault::of(Call::Write, link.as_str(), interruption).times(1));
    }
    let content = Content::new(Arc::new(storage), options());
    is_contended(put(&content, &race.name, "latest", race.image.manifest()).await);
    race.image.push(&race.registry, "app", "latest").await;
    assert_eq!(race.image.digest(), digest);
    race.check_tagged().await;
}

/// Whoever has a manifest has something below `_layers`, or registry:2 does not see the repository.
mod a_repository_stays_visible_to_registry_2 {
    use super::*;
    use crate::storage::memory::MemoryStorage;
    use crate::storage::{Objects, Storage};

    fn content(storage: impl Storage) -> Content {
        Content::new(Arc::new(storage), options())
    }

    fn empty_index() -> (Bytes, Digest) {
        let index = index(&[]);
        (index.clone(), sha256(&index))
    }

    async fn has_layers(storage: &MemoryStorage, name: &RepositoryName) -> bool {
        let page = storage.list(&layout::layers(name), None, 1).await.unwrap();
        !page.entries.is_empty()
    }

    #[tokio::test]
    async fn with_a_manifest_that_has_no_layers() {
        let (storage, name) = (MemoryStorage::new(), repository("app"));
        put(&content(storage.clone()), &name, "v1", empty_index().0)
            .await
            .unwrap();
        assert!(has_layers(&storage, &name).await);
    }

    #[tokio::test]
    async fn when_its_last_layer_is_deleted() {
        let (storage, name) = (MemoryStorage::new(), repository("app"));
        let content = content(storage.clone());
        let layer = push_blob(&content, &name, Bytes::from_static(b"layer")).await;
        put(&content, &name, "v1", empty_index().0).await.unwrap();
        content.blobs.delete(&name, &layer).await.unwrap();
        assert!(has_layers(&storage, &name).await);
    }

    /// The push finds a layer there just before it goes, the deletion finds no manifest just before it comes: not both.
    #[tokio::test]
    async fn when_its_last_layer_is_deleted_during_a_push() {
        for (call, at) in [
            (Call::Write, "revisions"),
            (Call::List, "_layers"),
            (Call::Write, "current"),
        ] {
            let (storage, name) = (MemoryStorage::new(), repository("app"));
            let (other, target) = (content(storage.clone()), name.clone());
            let layer = push_blob(&other, &name, Bytes::from_static(b"layer")).await;
            let deletion = async move { other.blobs.delete(&target, &layer).await.unwrap() };
            let faulty = Faulty::new(storage.clone());
            let interruption = Befalls::Interruption(Box::pin(deletion));
            faulty.script().add(Fault::of(call, at, interruption));
            put(&content(faulty), &name, "v1", empty_index().0).await.unwrap();
            assert!(has_layers(&storage, &name).await, "{call:?} of {at}");
        }
    }
}
