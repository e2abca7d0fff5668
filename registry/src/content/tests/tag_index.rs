//! Deleting a manifest finds its tags without reading all of them.

use std::fs;

use tokio::task::JoinSet;

use super::*;

fn index_of(registry: &Registry) -> Vec<String> {
    let files = registry.files();
    let entries = files
        .keys()
        .filter(|path| path.starts_with("roadstead/tags/") && !path.ends_with('/'));
    entries.cloned().collect()
}

fn entry(digest: &Digest, tag: &str) -> String {
    format!("roadstead/tags/app/_digests/sha256/{}/{tag}", digest.hex())
}

#[tokio::test]
async fn the_index_names_each_tag_of_a_manifest_until_it_goes() {
    let registry = registry();
    let name = repository("app");
    let (one, two) = (image().layer("one"), image().layer("two"));
    one.push(&registry, "app", "v1").await;
    one.push(&registry, "app", "v2").await;
    two.push(&registry, "app", "latest").await;
    let mut expected = vec![
        entry(&one.digest(), "v1"),
        entry(&one.digest(), "v2"),
        entry(&two.digest(), "latest"),
    ];
    expected.sort();
    assert_eq!(index_of(&registry), expected);
    registry.tags.delete(&name, &tag("v1")).await.unwrap();
    registry.manifests.delete(&name, &two.digest()).await.unwrap();
    assert_eq!(index_of(&registry), [entry(&one.digest(), "v2")]);
    assert_eq!(
        registry.tags.list(&name, None, None).await.unwrap().items,
        [tag("v2")]
    );
}

#[tokio::test]
async fn an_entry_of_a_tag_that_has_moved_on_deletes_nothing() {
    let registry = registry();
    let name = repository("app");
    let (old, new) = (image().layer("old"), image().layer("new"));
    old.push(&registry, "app", "latest").await;
    new.push(&registry, "app", "latest").await;
    registry.manifests.delete(&name, &old.digest()).await.unwrap();
    let found = registry.manifests.get(&name, &by_tag("latest")).await.unwrap();
    assert_eq!(found.digest, new.digest());
    assert_eq!(index_of(&registry), [entry(&new.digest(), "latest")]);
}

/// What registry:2 wrote, or a power cut took from the index.
#[tokio::test]
async fn tags_that_nobody_indexed_are_found_by_the_next_process() {
    let registry = registry();
    let name = repository("app");
    let image = image();
    for tag in ["v1", "v2", "v3"] {
        image.push(&registry, "app", tag).await;
    }
    fs::remove_dir_all(registry.folder.path().join("roadstead/tags")).unwrap();
    registry
        .another()
        .manifests
        .delete(&name, &image.digest())
        .await
        .unwrap();
    for v in ["v1", "v2", "v3"] {
        assert!(!registry.path(&layout::tag_link(&name, &tag(v))).exists(), "{v}");
    }
}

/// The tags are deleted and pushed again and again, by several processes, until the manifest goes: no tag may be left
/// that would come back with the next push of these bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tag_is_lost_from_the_index_while_many_come_and_go() {
    let registry = registry();
    let name = repository("app");
    let image = image();
    image.push_untagged(&registry, "app").await;
    // From here on this process trusts the index.
    registry
        .tags
        .index
        .candidates(&name, &image.digest())
        .await
        .unwrap();
    for round in 0..10 {
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let (content, name, image) = (registry.another(), name.clone(), image.clone());
            tasks.spawn(async move {
                for step in 0..6 {
                    let v = format!("v{}", (number + step) % 3);
                    if number % 2 == 0 {
                        put(&content, &name, &v, image.manifest()).await.unwrap();
                    } else if let Err(error) = content.tags.delete(&name, &tag(&v)).await {
                        assert!(matches!(error, Error::ManifestUnknown { .. }), "{error}");
                    }
                }
            });
        }
        tasks.join_all().await;
        let left = registry.tags.list(&name, None, None).await.unwrap().items;
        registry.manifests.delete(&name, &image.digest()).await.unwrap();
        for tag in left {
            assert!(
                !registry.path(&layout::tag_link(&name, &tag)).exists(),
                "{tag}, round {round}"
            );
        }
        image.push_untagged(&registry, "app").await;
    }
}

/// The two halves of a race, one after the other: the entry goes while a push brings the tag back.
#[tokio::test]
async fn whoever_comes_last_in_a_race_puts_the_entry_back() {
    let registry = registry();
    let (name, v1) = (repository("app"), tag("v1"));
    let digest = image().push(&registry, "app", "v1").await.digest;
    let expected = [entry(&digest, "v1")];
    // The deletion comes last: it sees that the tag points there again.
    registry.tags.index.remove(&name, &v1, &digest).await.unwrap();
    assert_eq!(index_of(&registry), expected);
    // The push comes last: it sees that its entry is gone.
    fs::remove_dir_all(registry.folder.path().join("roadstead/tags")).unwrap();
    registry.tags.point(&name, &v1, &digest).await.unwrap();
    assert_eq!(index_of(&registry), expected);
}
