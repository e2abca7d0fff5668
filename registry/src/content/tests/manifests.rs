//! Pushing, reading and deleting manifests and tags.

use std::fs;

use roadstead_oci::ManifestError;

use super::*;

#[tokio::test]
async fn an_image_is_found_by_tag_and_by_digest() {
    let (registry, name) = (registry(), repository("app"));
    let image = image().layer("layer");
    let pushed = image.push(&registry, "app", "v1").await;
    assert_eq!(
        pushed,
        Pushed {
            digest: image.digest(),
            size: image.manifest().len() as u64,
            tags: vec![tag("v1")],
            manifest: roadstead_oci::Manifest::parse(&image.manifest(), None).unwrap(),
        }
    );
    for reference in [by_tag("v1"), Reference::Digest(image.digest())] {
        let manifest = registry.manifests.get(&name, &reference).await.unwrap();
        assert_eq!(
            (manifest.digest, manifest.media_type),
            (image.digest(), OCI_MANIFEST)
        );
        assert_eq!(manifest.bytes, image.manifest());
        let again = registry.another().manifests.get(&name, &reference).await.unwrap();
        assert_eq!(again, manifest);
    }
}

#[tokio::test]
async fn one_push_may_set_several_tags() {
    let (registry, name) = (registry(), repository("app"));
    let image = image();
    image.push(&registry, "app", "v1").await;
    let reference = Reference::Digest(image.digest());
    let tags = [tag("a"), tag("b")];
    registry
        .manifests
        .put(&name, &reference, &tags, Some(OCI_MANIFEST), image.manifest())
        .await
        .unwrap();
    for tag in ["a", "b", "v1"] {
        assert_eq!(
            registry.manifests.get(&name, &by_tag(tag)).await.unwrap().digest,
            image.digest()
        );
    }
}

#[tokio::test]
async fn a_manifest_may_be_pushed_by_its_sha512() {
    let (registry, name) = (registry(), repository("app"));
    let image = image();
    image.push(&registry, "app", "v1").await;
    let digest = sha512(&image.manifest());
    let pushed = put(&registry, &name, &digest.to_string(), image.manifest())
        .await
        .unwrap();
    assert_eq!(pushed.digest, digest);
    let reference = Reference::Digest(digest);
    registry
        .manifests
        .put(&name, &reference, &[tag("v512")], None, image.manifest())
        .await
        .unwrap();
    assert_eq!(
        registry
            .manifests
            .get(&name, &by_tag("v512"))
            .await
            .unwrap()
            .digest,
        digest
    );
}

#[tokio::test]
async fn a_manifest_under_another_digest_is_refused() {
    let (registry, name) = (registry(), repository("app"));
    let error = put(&registry, &name, &sha256(b"x").to_string(), image().manifest())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DigestInvalid { .. }), "{error}");
}

#[tokio::test]
async fn a_manifest_whose_blobs_are_missing_is_refused_and_says_which() {
    let (registry, name) = (registry(), repository("app"));
    let image = image().layer("here").layer("missing");
    push_blob(&registry, &name, Bytes::from_static(b"here")).await;
    // Being in the store does not make it this repository's.
    push_blob(&registry, &repository("other"), Bytes::from_static(b"missing")).await;
    let error = put(&registry, &name, "v1", image.manifest()).await.unwrap_err();
    let Error::ManifestBlobUnknown { missing, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*missing, [sha256(b"{}"), sha256(b"missing")]);
    assert!(matches!(
        registry.manifests.get(&name, &by_tag("v1")).await,
        Err(Error::ManifestUnknown { .. })
    ));
    assert_eq!(tags_of(&registry, &name).await, [""; 0]);
}

