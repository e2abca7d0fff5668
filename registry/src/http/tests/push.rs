//! Pushes, in every way that the specification knows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use super::*;

const BYTES: &[u8] = b"some bytes of a layer";

async fn is_there(registry: &Registry, repository: &str, bytes: &[u8]) -> bool {
    let reply = registry
        .get(&format!("/v2/{repository}/blobs/{}", digest(bytes)))
        .await;
    reply.status == 200 && reply.body == bytes
}

#[tokio::test]
async fn a_blob_in_one_request() {
    let registry = registry().start();
    let path = format!("/v2/app/blobs/uploads/?digest={}", digest(BYTES));
    let reply = registry.ask("POST", &path).body(BYTES).send().await;
    assert_eq!(reply.status, 201);
    assert_eq!(
        reply.header("location"),
        format!("/v2/app/blobs/{}", digest(BYTES))
    );
    assert_eq!(reply.header("docker-content-digest"), digest(BYTES).to_string());
    assert!(is_there(&registry, "app", BYTES).await);
}

#[tokio::test]
async fn a_blob_in_two_requests() {
    let registry = registry().start();
    let upload = registry.upload("app").await;
    let reply = registry
        .ask("PUT", &format!("{upload}?digest={}", digest(BYTES)))
        .body(BYTES)
        .send()
        .await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert!(is_there(&registry, "app", BYTES).await);
    assert_eq!(
        registry.get(&upload).await.code(),
        "BLOB_UPLOAD_UNKNOWN",
        "the upload is over"
    );
}

#[tokio::test]
async fn a_blob_in_chunks_with_the_last_one_in_the_end() {
    let registry = registry().start();
    let upload = registry.upload("app").await;
    let started = registry.get(&upload).await;
    assert_eq!((started.status.as_u16(), started.header("range")), (204, "0-0"));
    for (range, part) in [("0-4", 0..5), ("5-9", 5..10)] {
        let reply = registry
            .ask("PATCH", &upload)
            .header("content-range", range)
            .body(&BYTES[part.clone()])
            .send()
            .await;
        assert_eq!(reply.status, 202, "{reply:?}");
        assert_eq!(reply.header("range"), format!("0-{}", part.end - 1));
        assert_eq!(reply.header("location"), upload);
    }
    let end = registry.ask("PUT", &format!("{upload}?digest={}", digest(BYTES)));
    let end = end
        .header("content-range", &format!("10-{}", BYTES.len() - 1))
        .body(&BYTES[10..])
        .send()
        .await;
    assert_eq!(end.status, 201, "{end:?}");
    assert!(is_there(&registry, "app", BYTES).await);
}

#[tokio::test]
async fn a_chunk_in_the_wrong_place_is_told_where_to_go() {
    let registry = registry().start();
    let upload = registry.upload("app").await;
    registry.ask("PATCH", &upload).body(&BYTES[..5]).send().await;
    for range in ["0-4", "7-11"] {
        let reply = registry
            .ask("PATCH", &upload)
            .header("content-range", range)
            .body(&BYTES[..5])
            .send()
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (416, "RANGE_INVALID"),
            "{range}"
        );
        assert_eq!(reply.header("range"), "0-4", "{range}");
        assert_eq!(reply.header("location"), upload, "{range}");
    }
    assert_eq!(
        registry.get(&upload).await.header("range"),
        "0-4",
        "nothing was added"
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing_to_see_and_can_be_continued() {
    let registry = registry().start();
    let upload = registry.upload("app").await;
    let reply = registry
        .ask("PATCH", &upload)
        .broken_body(&BYTES[..8])
        .send()
        .await;
    assert_eq!(reply.status, 400, "{reply:?}");
    let range = registry.get(&upload).await.header("range").to_owned();
    let (_, last) = range.split_once('-').unwrap();
    let at = if last == "0" {
        0
    } else {
        last.parse::<usize>().unwrap() + 1
    };
    let end = registry
        .ask("PUT", &format!("{upload}?digest={}", digest(BYTES)))
        .body(&BYTES[at..])
        .send()
        .await;
    assert_eq!(end.status, 201, "{end:?}");
    assert!(is_there(&registry, "app", BYTES).await);

    let whole = format!("/v2/app/blobs/uploads/?digest={}", digest(b"whole"));
    assert_eq!(
        registry
            .ask("POST", &whole)
            .broken_body(b"who")
            .send()
            .await
            .status,
        400
    );
    assert!(!is_there(&registry, "app", b"who").await);
}

#[tokio::test]
async fn a_wrong_digest_makes_nothing_visible() {
    let registry = registry().start();
    let upload = registry.upload("app").await;
    let wrong = digest(b"something else");
    let reply = registry
        .ask("PUT", &format!("{upload}?digest={wrong}"))
        .body(BYTES)
        .send()
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (400, "DIGEST_INVALID")
    );
    assert!(!is_there(&registry, "app", BYTES).await);
    let path = format!("/v2/app/blobs/uploads/?digest={wrong}");
    assert_eq!(
        registry.ask("POST", &path).body(BYTES).send().await.code(),
        "DIGEST_INVALID"
    );
}

