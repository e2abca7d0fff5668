//! What endpoints are told of pushes, pulls and deletes.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::notifications;
use crate::notifications::tests::{Hook, at};

struct Told {
    registry: Registry,
    hook: Hook,
    _queues: tempfile::TempDir,
}

async fn told(settings: impl FnOnce(&mut notifications::Settings)) -> Told {
    let hook = Hook::default();
    let queues = tempfile::tempdir().unwrap();
    let mut notifications = notifications::Settings {
        endpoints: vec![at(hook.listen().await)],
        ..notifications::Settings::default()
    };
    settings(&mut notifications);
    let mut wanted = registry();
    wanted.notifications = Notifications::start(&notifications, Path::new(queues.path()), 5000).unwrap();
    Told {
        registry: wanted.start(),
        hook,
        _queues: queues,
    }
}

impl Told {
    /// The events so far, and nothing more.
    async fn events(&self, expected: usize) -> Vec<Value> {
        self.hook.heard(expected).await;
        let requests = self.hook.requests();
        assert_eq!(requests.len(), expected);
        requests
            .into_iter()
            .map(|(_, body)| body["events"][0].clone())
            .collect()
    }
}

/// Action, repository, tag, and the method of the request.
fn brief(event: &Value) -> (&str, &str, Option<&str>, &str) {
    let target = &event["target"];
    (
        event["action"].as_str().unwrap(),
        target["repository"].as_str().unwrap(),
        target["tag"].as_str(),
        event["request"]["method"].as_str().unwrap(),
    )
}

#[tokio::test]
async fn a_push_a_pull_a_mount_and_deletes_are_told_in_order() {
    let told = told(|_| {}).await;
    let registry = &told.registry;
    let layer = registry.push_blob("team/app", b"layer").await;
    let config = registry.push_blob("team/app", b"{}").await;
    let upload = registry.upload("team/app").await;
    registry
        .ask("PUT", &format!("{upload}?digest={}", digest(b"more")))
        .body(b"more")
        .send()
        .await;
    let manifest = image().layer(b"layer").manifest();
    let put = registry
        .ask("PUT", "/v2/team/app/manifests/v1")
        .header("content-type", image::MANIFEST);
    assert_eq!(put.body(&manifest).send().await.status, 201);
    registry.get("/v2/team/app/manifests/v1").await;
    registry.head(&format!("/v2/team/app/blobs/{layer}")).await;
    registry
        .ask(
            "POST",
            &format!("/v2/other/blobs/uploads/?mount={layer}&from=team/app"),
        )
        .send()
        .await;
    registry.delete(&format!("/v2/other/blobs/{layer}")).await;
    let by_digest = format!("/v2/team/app/manifests/{}", digest(&manifest));
    let again = registry
        .ask("PUT", &format!("{by_digest}?tag=v2&tag=v3"))
        .header("content-type", image::MANIFEST);
    assert_eq!(again.body(&manifest).send().await.status, 201);
    registry.delete("/v2/team/app/manifests/v2").await;
    registry.delete(&by_digest).await;
    let events = told.events(14).await;
    let seen: Vec<_> = events.iter().map(brief).collect();
    assert_eq!(
        seen,
        [
            ("push", "team/app", None, "POST"),
            ("push", "team/app", None, "POST"),
            ("push", "team/app", None, "PUT"),
            ("push", "team/app", Some("v1"), "PUT"),
            ("pull", "team/app", Some("v1"), "GET"),
            ("pull", "team/app", None, "HEAD"),
            ("mount", "other", None, "POST"),
            ("delete", "other", None, "DELETE"),
            ("push", "team/app", Some("v2"), "PUT"),
            ("push", "team/app", Some("v3"), "PUT"),
            ("delete", "team/app", Some("v2"), "DELETE"),
            ("delete", "team/app", None, "DELETE"),
            ("delete", "team/app", Some("v1"), "DELETE"),
            ("delete", "team/app", Some("v3"), "DELETE"),
        ]
    );
    let blob = &events[0]["target"];
    assert_eq!(
        (&blob["mediaType"], &blob["size"]),
        (&json!("application/octet-stream"), &json!(5))
    );
    assert_eq!((&blob["length"], &blob["digest"]), (&json!(5), &json!(layer)));
    assert_eq!(events[1]["target"]["digest"], json!(config));
    assert_eq!(events[3]["target"]["mediaType"], image::MANIFEST);
    assert_eq!(events[3]["target"]["size"], manifest.len());
    assert_eq!(events[3]["target"].get("references"), None);
    assert_eq!(events[6]["target"]["fromRepository"], "team/app");
    let size = |event: &Value| event["target"]["size"].clone();
    assert_eq!((size(&events[2]), size(&events[6])), (json!(4), json!(5)));
    assert_eq!(events[7]["target"].get("url"), None, "what is gone is nowhere");
}

