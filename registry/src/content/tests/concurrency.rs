//! Many at once, on several processes: whoever got an answer got the truth.

use tokio::task::JoinSet;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_push_the_same_blob_at_once() {
    let registry = registry();
    let bytes = noise(400_000);
    let digest = sha256(&bytes);
    let mut tasks = JoinSet::new();
    for number in 0..12 {
        let (content, bytes) = (registry.another(), Bytes::from(bytes.clone()));
        tasks.spawn(async move {
            let name = repository(&format!("app{}", number % 3));
            if number % 2 == 0 {
                return content.uploads.push(&name, &digest, body(bytes)).await;
            }
            let id = content.uploads.start(&name, None).await?;
            content.uploads.append(&name, &id, None, body(bytes)).await?;
            content.uploads.finish(&name, &id, &digest, None, no_body()).await
        });
    }
    for result in tasks.join_all().await {
        result.unwrap();
    }
    for number in 0..3 {
        assert!(
            registry
                .bytes_of(&repository(&format!("app{number}")), &digest)
                .await
                == bytes
        );
    }
    assert_eq!(
        registry
            .files()
            .keys()
            .filter(|path| path.ends_with("/data"))
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_many_move_ends_at_one_of_their_manifests() {
    let registry = registry();
    let images: Vec<Image> = (0..8)
        .map(|number| image().layer(format!("layer {number}")))
        .collect();
    let mut tasks = JoinSet::new();
    for image in images.clone() {
        let content = registry.another();
        tasks.spawn(async move { image.push(&content, "app", "latest").await });
    }
    let pushed: Vec<Digest> = tasks
        .join_all()
        .await
        .into_iter()
        .map(|pushed| pushed.digest)
        .collect();
    let manifest = registry
        .manifests
        .get(&repository("app"), &by_tag("latest"))
        .await
        .unwrap();
    assert!(pushed.contains(&manifest.digest));
}

/// The push that moved the tag away from a manifest is not undone by deleting that manifest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_manifest_never_takes_back_a_tag_that_has_moved_on() {
    let registry = registry();
    let name = repository("app");
    let (old, new) = (image().layer("old"), image().layer("new"));
    new.push_untagged(&registry, "app").await;
    for round in 0..25 {
        old.push(&registry, "app", "latest").await;
        let (content, target) = (registry.another(), name.clone());
        let old_digest = old.digest();
        let deletion = tokio::spawn(async move { content.manifests.delete(&target, &old_digest).await });
        put(&registry, &name, "latest", new.manifest()).await.unwrap();
        let found = registry.manifests.get(&name, &by_tag("latest")).await.unwrap();
        assert_eq!(found.digest, new.digest(), "round {round}");
        deletion.await.unwrap().unwrap();
        let found = registry.manifests.get(&name, &by_tag("latest")).await.unwrap();
        assert_eq!(found.digest, new.digest(), "round {round}");
        assert_eq!(
            registry.tags.list(&name, None, None).await.unwrap().items,
            [tag("latest")]
        );
        registry.tags.delete(&name, &tag("latest")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushing_and_deleting_tags_at_once_leaves_each_tag_whole_or_gone() {
    let registry = registry();
    let name = repository("app");
    let image = image();
    image.push_untagged(&registry, "app").await;
    let mut tasks = JoinSet::new();
    for number in 0..8 {
        let (content, name, image) = (registry.another(), name.clone(), image.clone());
        tasks.spawn(async move {
            for round in 0..10 {
                let v = format!("v{}", (number + round) % 3);
                if number % 2 == 0 {
                    put(&content, &name, &v, image.manifest()).await.unwrap();
                } else if let Err(error) = content.tags.delete(&name, &tag(&v)).await {
                    assert!(matches!(error, Error::ManifestUnknown { .. }), "{error}");
                }
            }
        });
    }
    tasks.join_all().await;
    for tag in registry.tags.list(&name, None, None).await.unwrap().items {
        assert!(registry.manifests.get(&name, &Reference::Tag(tag)).await.is_ok());
    }
    for v in ["v0", "v1", "v2"] {
        put(&registry, &name, v, image.manifest()).await.unwrap();
        assert!(registry.manifests.get(&name, &by_tag(v)).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_finished_twice_at_once_is_one_blob() {
    let registry = registry();
    let name = repository("app");
    for _ in 0..10 {
        let id = registry.uploads.start(&name, None).await.unwrap();
        registry
            .uploads
            .append(&name, &id, None, body("content"))
            .await
            .unwrap();
        let digest = sha256(b"content");
        let mut tasks = JoinSet::new();
        for _ in 0..2 {
            let (content, name, id) = (registry.another(), name.clone(), id.clone());
            tasks.spawn(async move { content.uploads.finish(&name, &id, &digest, None, no_body()).await });
        }
        let results = tasks.join_all().await;
        assert!(results.iter().any(Result::is_ok), "{results:?}");
        for error in results.into_iter().filter_map(Result::err) {
            assert!(matches!(error, Error::BlobUploadUnknown { .. }), "{error}");
        }
        assert_eq!(registry.bytes_of(&name, &digest).await, b"content");
    }
}