#[tokio::test]
async fn an_upload_can_be_given_up() {
    let registry = registry().start();
    let upload = registry.upload("app").await;
    assert_eq!(registry.delete(&upload).await.status, 204);
    assert_eq!(registry.delete(&upload).await.code(), "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(
        registry.ask("PATCH", &upload).body(BYTES).send().await.code(),
        "BLOB_UPLOAD_UNKNOWN"
    );
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository() {
    let registry = registry().start();
    let upload = registry.upload("app").await.replace("/app/", "/other/");
    assert_eq!(
        registry.ask("PATCH", &upload).body(BYTES).send().await.code(),
        "BLOB_UPLOAD_UNKNOWN"
    );
}

#[tokio::test]
async fn a_blob_is_mounted_from_where_it_is() {
    let registry = registry().start();
    let blob = registry.push_blob("from", BYTES).await;
    let mounted = registry
        .ask("POST", &format!("/v2/to/blobs/uploads/?mount={blob}&from=from"))
        .send()
        .await;
    assert_eq!(mounted.status, 201, "{mounted:?}");
    assert_eq!(mounted.header("location"), format!("/v2/to/blobs/{blob}"));
    assert!(is_there(&registry, "to", BYTES).await);
    let anywhere = registry
        .ask("POST", &format!("/v2/third/blobs/uploads/?mount={blob}"))
        .send()
        .await;
    assert_eq!(anywhere.status, 201, "{anywhere:?}");
    assert!(is_there(&registry, "third", BYTES).await);
}

#[tokio::test]
async fn what_cannot_be_mounted_is_uploaded() {
    for from in ["&from=nowhere", ""] {
        let registry = registry().start();
        let path = format!("/v2/to/blobs/uploads/?mount={}{from}", digest(BYTES));
        let reply = registry.ask("POST", &path).send().await;
        assert_eq!(reply.status, 202, "{reply:?}");
        let end = format!("{}?digest={}", reply.header("location"), digest(BYTES));
        assert_eq!(registry.ask("PUT", &end).body(BYTES).send().await.status, 201);
    }
}

#[tokio::test]
async fn one_manifest_gets_many_tags() {
    let registry = registry().start();
    registry.push_blob("app", b"{}").await;
    let manifest = image().manifest();
    let path = format!("/v2/app/manifests/{}?tag=a&tag=b", digest(&manifest));
    let reply = registry
        .ask("PUT", &path)
        .header("content-type", image::MANIFEST)
        .body(&manifest)
        .send()
        .await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(
        reply.header("location"),
        format!("/v2/app/manifests/{}", digest(&manifest))
    );
    assert_eq!(
        reply.headers.get_all("oci-tag").iter().collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(
        registry.get("/v2/app/tags/list").await.json()["tags"],
        serde_json::json!(["a", "b"])
    );
}

#[tokio::test]
async fn a_subject_is_acknowledged_also_when_it_is_not_there_yet() {
    let registry = registry().start();
    registry.push_blob("app", b"{}").await;
    let manifest = image().subject(digest(b"later")).manifest();
    let path = format!("/v2/app/manifests/{}", digest(&manifest));
    let reply = registry
        .ask("PUT", &path)
        .header("content-type", image::MANIFEST)
        .body(&manifest)
        .send()
        .await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.header("oci-subject"), digest(b"later").to_string());
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let registry = registry().start();
    let manifest = image().layer(BYTES).push(&registry, "app", "v1").await;
    image().layer(BYTES).push(&registry, "app", "v2").await;
    assert_eq!(registry.delete("/v2/app/manifests/v1").await.status, 202);
    assert_eq!(registry.head("/v2/app/manifests/v1").await.status, 404);
    assert_eq!(
        registry.head("/v2/app/manifests/v2").await.status,
        200,
        "only the tag went"
    );
    assert_eq!(
        registry
            .delete(&format!("/v2/app/manifests/{manifest}"))
            .await
            .status,
        202
    );
    assert_eq!(
        registry.get("/v2/app/manifests/v2").await.code(),
        "MANIFEST_UNKNOWN"
    );
    let blob = format!("/v2/app/blobs/{}", digest(BYTES));
    assert_eq!(registry.delete(&blob).await.status, 202);
    assert_eq!(registry.delete(&blob).await.code(), "BLOB_UNKNOWN");
}

#[tokio::test]
async fn missing_blobs_are_named_or_allowed() {
    let strict = registry().start();
    let manifest = image().layer(BYTES).manifest();
    let put = |registry| async move {
        let asking: Asking<'_> = Registry::ask(registry, "PUT", "/v2/app/manifests/v1");
        asking
            .header("content-type", image::MANIFEST)
            .body(&image().layer(BYTES).manifest())
            .send()
            .await
    };
    let reply = put(&strict).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (400, "MANIFEST_BLOB_UNKNOWN")
    );
    assert_eq!(
        reply.json()["errors"].as_array().unwrap().len(),
        2,
        "the config and the layer: {reply:?}"
    );
    let lax = registry().allow_missing().start();
    assert_eq!(put(&lax).await.status, 201);
    assert_eq!(lax.get("/v2/app/manifests/v1").await.body, manifest);
}