#[tokio::test]
async fn a_blob_of_another_size_than_the_manifest_says_is_told_with_both_sizes() {
    let (registry, name) = (registry(), repository("app"));
    let image = image().layer("layer");
    image.push(&registry, "app", "v1").await;
    let manifest = String::from_utf8(image.manifest().to_vec()).unwrap();
    let wrong = manifest.replace("\"size\":5", "\"size\":6");
    let error = put(&registry, &name, "v2", wrong.into()).await.unwrap_err();
    let Error::SizeMismatch {
        digest,
        announced,
        actual,
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((*digest, *announced, *actual), (sha256(b"layer"), 6, 5));
    // The stored bytes are right, so they stay.
    assert_eq!(registry.bytes_of(&name, &sha256(b"layer")).await, b"layer");
}

/// As BuildKit's registry cache does it.
#[tokio::test]
async fn an_index_may_refer_to_blobs() {
    let (registry, name) = (registry(), repository("app"));
    push_blob(&registry, &name, Bytes::from_static(b"cache")).await;
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": sha256(b"cache"),
            "size": 5,
        }],
    });
    put(&registry, &name, "cache", index.to_string().into())
        .await
        .unwrap();
}

#[tokio::test]
async fn foreign_layers_need_not_be_here() {
    let (registry, name) = (registry(), repository("app"));
    push_blob(&registry, &name, Bytes::from_static(b"{}")).await;
    let mut foreign = descriptor(
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        b"elsewhere",
    );
    let refused = async |layer: &serde_json::Value| {
        let image = image().with("layers", json!([layer]));
        let put = put(&registry, &name, "v1", image.manifest()).await;
        matches!(put, Err(Error::ManifestBlobUnknown { .. }))
    };
    assert!(refused(&foreign).await, "it would be nowhere");
    foreign["urls"] = json!(["https://example.com/layer"]);
    assert!(!refused(&foreign).await);
    foreign["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
    assert!(refused(&foreign).await, "an address alone is no excuse");
}

#[tokio::test]
async fn what_is_missing_may_be_allowed() {
    let registry = registry_with(Options {
        missing_references: MissingReferences::Allow,
        ..options()
    });
    let name = repository("app");
    put(&registry, &name, "v1", image().layer("missing").manifest())
        .await
        .unwrap();
    put(
        &registry,
        &name,
        "v2",
        index(&[image().layer("missing too").manifest()]),
    )
    .await
    .unwrap();
    assert!(registry.manifests.get(&name, &by_tag("v2")).await.is_ok());
    assert!(
        registry.path(&layout::layers(&name)).is_dir(),
        "visible to registry:2"
    );
}

#[tokio::test]
async fn an_index_needs_its_children_in_the_same_repository() {
    let (registry, name) = (registry(), repository("app"));
    let child = image().layer("layer");
    child.push_untagged(&registry, "other").await;
    let index = index(&[child.manifest()]);
    let error = put(&registry, &name, "v1", index.clone()).await.unwrap_err();
    assert!(matches!(error, Error::ManifestBlobUnknown { missing, .. } if missing == [child.digest()]));
    child.push_untagged(&registry, "app").await;
    put(&registry, &name, "v1", index.clone()).await.unwrap();
    assert_eq!(
        registry
            .manifests
            .get(&name, &by_tag("v1"))
            .await
            .unwrap()
            .media_type,
        OCI_INDEX
    );
}

#[tokio::test]
async fn oversized_invalid_and_schema_1_manifests_are_refused() {
    let registry = registry_with(Options {
        max_manifest_bytes: 1000,
        ..options()
    });
    let name = repository("app");
    let error = put(&registry, &name, "v1", vec![b' '; 1001].into())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 1000 }), "{error}");
    let error = put(&registry, &name, "v1", Bytes::from_static(b"{"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::ManifestInvalid(ManifestError::Json(_))),
        "{error}"
    );
    let error = put(
        &registry,
        &name,
        "v1",
        Bytes::from_static(b"{\"schemaVersion\":1}"),
    )
    .await
    .unwrap_err();
    assert!(
        matches!(error, Error::ManifestInvalid(ManifestError::Schema1)),
        "{error}"
    );
}

