//! What a crash, of this program or of another, leaves between two steps.

use std::fs;
use std::time::{Duration, SystemTime};

use super::*;
use crate::storage::Objects;
use crate::storage::faulty::Faulty;
use crate::storage::memory::MemoryStorage;

async fn pushed() -> (Registry, RepositoryName, Image) {
    let registry = registry();
    let image = image().layer("layer");
    image.push(&registry, "app", "v1").await;
    (registry, repository("app"), image)
}

#[tokio::test]
async fn an_empty_or_torn_link_counts_as_absent_and_is_mended_by_a_push() {
    for torn in ["", "sha256:", "sha256:0123", "garbage\u{fffd}"] {
        let (registry, name, image) = pushed().await;
        let (layer, manifest) = (sha256(b"layer"), image.digest());
        let links: [Key; 3] = [
            layout::layer_link(&name, &layer),
            layout::revision_link(&name, &manifest),
            layout::tag_link(&name, &tag("v1")),
        ];
        for link in &links {
            fs::write(registry.path(link), torn).unwrap();
        }
        assert!(matches!(
            registry.blobs.find(&name, &layer).await,
            Err(Error::BlobUnknown { .. })
        ));
        assert!(matches!(
            registry.manifests.get(&name, &by_tag("v1")).await,
            Err(Error::ManifestUnknown { .. })
        ));
        let by_digest = Reference::Digest(manifest);
        assert!(matches!(
            registry.manifests.get(&name, &by_digest).await,
            Err(Error::ManifestUnknown { .. })
        ));
        assert_eq!(tags_of(&registry, &name).await, [""; 0]);
        image.push(&registry, "app", "v1").await;
        assert!(registry.manifests.get(&name, &by_tag("v1")).await.is_ok());
    }
}

#[tokio::test]
async fn a_link_with_a_newline_is_a_link() {
    let (registry, name, image) = pushed().await;
    fs::write(
        registry.path(&layout::tag_link(&name, &tag("v1"))),
        format!("{}\n", image.digest()),
    )
    .unwrap();
    assert!(registry.manifests.get(&name, &by_tag("v1")).await.is_ok());
}

#[tokio::test]
async fn a_link_without_data_is_unknown() {
    let (registry, name, _image) = pushed().await;
    fs::remove_file(registry.path(&layout::blob_data(&sha256(b"layer")))).unwrap();
    assert!(matches!(
        registry.blobs.find(&name, &sha256(b"layer")).await,
        Err(Error::BlobUnknown { .. })
    ));
}

/// As docker does: what is there is not sent again, then the manifest. Whatever the manifest's push says, the next
/// attempt succeeds.
#[tokio::test]
async fn a_blob_that_was_damaged_on_the_disk_is_mended_by_the_next_push() {
    for damage in ["", "lay", "layer and more"] {
        let (registry, name, image) = pushed().await;
        let layer = sha256(b"layer");
        fs::write(registry.path(&layout::blob_data(&layer)), damage).unwrap();
        let mut attempts = 0;
        while let Err(error) = put(&registry, &name, "v2", image.manifest()).await {
            let missing = matches!(&error, Error::ManifestBlobUnknown { missing, .. } if *missing == [layer]);
            assert!(missing, "{damage:?}: {error}");
            if registry.blobs.find_for_push(&name, &layer).await.is_err() {
                push_blob(&registry, &name, Bytes::from_static(b"layer")).await;
            }
            attempts += 1;
            assert!(attempts < 3, "{damage:?}");
        }
        assert_eq!(attempts, 1, "{damage:?}");
        assert_eq!(registry.bytes_of(&name, &layer).await, b"layer");
    }
}

#[tokio::test]
async fn files_that_somebody_removed_are_unknown_and_come_back_with_the_next_push() {
    let (registry, name, image) = pushed().await;
    for path in registry.files().keys() {
        let again = registry.another();
        fs::remove_file(registry.folder.path().join(path)).ok();
        for content in [&registry.content, &again] {
            if let Ok(found) = content.manifests.get(&name, &by_tag("v1")).await {
                assert_eq!(found.digest, image.digest(), "without {path}");
            }
        }
        image.push(&registry, "app", "v1").await;
        let found = again.manifests.get(&name, &by_tag("v1")).await.unwrap();
        assert_eq!(found.digest, image.digest(), "after {path} had gone");
        assert_eq!(registry.bytes_of(&name, &sha256(b"layer")).await, b"layer");
    }
}

