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
    ask_of(&registry, user, method, path).await
}

async fn ask_of(registry: &Registry, user: Option<&str>, method: &str, path: &str) -> Reply {
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
async fn no_spelling_of_an_address_opens_a_door() {
    // Whoever may do everything in `app` may do nothing elsewhere.
    let routes = ROUTES
        .iter()
        .chain(&[("DELETE", "/v2/app/blobs/{blob}", "delete")]);
    for (method, path, need) in routes.filter(|(_, path, _)| path.contains("/app/")) {
        let secret = path.replacen("/v2/app/", "/v2/secret/deep/", 1);
        let spellings = [
            secret.clone(),
            secret.replace("secret/deep", "secret%2Fdeep"),
            secret.replace("secret/deep", "app%2F..%2Fsecret%2Fdeep"),
            secret.replace("secret/deep", "app/../secret/deep"),
            secret.replace("secret/deep", "%73ecret/deep"),
            secret.replace("/v2/", "//v2//"),
            secret.replace("/v2/", "/v2%2F"),
            format!("{}/", secret.split('?').next().unwrap()),
        ];
        let registry = registry()
            .users(&["people", "guest"])
            .rule("guest", "app", &["pull", "push", "delete"])
            .rule("people", "**", &["pull", "push", "delete"])
            .start();
        for spelling in &spellings {
            let reply = ask_of(&registry, Some("guest"), method, spelling).await;
            let moved = matches!(reply.status.as_u16(), 301 | 308)
                && need_of(reply.header("location")) == "secret/deep";
            assert!(
                reply.status == 403 || moved,
                "{method} {spelling} ({need}): {reply:?}"
            );
            let stranger = ask_of(&registry, None, method, spelling).await;
            assert!(
                stranger.status == 401 || moved,
                "{method} {spelling}: {stranger:?}"
            );
        }
    }
}

/// The repository in an address that is as it should be.
fn need_of(location: &str) -> &str {
    assert!(
        !location.contains("//") && !location.contains("/app/"),
        "{location}"
    );
    match location.starts_with("/v2/secret/deep/") {
        true => "secret/deep",
        false => location,
    }
}

#[tokio::test]
async fn options_are_answered_without_a_login_and_tell_nothing() {
    let mut wanted = registry().users(&["alice"]);
    let origin = http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
    wanted
        .headers
        .insert(origin.clone(), "http://ui.example".parse().unwrap());
    let registry = wanted.start();
    for (_, path, _) in ROUTES.iter().filter(|(_, path, _)| !path.starts_with('{')) {
        let reply = registry
            .ask("OPTIONS", &path.replace("{blob}", &digest(b"x").to_string()))
            .header("origin", "http://ui.example")
            .header("access-control-request-method", "DELETE")
            .send()
            .await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 0), "{path}");
        assert_eq!(reply.header(origin.as_str()), "http://ui.example", "{path}");
        assert!(reply.header("allow").contains("T"), "{path}");
    }
    // A browser shows a script why it was refused only with these headers.
    let refused = registry.get("/v2/").await;
    assert_eq!(
        (refused.status.as_u16(), refused.header(origin.as_str())),
        (401, "http://ui.example")
    );
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