#[tokio::test]
async fn addresses_are_absolute_when_an_origin_is_configured() {
    let registry = registry()
        .at(Locations::Below("https://r.example.com".to_owned()), "/registry/")
        .start();
    let reply = registry
        .ask("POST", "/registry/v2/app/blobs/uploads/")
        .send()
        .await;
    let location = reply.header("location");
    assert!(
        location.starts_with("https://r.example.com/registry/v2/app/blobs/uploads/"),
        "{location}"
    );
}

#[tokio::test]
async fn a_change_is_carried_through_though_the_client_hangs_up() {
    let registry = registry().start();
    let path = format!("/v2/app/blobs/uploads/?digest={}", digest(BYTES));
    let mut sending = Box::pin(registry.ask("POST", &path).body(BYTES).send());
    assert!(futures::poll!(&mut sending).is_pending());
    drop(sending);
    registry.app.carried_through().await;
    assert!(is_there(&registry, "app", BYTES).await);
}

#[tokio::test]
async fn a_stranger_who_hangs_up_leaves_nothing_behind() {
    let registry = registry().users(&["alice"]).start();
    let mut sending = Box::pin(
        registry
            .ask("POST", "/v2/app/blobs/uploads/")
            .credentials("alice", "guess")
            .send(),
    );
    assert!(
        futures::poll!(&mut sending).is_pending(),
        "the password is looked at"
    );
    drop(sending);
    assert!(futures::poll!(Box::pin(registry.app.carried_through())).is_ready());
}

#[tokio::test]
async fn manifests_are_received_into_a_bounded_memory() {
    let registry = registry().start();
    let begun = Arc::new(AtomicUsize::new(0));
    let pushes = (0..20).map(|_| {
        let (begun, mut is_first) = (Arc::clone(&begun), true);
        let mut push = registry
            .ask("PUT", "/v2/app/manifests/v1")
            .header("content-length", "4194304");
        // A client that says how much will come, and keeps it to itself.
        push.body = RequestBody::new(StreamBody::new(stream::poll_fn(move |_| {
            begun.fetch_add(usize::from(std::mem::take(&mut is_first)), Ordering::Relaxed);
            Poll::<Option<Result<Frame<Bytes>, std::io::Error>>>::Pending
        })));
        push.send()
    });
    let pushes = futures::future::join_all(pushes);
    tokio::time::timeout(Duration::from_millis(200), pushes)
        .await
        .unwrap_err();
    assert_eq!(begun.load(Ordering::Relaxed), 5, "of 24 MiB together");
    let small = registry
        .ask("PUT", "/v2/app/manifests/v2")
        .header("content-length", "2")
        .body(b"{}");
    assert_eq!(small.send().await.status, 400, "it does not wait for them");
}