#[tokio::test]
async fn what_failed_and_what_was_known_already_is_not_told() {
    let told = told(|_| {}).await;
    let registry = &told.registry;
    registry.push_blob("app", b"x").await;
    let wrong = format!("/v2/app/blobs/uploads/?digest={}", digest(b"y"));
    registry.ask("POST", &wrong).body(b"x").send().await;
    registry.get("/v2/app/manifests/none").await;
    registry.get(&format!("/v2/app/blobs/{}", digest(b"none"))).await;
    registry.delete("/v2/app/manifests/none").await;
    registry
        .ask("PUT", "/v2/app/manifests/v1")
        .body(b"{")
        .send()
        .await;
    registry.get("/v2/app/tags/list").await;
    registry.push_blob("app", b"last").await;
    let events = told.events(2).await;
    assert_eq!(events[1]["target"]["digest"], json!(digest(b"last")));
}

#[tokio::test]
async fn an_event_says_who_asked_where_and_where_it_is() {
    let told = told(|notifications| notifications.include_references = true).await;
    let registry = &told.registry;
    image().layer(b"layer").push(registry, "app", "v1").await;
    let mut asking = registry
        .ask("GET", "/v2/app/manifests/v1")
        .header("host", "registry.example.com:5000")
        .header("user-agent", "containerd/2")
        .header("x-request-id", "from-the-proxy");
    asking.caller = Caller {
        address: Some("192.0.2.7:4711".parse().unwrap()),
        certificate: Some("node".into()),
        void: None,
        secure: true,
    };
    asking.send().await;
    let proxied = registry
        .ask("GET", "/v2/app/manifests/v1")
        .header("host", "inner:5000")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "registry.example.com")
        .header("x-forwarded-for", "198.51.100.9, 10.0.0.1");
    proxied.send().await;
    // An image is two blobs and a manifest.
    told.hook.heard(5).await;
    let requests = told.hook.requests();
    let [direct, proxied] = [
        &requests[requests.len() - 2].1["events"][0],
        &requests[requests.len() - 1].1["events"][0],
    ];
    assert_eq!(
        direct["request"],
        json!({
            "id": "from-the-proxy", "addr": "192.0.2.7:4711", "host": "registry.example.com:5000", "method": "GET",
            "useragent": "containerd/2",
        })
    );
    assert_eq!(direct["actor"], json!({"name": "node"}));
    let digest = direct["target"]["digest"].as_str().unwrap();
    assert_eq!(
        direct["target"]["url"],
        format!("https://registry.example.com:5000/v2/app/manifests/{digest}")
    );
    assert_eq!(
        direct["target"]["references"].as_array().unwrap().len(),
        2,
        "the config and the layer"
    );
    assert_eq!(
        proxied["target"]["url"],
        format!("https://registry.example.com/v2/app/manifests/{digest}")
    );
    assert_eq!(proxied["request"]["addr"], "198.51.100.9");
    assert_eq!(proxied["actor"], json!({}));
}
