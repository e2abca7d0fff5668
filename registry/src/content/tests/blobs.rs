//! Pushing, reading, mounting and deleting blobs.

use std::fs;

use super::*;

#[tokio::test]
async fn a_pushed_blob_reads_as_it_was_sent() {
    let (registry, name) = (registry(), repository("team/app"));
    for length in [0, 1, 20_000, 256 << 10, 1_000_003] {
        let bytes = noise(length);
        let digest = push_blob(&registry, &name, bytes.clone().into()).await;
        assert_eq!(
            registry.blobs.find(&name, &digest).await.unwrap().size,
            length as u64
        );
        assert!(registry.bytes_of(&name, &digest).await == bytes, "{length} bytes");
    }
}

#[tokio::test]
async fn a_range_gives_exactly_its_bytes() {
    let (registry, name) = (registry(), repository("app"));
    let bytes = noise(600_000);
    let digest = push_blob(&registry, &name, bytes.clone().into()).await;
    for (wanted, range) in [
        (Wanted::Between(0, 0), 0..1),
        (Wanted::Between(5, 9), 5..10),
        (Wanted::Between(262_143, 262_144), 262_143..262_145),
        (Wanted::Between(599_999, 700_000), 599_999..600_000),
        (Wanted::All, 0..600_000),
        (Wanted::From(300_000), 300_000..600_000),
        (Wanted::Last(7), 599_993..600_000),
    ] {
        let found = registry.read_part(&name, &digest, wanted).await;
        assert!(found == bytes[range], "{wanted:?}");
    }
    let reading = registry
        .blobs
        .read(&name, &digest, Wanted::From(600_000))
        .await
        .unwrap();
    assert!(reading.part.is_none() && reading.size == 600_000);
}

#[tokio::test]
async fn a_blob_that_shrinks_while_it_is_read_ends_as_broken() {
    let (registry, name) = (registry(), repository("app"));
    let digest = push_blob(&registry, &name, noise(600_000).into()).await;
    let reading = registry.blobs.read(&name, &digest, Wanted::All).await.unwrap();
    let data = registry.path(&layout::blob_data(&digest));
    fs::File::options()
        .write(true)
        .open(data)
        .unwrap()
        .set_len(1000)
        .unwrap();
    let (_, stream) = reading.part.unwrap();
    let error = whole(stream).await.unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
}

#[tokio::test]
async fn a_blob_is_visible_only_where_it_was_pushed() {
    let registry = registry();
    let digest = push_blob(&registry, &repository("one"), Bytes::from_static(b"x")).await;
    let error = registry
        .blobs
        .find(&repository("two"), &digest)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::BlobUnknown { .. }), "{error}");
}

#[tokio::test]
async fn a_wrong_digest_leaves_nothing_behind() {
    let (registry, name) = (registry(), repository("app"));
    let wrong = sha256(b"something else");
    let error = registry
        .uploads
        .push(&name, &wrong, body("content"))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::DigestInvalid { actual, .. } if **actual == sha256(b"content")),
        "{error}"
    );
    assert!(matches!(
        registry.blobs.find(&name, &wrong).await,
        Err(Error::BlobUnknown { .. })
    ));
    let files = registry.files();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["roadstead/tmp/"]);
}

