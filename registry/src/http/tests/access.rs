//! Every route, asked by everyone.

use super::*;

/// What a request needs; the table below has every route with every method.
const ROUTES: [(&str, &str, &str); 17] = [
    ("GET", "/v2/", "identity"),
    ("GET", "/v2/_catalog", "identity"),
    ("GET", "/v2/app/tags/list", "pull"),
    ("GET", "/v2/app/manifests/v1", "pull"),
    ("HEAD", "/v2/app/manifests/v1", "pull"),
    ("GET", "/v2/app/blobs/{blob}", "pull"),
    ("HEAD", "/v2/app/blobs/{blob}", "pull"),
    ("GET", "/v2/app/referrers/{blob}", "pull"),
    ("POST", "/v2/app/blobs/uploads/", "push"),
    ("POST", "/v2/app/blobs/uploads/?digest={blob}", "push"),
    ("POST", "/v2/app/blobs/uploads/?mount={blob}&from=app", "push"),
    ("PATCH", "{upload}", "push"),
    ("GET", "{upload}", "push"),
    ("DELETE", "{upload}", "push"),
    ("PUT", "{upload}?digest={blob}", "push"),
    ("PUT", "/v2/app/manifests/v2", "push"),
    ("DELETE", "/v2/app/manifests/v1", "delete"),
];

async fn ask(user: Option<&str>, method: &str, path: &str) -> Reply {
    let wanted = registry()
        .users(&["pull", "push", "people"])
        .rule("pull", "**", &["pull"]);
    let registry = wanted
        .rule("push", "**", &["pull", "push"])
        .rule("*", "**", &["pull", "push", "delete"])
        .start();
    let blob = digest(b"{}");
    let as_people = |method, path: &str| registry.ask(method, path).user("people");
    let started = as_people("POST", "/v2/app/blobs/uploads/").send().await;
    let upload = started.header("location");
    as_people("POST", &format!("/v2/app/blobs/uploads/?digest={blob}"))
        .body(b"{}")
        .send()
        .await;
    let manifest = image().manifest();
    as_people("PUT", "/v2/app/manifests/v1")
        .header("content-type", image::MANIFEST)
        .body(&manifest)
        .send()
        .await;

    let path = path
        .replace("{blob}", &blob.to_string())
        .replace("{upload}", upload);
    let body = if path.contains("manifests") {
        &manifest[..]
    } else {
        b"{}"
    };
    let asking = registry
        .ask(method, &path)
        .header("content-type", image::MANIFEST)
        .body(body);
    match user {
        None => asking.send().await,
        Some(user) => asking.user(user).send().await,
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_it_should_and_nobody_else() {
    let routes = ROUTES
        .iter()
        .chain(&[("DELETE", "/v2/app/blobs/{blob}", "delete")]);
    for (method, path, need) in routes {
        let nobody = ask(None, method, path).await;
        assert_eq!(nobody.status, 401, "{method} {path} by no one");
        assert_eq!(
            nobody.header("www-authenticate"),
            "Basic realm=\"Test \\\"realm\\\"\""
        );
        for (user, may) in [
            ("pull", &["pull"][..]),
            ("push", &["pull", "push"]),
            ("people", &["pull", "push", "delete"]),
        ] {
            let reply = ask(Some(user), method, path).await;
            let allowed = *need == "identity" || may.contains(need);
            if allowed {
                assert!(reply.status.is_success(), "{method} {path} by {user}: {reply:?}");
            } else {
                assert_eq!(reply.status, 403, "{method} {path} by {user}");
                assert!(*method == "HEAD" || reply.code() == "DENIED");
            }
        }
    }
}

#[tokio::test]
async fn wrong_passwords_and_odd_headers_are_told_apart_but_not_let_in() {
    let registry = registry().users(&["alice"]).start();
    for asking in [
        registry.ask("GET", "/v2/").credentials("alice", "wrong"),
        registry.ask("GET", "/v2/").credentials("nobody", "alice"),
        registry.ask("GET", "/v2/").credentials("", ""),
        registry.ask("GET", "/v2/").header("authorization", "Bearer abc"),
        registry.ask("GET", "/v2/").header("authorization", "Basic !!!"),
    ] {
        let reply = asking.send().await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (401, "UNAUTHORIZED")
        );
    }
    let text = registry.metrics.encode();
    assert!(
        text.contains("auth_failures_total{reason=\"wrong_credentials\"} 3"),
        "{text}"
    );
    assert!(
        text.contains("auth_failures_total{reason=\"unreadable\"} 2"),
        "{text}"
    );
}

#[tokio::test]
async fn without_users_anyone_may_do_everything_as_in_registry_2() {
    let registry = registry().start();
    image().layer(b"layer").push(&registry, "app", "v1").await;
    assert_eq!(registry.delete("/v2/app/manifests/v1").await.status, 202);
}

#[tokio::test]
async fn without_rules_every_user_may_do_everything() {
    let registry = registry().users(&["alice"]).start();
    let path = format!("/v2/app/blobs/uploads/?digest={}", digest(b"x"));
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
    let blob = format!("/v2/app/blobs/{}", digest(b"x"));
    assert_eq!(
        registry.ask("DELETE", &blob).user("alice").send().await.status,
        202
    );
}

#[tokio::test]
async fn a_mount_hands_out_nothing_that_the_caller_could_not_pull() {
    let wanted = registry()
        .users(&["owner", "thief"])
        .rule("owner", "secret/*", &["pull", "push"]);
    let registry = wanted.rule("thief", "mine/*", &["pull", "push"]).start();
    let blob = digest(b"secret");
    let path = format!("/v2/secret/app/blobs/uploads/?digest={blob}");
    assert_eq!(
        registry
            .ask("POST", &path)
            .user("owner")
            .body(b"secret")
            .send()
            .await
            .status,
        201
    );
    for from in ["&from=secret/app", ""] {
        let path = format!("/v2/mine/app/blobs/uploads/?mount={blob}{from}");
        let reply = registry.ask("POST", &path).user("thief").send().await;
        assert_eq!(
            reply.status, 202,
            "it may upload the blob, if it has it: {reply:?}"
        );
    }
    let stolen = registry
        .ask("GET", &format!("/v2/mine/app/blobs/{blob}"))
        .user("thief")
        .send()
        .await;
    assert_eq!(stolen.status, 404);
}

#[tokio::test]
async fn deletes_have_to_be_switched_on_and_writes_can_be_switched_off() {
    let without_delete = registry().without_delete().start();
    image().layer(b"layer").push(&without_delete, "app", "v1").await;
    for path in [
        "/v2/app/manifests/v1".to_owned(),
        format!("/v2/app/blobs/{}", digest(b"layer")),
    ] {
        let reply = without_delete.delete(&path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (405, "UNSUPPORTED"),
            "{path}"
        );
    }
    let read_only = registry().read_only().start();
    let manifest = image().manifest();
    for (method, path) in [
        ("POST", "/v2/app/blobs/uploads/".to_owned()),
        ("POST", format!("/v2/app/blobs/uploads/?digest={}", digest(b"x"))),
        ("PUT", "/v2/app/manifests/v1".to_owned()),
        ("DELETE", "/v2/app/manifests/v1".to_owned()),
    ] {
        let reply = read_only.ask(method, &path).body(&manifest).send().await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (405, "UNSUPPORTED"),
            "{method} {path}"
        );
    }
}
