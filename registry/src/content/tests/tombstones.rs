//! Tags on a store that cannot delete one and spare what somebody else writes meanwhile.

use super::*;
use crate::storage::Objects;
use crate::storage::faulty::{Befalls, Call, Fault, Faulty, Trouble};
use crate::storage::memory::MemoryStorage;

fn unsure(storage: &MemoryStorage) -> Faulty {
    Faulty::new(storage.clone()).unsure()
}

fn content(storage: Faulty) -> Content {
    Content::new(Arc::new(storage), options())
}

async fn is_found(content: &Content, by: &str) -> bool {
    content
        .manifests
        .get(&repository("app"), &by_tag(by))
        .await
        .is_ok()
}

/// As on a store that can tell.
#[tokio::test]
async fn a_tag_that_went_with_its_manifest_comes_back_only_when_it_is_pushed() {
    let (storage, image, name) = (MemoryStorage::new(), image().layer("layer"), repository("app"));
    let content = content(unsure(&storage));
    for tag in ["v1", "v2"] {
        image.push(&content, "app", tag).await;
    }
    let deleted = content.manifests.delete(&name, &image.digest()).await.unwrap();
    assert_eq!(deleted.tags, [tag("v1"), tag("v2")]);
    assert_eq!(tags_of(&content, &repository("app")).await, [""; 0]);
    image.push(&content, "app", "v3").await;
    assert_eq!(tags_of(&content, &repository("app")).await, ["v3"]);
    assert!(!is_found(&content, "v1").await && is_found(&content, "v3").await);
    let gone = content.tags.delete(&name, &tag("v1")).await;
    assert!(matches!(gone, Err(Error::ManifestUnknown { .. })), "{gone:?}");
    image.push(&content, "app", "v1").await;
    assert_eq!(tags_of(&content, &repository("app")).await, ["v1", "v3"]);
    assert!(is_found(&content, "v1").await);
    assert!(
        storage
            .stat(&layout::tombstone(&name, &tag("v1")))
            .await
            .unwrap()
            .is_none()
    );
    // Another manifest takes a dead tag's name.
    put(&content, &name, "v2", index(&[])).await.unwrap();
    assert_eq!(tags_of(&content, &repository("app")).await, ["v1", "v2", "v3"]);
}

/// The deletion is told as failed, so nothing of it is seen.
#[tokio::test]
async fn a_deletion_that_fails_leaves_the_tags_of_its_manifest() {
    let (storage, image, name) = (MemoryStorage::new(), image(), repository("app"));
    let faulty = unsure(&storage);
    faulty.script().add(Fault::of(
        Call::Delete,
        "revisions",
        Befalls::Failure(Trouble::Busy),
    ));
    let content = content(faulty);
    image.push(&content, "app", "v1").await;
    content
        .manifests
        .delete(&name, &image.digest())
        .await
        .unwrap_err();
    assert!(is_found(&content, "v1").await);
    assert_eq!(tags_of(&content, &repository("app")).await, ["v1"]);
}

/// As registry:2 pushes, which knows no tombstones.
#[tokio::test]
async fn a_tombstone_does_not_count_for_a_tag_that_registry_2_wrote_later() {
    let (storage, image, name) = (MemoryStorage::new(), image(), repository("app"));
    let content = content(unsure(&storage));
    image.push(&content, "app", "v1").await;
    let digest = image.digest();
    content.manifests.delete(&name, &digest).await.unwrap();
    assert!(!is_found(&content, "v1").await);
    let revision = layout::revision_link(&name, &digest);
    for link in [revision, layout::tag_link(&name, &tag("v1"))] {
        storage.write(&link, digest.to_string().into()).await.unwrap();
    }
    assert!(is_found(&content, "v1").await);
    assert_eq!(tags_of(&content, &repository("app")).await, ["v1"]);
}

/// Whichever of its calls the deletion comes before: once the push is answered, its tag is there.
#[tokio::test]
async fn a_push_during_which_its_manifest_is_deleted_has_its_tag_once_it_is_answered() {
    for (call, at) in [
        (Call::Write, "revisions"),
        (Call::Write, "current"),
        (Call::Delete, "tombstones"),
        (Call::Stat, "roadstead/tags"),
    ] {
        let (storage, image) = (MemoryStorage::new(), image());
        let other = content(unsure(&storage));
        image.push(&other, "app", "v1").await;
        let digest = image.digest();
        let deletion = async move {
            other.manifests.delete(&repository("app"), &digest).await.unwrap();
        };
        let faulty = unsure(&storage);
        let interruption = Befalls::Interruption(Box::pin(deletion));
        faulty.script().add(Fault::of(call, at, interruption));
        put(&content(faulty), &repository("app"), "v1", image.manifest())
            .await
            .unwrap();
        let content = content(unsure(&storage));
        assert!(is_found(&content, "v1").await, "{call:?} of {at}");
        assert_eq!(
            tags_of(&content, &repository("app")).await,
            ["v1"],
            "{call:?} of {at}"
        );
    }
}

/// And whichever of its calls the push comes before: an acknowledged tag is there, or the manifest is gone with it.
#[tokio::test]
async fn a_deletion_during_which_its_manifest_is_pushed_leaves_the_tag_with_its_manifest_or_neither() {
    for (call, at) in [
        (Call::Write, "tombstones"),
        (Call::Delete, "revisions"),
        (Call::ReadVersion, "current"),
        (Call::DeleteIfSame, "current"),
    ] {
        let (storage, image) = (MemoryStorage::new(), image());
        let other = content(unsure(&storage));
        image.push(&other, "app", "v1").await;
        let (digest, manifest) = (image.digest(), image.manifest());
        let push = async move {
            put(&other, &repository("app"), "v1", manifest).await.unwrap();
        };
        let faulty = unsure(&storage);
        let interruption = Befalls::Interruption(Box::pin(push));
        faulty.script().add(Fault::of(call, at, interruption));
        content(faulty)
            .manifests
            .delete(&repository("app"), &digest)
            .await
            .unwrap();
        let content = content(unsure(&storage));
        let by_digest = Reference::Digest(digest);
        let is_there = content
            .manifests
            .get(&repository("app"), &by_digest)
            .await
            .is_ok();
        assert_eq!(is_found(&content, "v1").await, is_there, "{call:?} of {at}");
    }
}
