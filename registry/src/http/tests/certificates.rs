//! Client certificates as a way to log in. That they are good was found by `tls`; here they are names.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

async fn as_certificate(asking: Asking<'_>, name: &str) -> Reply {
    let mut asking = asking;
    asking.caller.certificate = Some(name.into());
    asking.send().await
}

#[tokio::test]
async fn without_a_login_the_certificate_names_the_user_for_the_rules() {
    let registry = registry().rule("node", "**", &["pull"]).start();
    let path = "/v2/app/blobs/uploads/";
    assert_eq!(
        as_certificate(registry.ask("GET", "/v2/"), "node").await.status,
        200
    );
    assert_eq!(
        as_certificate(registry.ask("POST", path), "node").await.status,
        403
    );
    assert_eq!(
        as_certificate(registry.ask("GET", "/v2/app/tags/list"), "node")
            .await
            .status,
        404
    );
    assert_eq!(
        as_certificate(registry.ask("GET", "/v2/app/tags/list"), "other")
            .await
            .status,
        403
    );
    assert_eq!(
        registry.get("/v2/app/tags/list").await.status,
        403,
        "nobody is named by no rule"
    );
}

#[tokio::test]
async fn an_optional_certificate_stands_for_a_password() {
    let registry = registry().users(&["alice"]).certificates_log_in().start();
    assert_eq!(registry.get("/v2/").await.status, 401);
    assert_eq!(registry.ask("GET", "/v2/").user("alice").send().await.status, 200);
    assert_eq!(
        as_certificate(registry.ask("GET", "/v2/"), "node").await.status,
        200
    );
    let both = registry.ask("GET", "/v2/").credentials("alice", "wrong");
    assert_eq!(
        as_certificate(both, "node").await.status,
        401,
        "who says a password must say the right one"
    );
}

#[tokio::test]
async fn a_password_that_is_given_names_the_user_before_a_certificate_does() {
    let wanted = registry().users(&["alice"]).certificates_log_in();
    let registry = wanted
        .rule("alice", "**", &["pull", "push"])
        .rule("*", "**", &["pull"])
        .start();
    let upload = "/v2/app/blobs/uploads/";
    assert_eq!(
        as_certificate(registry.ask("POST", upload), "node").await.status,
        403
    );
    assert_eq!(
        as_certificate(registry.ask("POST", upload).user("alice"), "node")
            .await
            .status,
        202
    );
}

#[tokio::test]
async fn a_required_certificate_beside_passwords_is_not_enough_as_in_registry_2() {
    let registry = registry().users(&["alice"]).start();
    assert_eq!(
        as_certificate(registry.ask("GET", "/v2/"), "alice").await.status,
        401
    );
}

#[tokio::test]
async fn a_void_certificate_lets_nobody_in() {
    for wanted in [registry(), registry().users(&["alice"]).certificates_log_in()] {
        let registry = wanted.start();
        let void = Arc::new(AtomicBool::new(false));
        let asks = async || {
            let mut asking = registry.ask("GET", "/v2/");
            asking.caller.void = Some(Arc::clone(&void));
            as_certificate(asking, "node").await.status
        };
        assert_eq!(asks().await, 200);
        void.store(true, Ordering::Relaxed);
        assert_eq!(asks().await, 401);
    }
}
