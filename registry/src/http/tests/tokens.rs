//! Tokens of a token server: what is asked for, and what they let through.

use serde_json::{Value, json};

use super::*;
use crate::auth::token::tests::{Signer, claims, settings, write_set};

/// A registry behind a token server, and the token server's key.
struct Behind {
    registry: Registry,
    signer: Signer,
    _keys: tempfile::TempDir,
}

fn behind_a_token_server(wanted: impl FnOnce(Wanted) -> Wanted) -> Behind {
    let signers = [Signer::ec()];
    let keys = tempfile::tempdir().unwrap();
    let path = keys.path().join("jwks.json");
    write_set(&path, &signers);
    let mut asked = wanted(registry());
    asked.token.get_or_insert_with(|| settings(None, None)).jwks = Some(path);
    let [signer] = signers;
    Behind {
        registry: asked.start(),
        signer,
        _keys: keys,
    }
}

impl Behind {
    fn token(&self, access: Value) -> String {
        format!(
            "Bearer {}",
            self.signer.token(&json!({"kid": "kid-0"}), &claims(access))
        )
    }

    async fn ask(&self, method: &str, path: &str, access: Value) -> Reply {
        let asking = self.registry.ask(method, path);
        asking
            .header("authorization", &self.token(access))
            .body(b"x")
            .send()
            .await
    }
}

fn repository(name: &str, actions: &[&str]) -> Value {
    json!([{"type": "repository", "name": name, "actions": actions}])
}

const REALM: &str = "Bearer realm=\"https://auth.example.com/token\",service=\"the service\"";

#[tokio::test]
async fn who_shows_no_token_is_told_where_to_get_one_and_for_what() {
    let behind = behind_a_token_server(|wanted| wanted);
    let blob = digest(b"x");
    for (method, path, scope) in [
        ("GET", "/v2/".to_owned(), None),
        ("GET", "/v2/_catalog".to_owned(), Some("registry:catalog:*")),
        ("GET", "/v2/a/b/tags/list".to_owned(), Some("repository:a/b:pull")),
        (
            "HEAD",
            "/v2/a/b/manifests/v1".to_owned(),
            Some("repository:a/b:pull"),
        ),
        (
            "GET",
            format!("/v2/a/b/blobs/{blob}"),
            Some("repository:a/b:pull"),
        ),
        (
            "PUT",
            "/v2/a/b/manifests/v1".to_owned(),
            Some("repository:a/b:pull,push"),
        ),
        (
            "POST",
            "/v2/a/b/blobs/uploads/".to_owned(),
            Some("repository:a/b:pull,push"),
        ),
        (
            "DELETE",
            "/v2/a/b/manifests/v1".to_owned(),
            Some("repository:a/b:delete"),
        ),
        (
            "POST",
            format!("/v2/a/b/blobs/uploads/?mount={blob}&from=base"),
            Some("repository:a/b:pull,push repository:base:pull"),
        ),
    ] {
        let reply = behind.registry.ask(method, &path).send().await;
        let scope = scope.map_or_else(String::new, |scope| format!(",scope=\"{scope}\""));
        assert_eq!(reply.status, 401, "{method} {path}");
        assert_eq!(
            reply.header("www-authenticate"),
            format!("{REALM}{scope}"),
            "{method} {path}"
        );
    }
    assert_eq!(
        behind.registry.get("/").await.status,
        200,
        "the root is for everyone"
    );
}

