//! Everything bad, and what people read then.

use std::fmt::Write as _;

use super::*;

const ID: &str = "0b0e8b8e-6d2c-4d0e-9f5a-2f4a1c9e7d31";
const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// An answer as people see it. Ids differ from run to run.
fn show(title: &str, reply: &Reply) -> String {
    let mut text = format!("{title}\n  {}", reply.status.as_u16());
    for name in [
        "allow",
        "www-authenticate",
        "retry-after",
        "content-range",
        "range",
    ] {
        if let Some(value) = reply.headers.get(name) {
            let _ = write!(text, " {name}: {}", value.to_str().unwrap());
        }
    }
    for error in reply.json()["errors"].as_array().unwrap() {
        let _ = write!(
            text,
            "\n  {} {}",
            error["code"].as_str().unwrap(),
            error["message"].as_str().unwrap()
        );
        if let Some(detail) = error.get("detail") {
            let _ = write!(text, "\n  {detail}");
        }
    }
    text.push_str("\n\n");
    text
}

#[tokio::test]
async fn bad_addresses() {
    let registry = registry().start();
    let uploads = "/v2/app/blobs/uploads";
    let mut text = String::new();
    for (method, path) in [
        ("GET", "/nowhere".to_owned()),
        ("GET", "/v2/app".to_owned()),
        ("GET", "/v2/App/manifests/v1".to_owned()),
        ("GET", "/v2/app/../../etc/passwd/manifests/v1".to_owned()),
        ("GET", "/v2/app%2f..%2fother/manifests/v1".to_owned()),
        ("GET", "/v2/app%00/tags/list".to_owned()),
        ("GET", "/v2/app//x/tags/list".to_owned()),
        ("GET", format!("/v2/{}/tags/list", "a".repeat(256))),
        ("GET", format!("/v2/{}/tags/list", "a/".repeat(5000))),
        ("GET", "/v2/app/manifests/.bad".to_owned()),
        ("GET", format!("/v2/app/manifests/{}", "t".repeat(129))),
        ("GET", "/v2/app/manifests/sha256:short".to_owned()),
        (
            "GET",
            "/v2/app/manifests/md5:d41d8cd98f00b204e9800998ecf8427e".to_owned(),
        ),
        ("GET", format!("/v2/app/blobs/{}", DIGEST.to_uppercase())),
        ("GET", "/v2/app/blobs/latest".to_owned()),
        ("GET", "/v2/app/referrers/latest".to_owned()),
        ("GET", "/v2/app/tags/list?n=-1".to_owned()),
        ("GET", "/v2/_catalog?n=many".to_owned()),
        ("PUT", format!("{uploads}/{ID}")),
        ("PUT", format!("{uploads}/{ID}?digest=sha256:zz")),
        ("PATCH", format!("{uploads}/not-an-id")),
        ("POST", format!("{uploads}/?digest-algorithm=md5")),
        ("PUT", "/v2/app/manifests/v1?tag=.bad".to_owned()),
        ("PUT", "/v2/app/manifests/v1/".to_owned()),
    ] {
        let reply = registry.ask(method, &path).send().await;
        let shown = if path.len() > 200 {
            format!("{}… ({} bytes)", &path[..60], path.len())
        } else {
            path
        };
        text.push_str(&show(&format!("{method} {shown}"), &reply));
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn wrong_methods_name_the_right_ones() {
    let registry = registry().start();
    let mut text = String::new();
    for (method, path) in [
        ("DELETE", "/v2/"),
        ("POST", "/v2/_catalog"),
        ("DELETE", "/v2/app/tags/list"),
        ("PATCH", "/v2/app/manifests/v1"),
        ("PUT", &format!("/v2/app/blobs/{DIGEST}")),
        ("GET", "/v2/app/blobs/uploads/"),
        ("POST", &format!("/v2/app/blobs/uploads/{ID}")),
        ("BREW", &format!("/v2/app/referrers/{DIGEST}")),
    ] {
        text.push_str(&show(
            &format!("{method} {path}"),
            &registry.ask(method, path).send().await,
        ));
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn what_is_not_there() {
    let registry = registry().start();
    registry.push_blob("app", b"{}").await;
    let mut text = String::new();
    for (method, path) in [
        ("GET", "/v2/app/manifests/missing".to_owned()),
        ("GET", format!("/v2/app/manifests/{DIGEST}")),
        ("GET", "/v2/nowhere/manifests/v1".to_owned()),
        ("GET", format!("/v2/app/blobs/{DIGEST}")),
        ("GET", "/v2/nowhere/tags/list".to_owned()),
        ("DELETE", "/v2/app/manifests/missing".to_owned()),
        ("DELETE", format!("/v2/app/manifests/{DIGEST}")),
        ("DELETE", format!("/v2/app/blobs/{DIGEST}")),
        ("GET", format!("/v2/app/blobs/uploads/{ID}")),
        ("PATCH", format!("/v2/app/blobs/uploads/{ID}")),
        ("PUT", format!("/v2/app/blobs/uploads/{ID}?digest={DIGEST}")),
    ] {
        text.push_str(&show(
            &format!("{method} {path}"),
            &registry.ask(method, &path).send().await,
        ));
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn bad_manifests() {
    let registry = registry().start();
    registry.push_blob("app", b"{}").await;
    let sound = String::from_utf8(image().manifest()).unwrap();
    let mut text = String::new();
    for (what, manifest) in [
        ("empty", String::new()),
        ("not JSON", "{".to_owned()),
        ("not an object", "[]".to_owned()),
        (
            "schema 1",
            r#"{"schemaVersion":1,"name":"app","tag":"v1"}"#.to_owned(),
        ),
        (
            "another type",
            sound.replace(image::MANIFEST, "application/vnd.example+json"),
        ),
        (
            "layers that are no list",
            sound.replace("\"layers\":[]", "\"layers\":\"x\""),
        ),
        ("a key in another case", sound.replace("\"layers\"", "\"Layers\"")),
        ("a bad digest", sound.replace("sha256:", "sha256:zz")),
        (
            "missing blobs",
            String::from_utf8(image().layer(b"not pushed").manifest()).unwrap(),
        ),
    ] {
        let asking = registry
            .ask("PUT", "/v2/app/manifests/v1")
            .header("content-type", image::MANIFEST);
        text.push_str(&show(what, &asking.body(manifest.as_bytes()).send().await));
    }
    let other_digest = registry.ask("PUT", &format!("/v2/app/manifests/{DIGEST}"));
    let other_digest = other_digest
        .header("content-type", image::MANIFEST)
        .body(sound.as_bytes())
        .send()
        .await;
    text.push_str(&show("under another digest", &other_digest));
    insta::assert_snapshot!(text);
    assert_eq!(
        registry.get("/v2/app/manifests/v1").await.status,
        404,
        "none of them was stored"
    );
}

#[tokio::test]
async fn bad_bodies() {
    let registry = registry().start();
    let mut text = String::new();
    let large = vec![b' '; (4 << 20) + 1];
    let announced = registry
        .ask("PUT", "/v2/app/manifests/v1")
        .header("content-length", "99999999");
    text.push_str(&show(
        "a manifest that says it is too large",
        &announced.send().await,
    ));
    let unannounced = registry
        .ask("PUT", "/v2/app/manifests/v1")
        .body(&large)
        .send()
        .await;
    text.push_str(&show("a manifest that turns out to be too large", &unannounced));
    let broken = registry
        .ask("PUT", "/v2/app/manifests/v1")
        .broken_body(b"{")
        .send()
        .await;
    text.push_str(&show("a manifest that breaks off", &broken));
    let upload = registry.upload("app").await;
    for range in ["5-1", "bytes=0-4", "0-9", "10-14"] {
        let asking = registry
            .ask("PATCH", &upload)
            .header("content-range", range)
            .header("content-length", "5");
        text.push_str(&show(
            &format!("a chunk at {range}"),
            &asking.body(b"01234").send().await,
        ));
    }
    let blob = registry.push_blob("app", b"0123456789").await;
    let outside = registry
        .ask("GET", &format!("/v2/app/blobs/{blob}"))
        .header("range", "bytes=10-")
        .send()
        .await;
    text.push_str(&show("a range outside of the blob", &outside));
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn a_store_that_fails_is_not_described_to_clients() {
    let registry = registry().start();
    image().layer(b"layer").push(&registry, "app", "v1").await;
    // A folder where a file should be: every read of it fails.
    let current = registry
        .folder
        .path()
        .join("data/docker/registry/v2/repositories/app/_manifests/tags/v1/current/link");
    std::fs::remove_file(&current).unwrap();
    std::fs::create_dir(&current).unwrap();
    let reply = registry
        .ask("GET", "/v2/app/manifests/v1")
        .header("x-request-id", "r1")
        .send()
        .await;
    assert_eq!(reply.status, 500);
    let message =
        "the storage of the registry failed; tell its operator, the log says why under the requestId";
    let expected =
        format!(r#"{{"errors":[{{"code":"UNKNOWN","detail":{{"requestId":"r1"}},"message":"{message}"}}]}}"#);
    assert_eq!(reply.body, format!("{expected}\n"), "no path, no cause");
}
