//! Pulls: what was pushed comes back, whole or in part, or not at all when it is known.

use super::*;

#[tokio::test]
async fn an_image_comes_back_byte_for_byte() {
    let registry = registry().start();
    let image = image().layer(b"first layer").layer(b"");
    let pushed = image.push(&registry, "team/app", "v1").await;
    for reference in ["v1".to_owned(), pushed.to_string()] {
        let reply = registry.get(&format!("/v2/team/app/manifests/{reference}")).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, image.manifest());
        assert_eq!(reply.header("content-type"), image::MANIFEST);
        assert_eq!(reply.header("docker-content-digest"), pushed.to_string());
    }
    for layer in [&b"first layer"[..], b""] {
        let reply = registry
            .get(&format!("/v2/team/app/blobs/{}", digest(layer)))
            .await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, layer);
        assert_eq!(reply.header("docker-content-digest"), digest(layer).to_string());
        assert_eq!(reply.header("content-type"), "application/octet-stream");
    }
}

#[tokio::test]
async fn head_says_what_get_would_and_sends_nothing() {
    let registry = registry().start();
    let pushed = image().layer(b"layer").push(&registry, "app", "v1").await;
    for path in [
        "/".to_owned(),
        "/v2/".to_owned(),
        "/v2/_catalog".to_owned(),
        "/v2/app/tags/list".to_owned(),
        "/v2/app/manifests/v1".to_owned(),
        format!("/v2/app/manifests/{pushed}"),
        format!("/v2/app/blobs/{}", digest(b"layer")),
        format!("/v2/app/referrers/{pushed}"),
        "/v2/app/manifests/missing".to_owned(),
        format!("/v2/app/blobs/{}", digest(b"missing")),
    ] {
        let (get, head) = (registry.get(&path).await, registry.head(&path).await);
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(
            head.header("content-length"),
            get.body.len().to_string(),
            "{path}"
        );
        assert_eq!(
            head.headers.get("content-type"),
            get.headers.get("content-type"),
            "{path}"
        );
        assert_eq!(head.headers.get("etag"), get.headers.get("etag"), "{path}");
    }
}

#[tokio::test]
async fn a_part_of_a_blob_is_served_as_a_part() {
    let registry = registry().start();
    let blob = registry.push_blob("app", b"0123456789").await;
    let path = format!("/v2/app/blobs/{blob}");
    for (range, status, body, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=0-99", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=1-2,4-5", 200, "0123456789", ""),
    ] {
        let reply = registry.ask("GET", &path).header("range", range).send().await;
        assert_eq!(reply.status, status, "{range}");
        assert_eq!(reply.body, body, "{range}");
        assert_eq!(reply.header("content-length"), body.len().to_string(), "{range}");
        assert_eq!(
            reply
                .headers
                .get("content-range")
                .map_or("", |value| value.to_str().unwrap()),
            content_range
        );
    }
    for range in ["bytes=10-", "bytes=4-2"] {
        let reply = registry.ask("GET", &path).header("range", range).send().await;
        assert_eq!(reply.status, 416, "{range}");
        assert_eq!(reply.header("content-range"), "bytes */10", "{range}");
    }
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let registry = registry().start();
    let manifest = image().layer(b"layer").push(&registry, "app", "v1").await;
    for (path, known) in [
        ("/v2/app/manifests/v1".to_owned(), manifest),
        (format!("/v2/app/manifests/{manifest}"), manifest),
        (format!("/v2/app/blobs/{}", digest(b"layer")), digest(b"layer")),
    ] {
        for method in ["GET", "HEAD"] {
            let etag = format!("\"{known}\"");
            let reply = registry
                .ask(method, &path)
                .header("if-none-match", &etag)
                .send()
                .await;
            assert_eq!(reply.status, 304, "{method} {path}");
            assert_eq!(reply.header("etag"), etag);
            assert!(reply.headers.get("content-length").is_none(), "{reply:?}");
            let other = registry
                .ask(method, &path)
                .header("if-none-match", "\"sha256:00\"")
                .send()
                .await;
            assert_eq!(other.status, 200);
        }
    }
}

#[tokio::test]
async fn only_what_is_named_by_its_digest_may_be_kept() {
    let registry = registry().start();
    let manifest = image().push(&registry, "app", "v1").await;
    let by_tag = registry.get("/v2/app/manifests/v1").await;
    assert!(by_tag.headers.get("cache-control").is_none());
    let by_digest = registry.get(&format!("/v2/app/manifests/{manifest}")).await;
    assert!(by_digest.header("cache-control").starts_with("max-age="));
}

#[tokio::test]
async fn the_root_and_the_base_are_as_in_registry_2() {
    let registry = registry().users(&["alice"]).start();
    let root = registry.get("/").await;
    assert_eq!((root.status.as_u16(), &root.body[..]), (200, &b""[..]));
    assert_eq!(root.header("cache-control"), "no-cache");
    assert_eq!(registry.get("/v2/").await.status, 401);
    let base = registry.ask("GET", "/v2/").user("alice").send().await;
    assert_eq!((base.status.as_u16(), &base.body[..]), (200, &b"{}"[..]));
}

#[tokio::test]
async fn every_answer_names_the_api_and_the_request_and_has_the_configured_headers() {
    let registry = registry().start();
    for path in ["/v2/", "//", "/nowhere", "/v2/app/manifests/missing"] {
        let reply = registry
            .ask("GET", path)
            .header("x-request-id", "abc-1")
            .send()
            .await;
        assert_eq!(reply.header("docker-distribution-api-version"), "registry/2.0");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(
            reply.header("x-request-id"),
            "abc-1",
            "a proxy's name for the request is kept"
        );
    }
    let odd = registry
        .ask("GET", "/v2/")
        .header("x-request-id", "a b\tc")
        .send()
        .await;
    assert_ne!(
        odd.header("x-request-id"),
        "a b\tc",
        "what is no plain word is not repeated"
    );
}