#[tokio::test]
async fn a_token_opens_what_it_grants_and_nothing_else() {
    let behind = behind_a_token_server(|wanted| wanted);
    let upload = format!("/v2/a/b/blobs/uploads/?digest={}", digest(b"x"));
    let blob = format!("/v2/a/b/blobs/{}", digest(b"x"));
    for (method, path, access, status) in [
        ("POST", &upload, repository("a/b", &["pull"]), 401),
        ("POST", &upload, repository("a/b", &["push"]), 401),
        ("POST", &upload, repository("a", &["*"]), 401),
        ("POST", &upload, repository("a/b", &["pull", "push"]), 201),
        ("GET", &blob, repository("a/b", &["push"]), 401),
        ("GET", &blob, repository("a/b", &["pull"]), 200),
        ("DELETE", &blob, repository("a/b", &["pull", "push"]), 401),
        ("DELETE", &blob, repository("a/b", &["delete"]), 202),
        ("GET", &"/v2/".to_owned(), json!([]), 200),
        ("GET", &"/v2/_catalog".to_owned(), repository("a/b", &["*"]), 401),
    ] {
        let reply = behind.ask(method, path, access.clone()).await;
        assert_eq!(reply.status, status, "{method} {path} with {access}: {reply:?}");
        if status == 401 {
            let challenge = reply.header("www-authenticate");
            assert!(
                challenge.ends_with(",error=\"insufficient_scope\""),
                "{challenge}"
            );
            assert!(challenge.contains(",scope=\""), "{challenge}");
            assert_eq!(reply.code(), "UNAUTHORIZED");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_told_so() {
    let behind = behind_a_token_server(|wanted| wanted);
    let forged = Signer::ec().token(&json!({"kid": "kid-0"}), &claims(json!([])));
    let cases = [
        (format!("Bearer {forged}"), true),
        ("Bearer abc".to_owned(), true),
        ("bearer abc".to_owned(), true),
        ("Basic YTpi".to_owned(), false),
        ("Bearer".to_owned(), false),
    ];
    for (header, says_invalid) in cases {
        let reply = behind
            .registry
            .ask("GET", "/v2/")
            .header("authorization", &header)
            .send()
            .await;
        let expected = if says_invalid {
            format!("{REALM},error=\"invalid_token\"")
        } else {
            REALM.to_owned()
        };
        assert_eq!(
            (reply.status.as_u16(), reply.header("www-authenticate")),
            (401, expected.as_str()),
            "{header}"
        );
        assert!(
            !reply
                .body
                .windows(10)
                .any(|window| forged.as_bytes().starts_with(window))
        );
    }
    let text = behind.registry.metrics.encode();
    assert!(
        text.contains("auth_failures_total{reason=\"invalid_token\"} 3"),
        "{text}"
    );
}

#[tokio::test]
async fn a_token_for_the_catalog_shows_every_repository() {
    let behind = behind_a_token_server(|wanted| wanted.rule("alice", "team/**", &["pull", "push"]));
    for name in ["team/a", "team/b"] {
        let path = format!("/v2/{name}/blobs/uploads/?digest={}", digest(b"x"));
        assert_eq!(
            behind
                .ask("POST", &path, repository(name, &["pull", "push"]))
                .await
                .status,
            201
        );
    }
    let catalog = json!([{"type": "registry", "name": "catalog", "actions": ["*"]}]);
    let reply = behind.ask("GET", "/v2/_catalog", catalog).await;
    assert_eq!(reply.json(), json!({"repositories": ["team/a", "team/b"]}));
}

#[tokio::test]
async fn rules_take_away_from_what_a_token_grants_and_add_nothing() {
    let behind = behind_a_token_server(|wanted| {
        wanted
            .rule("alice", "team/**", &["pull"])
            .rule("bob", "**", &["push"])
    });
    let upload = |name: &str| format!("/v2/{name}/blobs/uploads/?digest={}", digest(b"x"));
    let everything = |name: &str| repository(name, &["*"]);
    let narrowed = behind.ask("POST", &upload("team/a"), everything("team/a")).await;
    assert_eq!(
        (narrowed.status.as_u16(), narrowed.code().as_str()),
        (403, "DENIED")
    );
    let elsewhere = behind
        .ask("GET", "/v2/other/tags/list", everything("other"))
        .await;
    assert_eq!(elsewhere.status, 403, "no rule names it");
    let ungranted = behind.ask("GET", "/v2/team/a/tags/list", json!([])).await;
    assert_eq!(ungranted.status, 401, "the rule alone grants nothing");
    let pulled = behind
        .ask("GET", "/v2/team/a/tags/list", everything("team/a"))
        .await;
    assert_eq!(
        (pulled.status.as_u16(), pulled.code().as_str()),
        (404, "NAME_UNKNOWN"),
        "let through, and not there"
    );
}

#[tokio::test]
async fn a_mount_needs_the_right_to_pull_where_the_blob_comes_from() {
    let behind = behind_a_token_server(|wanted| wanted);
    let path = format!("/v2/base/blobs/uploads/?digest={}", digest(b"x"));
    assert_eq!(
        behind
            .ask("POST", &path, repository("base", &["pull", "push"]))
            .await
            .status,
        201
    );
    let mount = format!("/v2/mine/blobs/uploads/?mount={}&from=base", digest(b"x"));
    let mine = repository("mine", &["pull", "push"]);
    let refused = behind.ask("POST", &mount, mine.clone()).await;
    assert_eq!(refused.status, 202, "an upload instead");
    let both = json!([mine[0], repository("base", &["pull"])[0]]);
    assert_eq!(behind.ask("POST", &mount, both).await.status, 201);
}

#[tokio::test]
async fn the_token_server_may_be_found_behind_the_registrys_own_name() {
    let behind = behind_a_token_server(|wanted| {
        wanted.token(crate::auth::TokenAuth {
            redirect_path: Some("/auth/token".to_owned()),
            ..settings(None, None)
        })
    });
    for (forwarded, realm) in [
        (None, "https://registry.example.com:5000/auth/token"),
        (Some("http"), "http://registry.example.com:5000/auth/token"),
    ] {
        let mut asking = behind
            .registry
            .ask("GET", "/v2/")
            .header("host", "registry.example.com:5000");
        if let Some(proto) = forwarded {
            asking = asking.header("x-forwarded-proto", proto);
        }
        let reply = asking.send().await;
        assert_eq!(
            reply.header("www-authenticate"),
            format!("Bearer realm=\"{realm}\",service=\"the service\"")
        );
    }
    let http2 = behind.registry.get("https://over.http2.example/v2/").await;
    let challenge = http2.header("www-authenticate");
    assert!(
        challenge.contains("realm=\"https://over.http2.example/auth/token\""),
        "{challenge}"
    );
}

#[tokio::test]
async fn users_beside_a_token_server_are_told_of_the_way_that_they_chose_and_all_others_of_the_token_server()
{
    let behind = behind_a_token_server(|wanted| wanted.users(&["alice"]));
    let ask = || behind.registry.ask("GET", "/v2/");
    let challenge = |reply: &Reply| {
        let all: Vec<_> = reply.headers.get_all("www-authenticate").iter().collect();
        assert_eq!((reply.status.as_u16(), all.len()), (401, 1), "{reply:?}");
        all[0].to_str().unwrap().to_owned()
    };
    assert_eq!(challenge(&ask().send().await), REALM);
    assert_eq!(
        challenge(&ask().header("authorization", "Negotiate abc").send().await),
        REALM
    );
    assert_eq!(
        challenge(&ask().credentials("alice", "wrong").send().await),
        "Basic realm=\"Test \\\"realm\\\"\""
    );
    assert_eq!(
        challenge(&ask().header("authorization", "Bearer abc").send().await),
        format!("{REALM},error=\"invalid_token\"")
    );
    assert_eq!(ask().user("alice").send().await.status, 200);
    let token = behind.token(json!([]));
    assert_eq!(ask().header("authorization", &token).send().await.status, 200);
}

/// A proxy in front may have verified the one that we do not look at.
#[tokio::test]
async fn of_several_headers_with_credentials_none_is_taken() {
    let behind = behind_a_token_server(|wanted| wanted.users(&["alice"]));
    let token = behind.token(json!([]));
    for first_is_password in [true, false] {
        let mut asking = behind.registry.ask("GET", "/v2/");
        if first_is_password {
            asking = asking.user("alice").header("authorization", &token);
        } else {
            asking = asking.header("authorization", &token).user("alice");
        }
        assert_eq!(asking.send().await.status, 401);
    }
    let open = registry().start();
    let asking = open.ask("GET", "/v2/").user("alice").user("alice");
    assert_eq!(
        asking.send().await.status,
        200,
        "where nobody asks for one, it says nothing"
    );
}