#[tokio::test]
async fn a_body_cut_off_leaves_nothing_behind() {
    let (registry, name) = (registry(), repository("app"));
    let digest = sha256(b"content");
    let error = registry
        .uploads
        .push(&name, &digest, cut_off("content"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Body(_)), "{error}");
    // The bytes go behind the client's back: freeing them may take time.
    for _ in 0..500 {
        if registry.files().keys().eq(["roadstead/tmp/"]) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("after five seconds there is still {:?}", registry.files().keys());
}

#[tokio::test]
async fn sha512_is_stored_under_its_own_name() {
    let (registry, name) = (registry(), repository("app"));
    let digest = sha512(b"content");
    registry
        .uploads
        .push(&name, &digest, body("content"))
        .await
        .unwrap();
    assert_eq!(registry.bytes_of(&name, &digest).await, b"content");
    let link = fs::read_to_string(registry.path(&layout::layer_link(&name, &digest))).unwrap();
    assert_eq!(link, digest.to_string());
}

#[tokio::test]
async fn sha512_as_registry_2_stored_it_is_read() {
    let (registry, name) = (registry(), repository("app"));
    let data = push_blob(&registry, &name, Bytes::from_static(b"content")).await;
    let digest = sha512(b"content");
    let link = registry.path(&layout::layer_link(&name, &digest));
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    fs::write(link, data.to_string()).unwrap();
    let blob = registry.blobs.find(&name, &digest).await.unwrap();
    assert_eq!(blob.digest, digest);
    assert_eq!(registry.bytes_of(&name, &digest).await, b"content");
}

#[tokio::test]
async fn a_mount_makes_the_blob_visible_and_copies_nothing() {
    let registry = registry();
    let (one, two) = (repository("one"), repository("two"));
    let digest = push_blob(&registry, &one, Bytes::from_static(b"x")).await;
    let before = registry.files().len();
    assert!(registry.blobs.mount(&two, &digest, &one).await.unwrap().is_some());
    assert_eq!(registry.bytes_of(&two, &digest).await, b"x");
    assert_eq!(registry.files().len(), before + 1);
}

#[tokio::test]
async fn a_mount_of_what_is_not_there_asks_for_an_upload() {
    let registry = registry();
    let (one, two) = (repository("one"), repository("two"));
    assert!(
        registry
            .blobs
            .mount(&two, &sha256(b"x"), &one)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        registry
            .blobs
            .mount_from_any(&two, &sha256(b"x"), |_| true)
            .await
            .unwrap()
            .is_none()
    );
    let digest = push_blob(&registry, &one, Bytes::from_static(b"x")).await;
    fs::remove_file(registry.path(&layout::blob_data(&digest))).unwrap();
    assert!(registry.blobs.mount(&two, &digest, &one).await.unwrap().is_none());
    assert!(matches!(
        registry.blobs.find(&two, &digest).await,
        Err(Error::BlobUnknown { .. })
    ));
}

#[tokio::test]
async fn a_mount_from_anywhere_looks_only_where_the_caller_may_pull() {
    let registry = registry();
    let (secret, open) = (repository("secret/app"), repository("open/app"));
    let digest = push_blob(&registry, &secret, Bytes::from_static(b"x")).await;
    let target = repository("target");
    let may_pull = |name: &RepositoryName| name.as_str().starts_with("open/");
    assert!(
        registry
            .blobs
            .mount_from_any(&target, &digest, may_pull)
            .await
            .unwrap()
            .is_none()
    );
    push_blob(&registry, &open, Bytes::from_static(b"x")).await;
    assert!(
        registry
            .blobs
            .mount_from_any(&target, &digest, may_pull)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(registry.bytes_of(&target, &digest).await, b"x");
}

#[tokio::test]
async fn a_deleted_blob_is_gone_from_its_repository_only() {
    let registry = registry();
    let (one, two) = (repository("one"), repository("two"));
    let digest = push_blob(&registry, &one, Bytes::from_static(b"x")).await;
    registry.blobs.mount(&two, &digest, &one).await.unwrap();
    registry.blobs.delete(&one, &digest).await.unwrap();
    assert!(matches!(
        registry.blobs.find(&one, &digest).await,
        Err(Error::BlobUnknown { .. })
    ));
    assert!(matches!(
        registry.blobs.delete(&one, &digest).await,
        Err(Error::BlobUnknown { .. })
    ));
    assert_eq!(registry.bytes_of(&two, &digest).await, b"x");
}

#[tokio::test]
async fn a_repository_stays_in_the_catalog_when_its_last_blob_is_deleted() {
    let (registry, name) = (registry(), repository("one"));
    let digest = push_blob(&registry, &name, Bytes::from_static(b"x")).await;
    registry.blobs.delete(&name, &digest).await.unwrap();
    assert!(registry.path(&layout::layers(&name)).is_dir());
    assert_eq!(
        registry
            .repositories
            .list(None, None, |_| true)
            .await
            .unwrap()
            .items,
        [name]
    );
}

#[tokio::test]
async fn a_damaged_blob_is_mended_by_the_next_push() {
    let (registry, name) = (registry(), repository("one"));
    let digest = push_blob(&registry, &name, Bytes::from_static(b"content")).await;
    fs::write(registry.path(&layout::blob_data(&digest)), "con").unwrap();
    push_blob(&registry, &name, Bytes::from_static(b"content")).await;
    assert_eq!(registry.bytes_of(&name, &digest).await, b"content");
}

#[tokio::test]
async fn deleting_is_refused_where_it_is_off_and_every_write_where_it_is_read_only() {
    let name = repository("app");
    let off = registry_with(Options::default());
    let pushed = image().push(&off, "app", "v1").await;
    let refused = [
        off.blobs.delete(&name, &sha256(b"{}")).await,
        off.manifests.delete(&name, &pushed.digest).await.map(drop),
        off.tags.delete(&name, &tag("v1")).await,
    ];
    assert!(
        refused
            .iter()
            .all(|result| matches!(result, Err(Error::Unsupported(_)))),
        "{refused:?}"
    );

    let read_only = open(
        off.folder.path(),
        Options {
            read_only: true,
            ..options()
        },
    );
    let id = UploadId::random();
    let refused = [
        read_only.blobs.delete(&name, &sha256(b"{}")).await,
        read_only
            .uploads
            .push(&name, &sha256(b"x"), body("x"))
            .await
            .map(|_| ()),
        read_only
            .blobs
            .mount(&repository("b"), &sha256(b"{}"), &name)
            .await
            .map(|_| ()),
        read_only.uploads.start(&name, None).await.map(|_| ()),
        read_only
            .uploads
            .append(&name, &id, None, body("x"))
            .await
            .map(|_| ()),
        read_only
            .uploads
            .finish(&name, &id, &sha256(b"x"), None, body("x"))
            .await
            .map(|_| ()),
        read_only.uploads.cancel(&name, &id).await,
        put(&read_only, &name, "v2", image().manifest()).await.map(|_| ()),
    ];
    assert!(
        refused
            .iter()
            .all(|result| matches!(result, Err(Error::Unsupported(_)))),
        "{refused:?}"
    );
    assert!(read_only.manifests.get(&name, &by_tag("v1")).await.is_ok());
    assert!(read_only.blobs.find_for_push(&name, &sha256(b"{}")).await.is_ok());
}