/// Load balancers look there, and people.
#[tokio::test]
async fn the_root_is_answered_as_registry_2_answers_it() {
    let registry = registry().users(&["alice"]).start();
    for method in ["GET", "POST", "PROPFIND"] {
        let reply = registry.ask(method, "/").send().await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 0), "{method}");
        let headers: Vec<_> = reply.headers.iter().collect();
        assert_eq!(headers.len(), 1, "{headers:?}");
        assert_eq!(reply.header("cache-control"), "no-cache");
    }
}

#[tokio::test]
async fn requests_and_bytes_are_counted() {
    let registry = registry().start();
    let blob = registry.push_blob("app", b"0123456789").await;
    registry.get(&format!("/v2/app/blobs/{blob}")).await;
    registry.ask("BREW", "/v2/").send().await;
    let text = registry.metrics.encode();
    for line in [
        "roadstead_registry_http_requests_total{route=\"blob\",method=\"GET\",status=\"200\"} 1",
        "roadstead_registry_http_requests_total{route=\"none\",method=\"other\",status=\"405\"} 1",
        "roadstead_registry_received_bytes_total 10",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_page_that_knows_images_alone_gets_the_usual_one_of_a_list() {
    let list = "application/vnd.docker.distribution.manifest.list.v2+json";
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let registry = registry().start();
    let image = image().layer(b"layer");
    image.push(&registry, "app", "amd64").await;
    let bytes = image.manifest();
    let child = digest(&bytes);
    let entry = |architecture: &str| {
        serde_json::json!({"mediaType": image::MANIFEST, "size": bytes.len(), "digest": child,
            "platform": {"os": "linux", "architecture": architecture}})
    };
    for (tag, architecture, expected) in [
        ("both", "amd64", child.to_string()),
        ("arm", "arm64", String::new()),
    ] {
        let body =
            serde_json::json!({"schemaVersion": 2, "mediaType": list, "manifests": [entry(architecture)]});
        let body = body.to_string();
        let path = format!("/v2/app/manifests/{tag}");
        let pushed = registry
            .ask("PUT", &path)
            .header("content-type", list)
            .body(body.as_bytes())
            .send()
            .await;
        assert_eq!(pushed.status, 201, "{pushed:?}");
        let whole = digest(body.as_bytes()).to_string();
        let expected = if expected.is_empty() { &whole } else { &expected };
        for method in ["GET", "HEAD"] {
            let asked = registry.ask(method, &path).header("accept", docker).send().await;
            assert_eq!(asked.header("docker-content-digest"), expected, "{tag}");
            let other = registry
                .ask(method, &path)
                .header("accept", &format!("{docker}, {list}"))
                .send()
                .await;
            assert_eq!(other.header("docker-content-digest"), whole);
            let named = registry
                .ask(method, &format!("/v2/app/manifests/{whole}"))
                .header("accept", docker);
            assert_eq!(
                named.send().await.header("docker-content-digest"),
                whole,
                "a digest is a digest"
            );
        }
    }
}

/// Once everything is in memory, nothing else makes the answer wait.
#[tokio::test]
async fn a_large_list_is_not_looked_through_on_the_threads_of_all_connections() {
    let registry = registry().allow_missing().start();
    let entry = |number: usize| {
        let digest = digest(&number.to_be_bytes());
        serde_json::json!({"mediaType": image::MANIFEST, "size": 1, "digest": digest,
            "platform": {"os": "linux", "architecture": "arm64"}})
    };
    let list = "application/vnd.docker.distribution.manifest.list.v2+json";
    let entries: Vec<_> = (0..2000).map(entry).collect();
    let body = serde_json::json!({"schemaVersion": 2, "mediaType": list, "manifests": entries}).to_string();
    let pushed = registry.ask("PUT", "/v2/app/manifests/large");
    let pushed = pushed
        .header("content-type", list)
        .body(body.as_bytes())
        .send()
        .await;
    assert_eq!(pushed.status, 201, "{pushed:?}");
    let old = "application/vnd.docker.distribution.manifest.v2+json";
    let asked = || {
        registry
            .ask("GET", "/v2/app/manifests/large")
            .header("accept", old)
    };
    assert_eq!(asked().send().await.body, body);
    let mut again = std::pin::pin!(asked().send());
    assert!(
        futures::poll!(&mut again).is_pending(),
        "it was looked through at once"
    );
    assert_eq!(again.await.body, body);
}

#[tokio::test]
async fn requests_are_counted_under_registry_2s_names_too() {
    let registry = registry().users(&["alice"]).start();
    registry.get("/v2/").await;
    registry.ask("GET", "/v2/").user("alice").send().await;
    registry.ask("OPTIONS", "/v2/app/tags/list").send().await;
    registry.get("/").await;
    let text = registry.metrics.encode_plain();
    for line in [
        "# TYPE registry_http_requests_total counter",
        "registry_http_requests_total{code=\"200\",handler=\"base\",method=\"get\"} 1",
        "registry_http_requests_total{code=\"401\",handler=\"base\",method=\"get\"} 1",
        "registry_http_requests_total{code=\"200\",handler=\"tags\",method=\"options\"} 1",
        "registry_http_in_flight_requests{handler=\"base\"} 0",
        "registry_http_request_duration_seconds_bucket{le=\"0.005\",handler=\"base\",method=\"get\"}",
        "registry_http_request_size_bytes_count{handler=\"base\"} 2",
        "registry_http_response_size_bytes_bucket{le=\"1024\",handler=\"base\"} 2",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("handler=\"root\""), "registry:2 does not count it");
}
