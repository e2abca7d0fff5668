//! Tags and repositories, page by page.

use super::*;
use crate::content::page::Page;

#[tokio::test]
async fn tags_come_in_lexical_order_page_by_page() {
    let (registry, name) = (registry(), repository("app"));
    for tag in ["v10", "v2", "V1", "latest", "v1"] {
        image().push(&registry, "app", tag).await;
    }
    let all = registry.tags.list(&name, None, None).await.unwrap();
    assert_eq!(texts(&all), ["V1", "latest", "v1", "v10", "v2"]);
    assert_eq!(all.next, None);
    let mut last = None;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let page = registry.tags.list(&name, Some(2), last.as_deref()).await.unwrap();
        seen.push(texts(&page));
        last = page.next;
    }
    assert_eq!(seen, [vec!["V1", "latest"], vec!["v1", "v10"], vec!["v2"]]);
    assert_eq!(last, None);
    assert!(
        registry
            .tags
            .list(&name, Some(0), None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(
        texts(&registry.tags.list(&name, None, Some("v1x")).await.unwrap()),
        ["v2"]
    );
}

#[tokio::test]
async fn a_page_of_tags_skips_dead_ones_and_is_still_full() {
    let (registry, name) = (registry(), repository("app"));
    let (dead, live) = (image().layer("dead"), image().layer("live"));
    for number in 0..300 {
        let storage = &*registry.storage;
        let dead_tag = tag(&format!("a{number:03}"));
        link::write(storage, &layout::tag_link(&name, &dead_tag), &dead.digest())
            .await
            .unwrap();
    }
    for tag in ["x", "y", "z"] {
        live.push(&registry, "app", tag).await;
    }
    let page = registry.tags.list(&name, Some(2), None).await.unwrap();
    assert_eq!(texts(&page), ["x", "y"]);
    assert_eq!(page.next.as_deref(), Some("y"));
}

#[tokio::test]
async fn tags_of_a_repository_that_is_not_there_are_an_error() {
    let registry = registry();
    let error = registry
        .tags
        .list(&repository("nobody"), None, None)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NameUnknown(_)), "{error}");
    push_blob(&registry, &repository("app/below"), Bytes::from_static(b"x")).await;
    assert!(matches!(
        registry.tags.list(&repository("app"), None, None).await,
        Err(Error::NameUnknown(_))
    ));
    assert!(
        registry
            .tags
            .list(&repository("app/below"), None, None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

const NAMES: [&str; 8] = ["a", "a-b", "a.b/c", "a/b", "a/b/c", "a0", "ab", "b/c/d/e"];

async fn catalog() -> Registry {
    let registry = registry();
    for name in NAMES {
        push_blob(&registry, &repository(name), Bytes::from_static(b"x")).await;
    }
    // An upload alone makes no repository.
    registry
        .uploads
        .start(&repository("a/upload"), None)
        .await
        .unwrap();
    registry
}

#[tokio::test]
async fn repositories_come_in_lexical_order_from_wherever_one_begins() {
    let registry = catalog().await;
    let all = registry.repositories.list(None, None, |_| true).await.unwrap();
    assert_eq!(texts(&all), NAMES);
    for (position, last) in NAMES.iter().enumerate() {
        let rest = registry
            .repositories
            .list(None, Some(last), |_| true)
            .await
            .unwrap();
        assert_eq!(texts(&rest), NAMES[position + 1..], "after {last}");
    }
    for (last, rest) in [
        ("a/", 3),
        ("a/b/b", 4),
        ("a/zzz", 5),
        ("zzz", 8),
        ("A", 0),
        ("a.", 2),
    ] {
        let page = registry
            .repositories
            .list(None, Some(last), |_| true)
            .await
            .unwrap();
        assert_eq!(texts(&page), NAMES[rest..], "after {last}");
    }
}

#[tokio::test]
async fn a_page_of_repositories_is_filled_with_visible_ones() {
    let registry = catalog().await;
    let visible = |name: &RepositoryName| name.as_str().starts_with("a/") || name.as_str() == "b/c/d/e";
    let page = registry.repositories.list(Some(2), None, visible).await.unwrap();
    assert_eq!(
        (texts(&page), page.next.as_deref()),
        (vec!["a/b".to_owned(), "a/b/c".to_owned()], Some("a/b/c"))
    );
    let page = registry
        .repositories
        .list(Some(2), Some("a/b/c"), visible)
        .await
        .unwrap();
    assert_eq!((texts(&page), page.next), (vec!["b/c/d/e".to_owned()], None));
}

fn texts<T: ToString>(page: &Page<T>) -> Vec<String> {
    page.items.iter().map(T::to_string).collect()
}
