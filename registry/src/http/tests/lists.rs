//! Lists and their pages.

use serde_json::{Value, json};

use super::*;

/// Follows the links to the end.
async fn pages(registry: &Registry, first: &str, items: &str) -> Vec<Value> {
    let mut next = Some(first.to_owned());
    let mut pages = Vec::new();
    while let Some(path) = next {
        let reply = registry.get(&path).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        pages.push(reply.json()[items].clone());
        next = reply.next();
        assert!(pages.len() < 20, "the pages do not end");
    }
    pages
}

#[tokio::test]
async fn tags_come_sorted_and_in_pages() {
    let registry = registry().start();
    for tag in ["v2", "v10", "latest", "V1", "a_b"] {
        image().push(&registry, "app", tag).await;
    }
    let all = registry.get("/v2/app/tags/list").await;
    assert_eq!(
        all.json(),
        json!({"name": "app", "tags": ["V1", "a_b", "latest", "v10", "v2"]})
    );
    assert_eq!(all.next(), None);
    let pages = pages(&registry, "/v2/app/tags/list?n=2", "tags").await;
    assert_eq!(
        pages,
        [json!(["V1", "a_b"]), json!(["latest", "v10"]), json!(["v2"])]
    );
    let after = registry.get("/v2/app/tags/list?last=latest").await;
    assert_eq!(after.json()["tags"], json!(["v10", "v2"]));
    assert_eq!(
        registry.get("/v2/app/tags/list?n=0").await.json()["tags"],
        json!([])
    );
    assert_eq!(registry.get("/v2/nothing/tags/list").await.code(), "NAME_UNKNOWN");
}

/// Shells read line by line, and some scripts compare the type with what registry:2 sends.
#[tokio::test]
async fn json_has_registry_2s_type_and_a_line_end() {
    let registry = registry().start();
    image().push(&registry, "app", "v1").await;
    for path in ["/v2/_catalog", "/v2/app/tags/list", "/v2/other/tags/list"] {
        let reply = registry.get(path).await;
        assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
        assert!(reply.body.ends_with(b"}\n"), "{path}");
    }
    let base = registry.get("/v2/").await;
    assert_eq!(base.header("content-type"), "application/json; charset=utf-8");
}

#[tokio::test]
async fn the_catalog_lists_what_the_caller_may_pull() {
    let wanted = registry()
        .users(&["alice", "bob"])
        .rule("alice", "**", &["pull", "push"]);
    let registry = wanted.rule("bob", "open/*", &["pull"]).start();
    for repository in ["open/a", "closed/b", "open/c"] {
        let path = format!("/v2/{repository}/blobs/uploads/?digest={}", digest(b"x"));
        assert_eq!(
            registry
                .ask("POST", &path)
                .user("alice")
                .body(b"x")
                .send()
                .await
                .status,
            201
        );
    }
    let list = async |user: &str, query: &str| {
        registry
            .ask("GET", &format!("/v2/_catalog{query}"))
            .user(user)
            .send()
            .await
    };
    assert_eq!(
        list("alice", "").await.json(),
        json!({"repositories": ["closed/b", "open/a", "open/c"]})
    );
    assert_eq!(
        list("bob", "").await.json(),
        json!({"repositories": ["open/a", "open/c"]})
    );
    let page = list("bob", "?n=1").await;
    assert_eq!(page.json()["repositories"], json!(["open/a"]));
    let rest = registry
        .ask("GET", &page.next().unwrap())
        .user("bob")
        .send()
        .await;
    assert_eq!(rest.json()["repositories"], json!(["open/c"]));
}

#[tokio::test]
async fn referrers_are_listed_filtered_and_paged() {
    let registry = registry().start();
    let subject = image().layer(b"layer").push(&registry, "app", "v1").await;
    let empty = registry.get(&format!("/v2/app/referrers/{subject}")).await;
    assert_eq!(
        empty.json()["manifests"],
        json!([]),
        "no referrers is an empty index, not an error"
    );
    assert_eq!(
        empty.header("content-type"),
        "application/vnd.oci.image.index.v1+json"
    );
    for (tag, artifact_type) in [
        ("s1", "application/vnd.sig+json"),
        ("s2", "application/vnd.sig+json"),
        ("b", "x/sbom"),
    ] {
        let layer = tag.as_bytes();
        image()
            .layer(layer)
            .subject(subject)
            .artifact_type(artifact_type)
            .push(&registry, "app", tag)
            .await;
    }
    let all = registry.get(&format!("/v2/app/referrers/{subject}")).await;
    assert_eq!(all.json()["manifests"].as_array().unwrap().len(), 3);
    assert!(all.headers.get("oci-filters-applied").is_none());
    for filter in ["application/vnd.sig+json", "application/vnd.sig%2Bjson"] {
        let path = format!("/v2/app/referrers/{subject}?artifactType={filter}");
        let filtered = registry.get(&path).await;
        assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
        assert_eq!(
            filtered.json()["manifests"].as_array().unwrap().len(),
            2,
            "{filter}"
        );
        let pages = pages(&registry, &format!("{path}&n=1"), "manifests").await;
        let found: Vec<_> = pages.iter().flat_map(|page| page.as_array().unwrap()).collect();
        assert_eq!(found.len(), 2, "{pages:?}");
        assert_ne!(found[0]["digest"], found[1]["digest"]);
    }
    let unknown = registry
        .get(&format!("/v2/nothing/referrers/{}", digest(b"?")))
        .await;
    assert_eq!(
        (unknown.status.as_u16(), &unknown.json()["manifests"]),
        (200, &json!([]))
    );
}

#[tokio::test]
async fn a_page_of_the_catalog_is_never_longer_than_configured() {
    let mut wanted = registry();
    wanted.catalog_page = 2;
    let registry = wanted.start();
    for name in ["a", "b", "c"] {
        registry.push_blob(name, b"x").await;
    }
    for query in ["", "?n=3", "?n=1000000"] {
        let reply = registry.get(&format!("/v2/_catalog{query}")).await;
        assert_eq!(
            reply.json(),
            serde_json::json!({"repositories": ["a", "b"]}),
            "{query}"
        );
        assert_eq!(
            reply.next().as_deref(),
            Some("/v2/_catalog?last=b&n=2"),
            "{query}"
        );
    }
}