/// Deleting a manifest stopped after its commit point.
#[tokio::test]
async fn a_tag_without_its_revision_is_not_followed_or_listed() {
    let (registry, name, image) = pushed().await;
    fs::remove_file(registry.path(&layout::revision_link(&name, &image.digest()))).unwrap();
    assert!(matches!(
        registry.manifests.get(&name, &by_tag("v1")).await,
        Err(Error::ManifestUnknown { .. })
    ));
    assert_eq!(tags_of(&registry, &name).await, [""; 0]);
}

/// The same: with the next push of these bytes the tag would be back.
#[tokio::test]
async fn a_tag_without_its_revision_goes_when_it_is_deleted_and_no_other_goes_with_it() {
    let (registry, name, image) = pushed().await;
    image.push(&registry, "app", "v2").await;
    fs::remove_file(registry.path(&layout::revision_link(&name, &image.digest()))).unwrap();
    assert!(matches!(
        registry.tags.delete(&name, &tag("v1")).await,
        Err(Error::ManifestUnknown { .. })
    ));
    let is_there = |name_of_tag| {
        registry
            .path(&layout::tag_link(&name, &tag(name_of_tag)))
            .exists()
    };
    assert!(!is_there("v1") && is_there("v2"));
}

#[tokio::test]
async fn a_push_renews_every_link_it_relies_on() {
    let (registry, name, image) = pushed().await;
    let links = [
        layout::layer_link(&name, &sha256(b"layer")),
        layout::revision_link(&name, &image.digest()),
        layout::tag_link(&name, &tag("v1")),
    ];
    for link in &links {
        age(&registry, link);
    }
    image.push(&registry, "app", "v1").await;
    for link in &links {
        assert!(is_new(&registry, link), "{link}");
    }
}

#[tokio::test]
async fn a_head_by_one_who_may_push_takes_out_a_lease_where_the_link_is_old_and_leaves_a_young_one() {
    let (registry, name, image) = pushed().await;
    let digests = [sha256(b"layer"), image.digest()];
    let [blob, manifest] = digests.map(|digest| layout::lease(&name, &digest));
    let links = [
        layout::layer_link(&name, &digests[0]),
        layout::revision_link(&name, &digests[1]),
    ];
    let head = async || {
        registry.blobs.find_for_push(&name, &digests[0]).await.unwrap();
        registry
            .manifests
            .get_for_push(&name, &by_tag("v1"))
            .await
            .unwrap();
    };
    head().await;
    assert!(!registry.path(&blob).exists(), "the link itself is young");
    links.iter().for_each(|link| age(&registry, link));
    registry.blobs.find(&name, &digests[0]).await.unwrap();
    registry.manifests.get(&name, &by_tag("v1")).await.unwrap();
    assert!(!registry.path(&blob).exists(), "a pull takes out none");
    head().await;
    assert!(is_new(&registry, &blob) && is_new(&registry, &manifest));
    // Written anew, a link that somebody deletes at this moment would come back.
    assert!(links.iter().all(|link| !is_new(&registry, link)));
    let before = fs::metadata(registry.path(&blob)).unwrap().modified().unwrap();
    head().await;
    let modified = fs::metadata(registry.path(&blob)).unwrap().modified().unwrap();
    assert_eq!(modified, before);
    age(&registry, &blob);
    head().await;
    assert!(is_new(&registry, &blob));
}

/// By the clock of the store all of this is old, whatever this machine's says.
#[tokio::test]
async fn a_lease_goes_by_the_clock_of_the_store() {
    let storage = MemoryStorage::new();
    let content = Content::new(
        Arc::new(Faulty::new(storage.clone()).ahead_by(13 * 3600)),
        options(),
    );
    let (name, digest) = (repository("app"), sha256(b"layer"));
    push_blob(&content, &name, Bytes::from_static(b"layer")).await;
    content.blobs.find_for_push(&name, &digest).await.unwrap();
    let lease = layout::lease(&name, &digest);
    assert!(storage.stat(&lease).await.unwrap().is_some());
}