#[tokio::test]
async fn schema_1_that_is_there_is_served() {
    let (registry, name) = (registry(), repository("app"));
    let bytes = Bytes::from_static(b"{\"schemaVersion\":1,\"name\":\"app\",\"signatures\":[]}");
    let digest = sha256(&bytes);
    let storage = &*registry.storage;
    storage
        .write(&layout::blob_data(&digest), bytes.clone())
        .await
        .unwrap();
    link::write(storage, &layout::revision_link(&name, &digest), &digest)
        .await
        .unwrap();
    link::write(storage, &layout::tag_link(&name, &tag("old")), &digest)
        .await
        .unwrap();
    let manifest = registry.manifests.get(&name, &by_tag("old")).await.unwrap();
    assert_eq!(
        manifest.media_type,
        roadstead_oci::media_type::DOCKER_SCHEMA1_SIGNED
    );
    assert_eq!(manifest.bytes, bytes);
}

#[tokio::test]
async fn a_tag_moves_and_its_old_manifest_stays() {
    let (registry, name) = (registry(), repository("app"));
    let (old, new) = (image().layer("old"), image().layer("new"));
    old.push(&registry, "app", "v1").await;
    new.push(&registry, "app", "v1").await;
    assert_eq!(
        registry.manifests.get(&name, &by_tag("v1")).await.unwrap().digest,
        new.digest()
    );
    assert!(
        registry
            .manifests
            .get(&name, &Reference::Digest(old.digest()))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn deleting_a_manifest_deletes_every_tag_that_points_at_it() {
    let (registry, name) = (registry(), repository("app"));
    let (one, two) = (image().layer("one"), image().layer("two"));
    for tag in ["a", "b"] {
        one.push(&registry, "app", tag).await;
    }
    two.push(&registry, "app", "c").await;
    registry.manifests.delete(&name, &one.digest()).await.unwrap();
    for reference in [by_tag("a"), by_tag("b"), Reference::Digest(one.digest())] {
        let error = registry.manifests.get(&name, &reference).await.unwrap_err();
        assert!(matches!(error, Error::ManifestUnknown { .. }), "{error}");
    }
    assert_eq!(
        registry.tags.list(&name, None, None).await.unwrap().items,
        [tag("c")]
    );
    let error = registry.manifests.delete(&name, &one.digest()).await.unwrap_err();
    assert!(matches!(error, Error::ManifestUnknown { .. }), "{error}");
    let folders = fs::read_dir(registry.path(&layout::tags(&name))).unwrap().count();
    assert_eq!(
        folders, 1,
        "registry:2 lists a tag as long as its folder is there"
    );
}

#[tokio::test]
async fn deleting_a_tag_keeps_the_manifest() {
    let (registry, name) = (registry(), repository("app"));
    let image = image();
    image.push(&registry, "app", "v1").await;
    registry.tags.delete(&name, &tag("v1")).await.unwrap();
    assert!(matches!(
        registry.manifests.get(&name, &by_tag("v1")).await,
        Err(Error::ManifestUnknown { .. })
    ));
    assert!(matches!(
        registry.tags.delete(&name, &tag("v1")).await,
        Err(Error::ManifestUnknown { .. })
    ));
    assert!(
        registry
            .manifests
            .get(&name, &Reference::Digest(image.digest()))
            .await
            .is_ok()
    );
    assert_eq!(tags_of(&registry, &name).await, [""; 0]);
    image.push(&registry, "app", "v1").await;
    assert!(registry.manifests.get(&name, &by_tag("v1")).await.is_ok());
}

#[tokio::test]
async fn a_damaged_manifest_is_not_served_and_mended_by_the_next_push() {
    let (registry, name) = (registry(), repository("app"));
    let image = image();
    image.push(&registry, "app", "v1").await;
    for damage in ["", "{}"] {
        fs::write(registry.path(&layout::blob_data(&image.digest())), damage).unwrap();
        let another = registry.another();
        assert!(matches!(
            another.manifests.get(&name, &by_tag("v1")).await,
            Err(Error::ManifestUnknown { .. })
        ));
        put(&another, &name, "v1", image.manifest()).await.unwrap();
        assert!(
            registry
                .another()
                .manifests
                .get(&name, &by_tag("v1"))
                .await
                .is_ok()
        );
    }
}