#[tokio::test]
async fn a_push_waits_for_a_collection_and_looks_again() {
    let (registry, name, image) = pushed().await;
    let batch = layout::below(&layout::condemned(), "batch").unwrap();
    registry
        .storage
        .write(&batch, Bytes::from_static(b"{}"))
        .await
        .unwrap();
    let layer = layout::layer_link(&name, &sha256(b"layer"));
    let (content, path, layer_path) = (registry.another(), registry.path(&batch), registry.path(&layer));
    let push = tokio::spawn(async move { put(&content, &repository("app"), "v2", image.manifest()).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!push.is_finished());
    // The collection had found the layer unused before this push began, and takes it.
    fs::remove_file(layer_path).unwrap();
    fs::remove_file(path).unwrap();
    let error = push.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::ManifestBlobUnknown { missing, .. } if missing == [sha256(b"layer")]));
    assert!(registry.manifests.get(&name, &by_tag("v2")).await.is_err());
}

/// The collection had found the same content unused before: with the data shown while it deletes, nothing would be left.
#[tokio::test]
async fn an_upload_shows_its_bytes_only_when_no_collection_can_take_them() {
    let registry = registry();
    let name = repository("app");
    let digest = push_blob(&registry, &repository("old"), Bytes::from_static(b"content")).await;
    let batch = layout::below(&layout::condemned(), "batch").unwrap();
    registry
        .storage
        .write(&batch, Bytes::from_static(b"{}"))
        .await
        .unwrap();
    let (content, data) = (registry.another(), registry.path(&layout::blob_data(&digest)));
    let link = registry.path(&layout::layer_link(&name, &digest));
    let target = name.clone();
    let push = tokio::spawn(async move { content.uploads.push(&target, &digest, body("content")).await });
    // The link is the last that it writes before it looks at what is published, and then waits.
    while !link.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fs::remove_file(&data).unwrap();
    fs::remove_file(&link).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!push.is_finished() && !data.exists());
    fs::remove_file(registry.path(&batch)).unwrap();
    push.await.unwrap().unwrap();
    assert_eq!(registry.bytes_of(&name, &digest).await, b"content");
}

/// A link that names bytes which nobody has verified would show another repository's blob to whoever only knows its
/// digest.
#[tokio::test]
async fn nothing_is_linked_before_it_is_verified() {
    let registry = registry();
    let digest = push_blob(&registry, &repository("secret"), Bytes::from_static(b"content")).await;
    let name = repository("app");
    let error = registry
        .uploads
        .push(&name, &digest, body("guess"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DigestInvalid { .. }), "{error}");
    assert!(registry.blobs.find(&name, &digest).await.is_err());
    assert!(!registry.path(&layout::layer_link(&name, &digest)).exists());
}

#[tokio::test]
async fn a_batch_that_a_dead_collection_left_stops_nobody() {
    let registry = registry();
    let batch = layout::below(&layout::condemned(), "batch").unwrap();
    registry
        .storage
        .write(&batch, Bytes::from_static(b"{}"))
        .await
        .unwrap();
    age(&registry, &batch);
    let image = image();
    let push = image.push(&registry, "app", "v1");
    tokio::time::timeout(Duration::from_secs(20), push).await.unwrap();
}

#[tokio::test]
async fn a_push_does_not_wait_for_ever_for_a_collection_and_tells_nobody_that_it_is_done() {
    let registry = registry_with(Options {
        collection_patience: Duration::from_millis(300),
        ..options()
    });
    let name = repository("app");
    let batch = layout::below(&layout::condemned(), "batch").unwrap();
    registry
        .storage
        .write(&batch, Bytes::from_static(b"{}"))
        .await
        .unwrap();
    let digest = sha256(b"content");
    let error = registry
        .uploads
        .push(&name, &digest, body("content"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Collecting), "{error}");
    fs::remove_file(registry.path(&batch)).unwrap();
    registry
        .uploads
        .push(&name, &digest, body("content"))
        .await
        .unwrap();
    assert_eq!(registry.bytes_of(&name, &digest).await, b"content");
}

fn age(registry: &Registry, key: &Key) {
    let then = SystemTime::now() - Duration::from_secs(30 * 3600);
    fs::File::options()
        .write(true)
        .open(registry.path(key))
        .unwrap()
        .set_modified(then)
        .unwrap();
}

fn is_new(registry: &Registry, key: &Key) -> bool {
    let modified = fs::metadata(registry.path(key)).unwrap().modified().unwrap();
    modified
        .elapsed()
        .is_ok_and(|age| age < Duration::from_secs(3600))
}
