//! Who may do what, seen from outside: over every kind of route, for each kind of caller.

use roadstead_e2e::{Client, HOST};

use crate::pods::push;

/// A route, and what no one, the user who may pull and the user who may push get.
type Case = (&'static str, &'static str, u16, u16, u16);

/// What does not exist answers 404 to whoever may ask.
const ROUTES: &[Case] = &[
    ("GET", "/v2/", 401, 200, 200),
    ("GET", "/v2/_catalog", 401, 200, 200),
    ("GET", "/v2/access/image/tags/list", 401, 200, 200),
    ("GET", "/v2/access/image/manifests/1", 401, 200, 200),
    ("GET", "/v2/access/image/manifests/unknown", 401, 404, 404),
    (
        "GET",
        "/v2/access/image/referrers/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        401,
        200,
        200,
    ),
    (
        "GET",
        "/v2/access/image/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        401,
        404,
        404,
    ),
    ("POST", "/v2/access/image/blobs/uploads/", 401, 403, 202),
    (
        "PATCH",
        "/v2/access/image/blobs/uploads/00000000-0000-4000-8000-000000000000",
        401,
        403,
        404,
    ),
    ("PUT", "/v2/access/image/manifests/none", 401, 403, 400),
    ("DELETE", "/v2/access/image/manifests/none", 401, 403, 404),
    (
        "DELETE",
        "/v2/access/image/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        401,
        403,
        404,
    ),
];

#[test]
fn each_route_answers_each_caller_as_it_should() {
    push("access/image:1");
    let (puller, pusher) = (Client::pull(), Client::push());
    let stranger = Client::named("roadstead-push", "wrong");
    for (method, path, no_one, pull, push) in ROUTES {
        let body = if matches!(*method, "PUT" | "PATCH") {
            "--data-binary '{}'"
        } else {
            ""
        };
        let request = format!("-X {method} {body} https://{HOST}{path}");
        assert_eq!(
            pusher.anonymous_curl(&request).0,
            *no_one,
            "no one: {method} {path}"
        );
        assert_eq!(
            stranger.curl(&request).0,
            401,
            "a wrong password: {method} {path}"
        );
        assert_eq!(puller.curl(&request).0, *pull, "the pull user: {method} {path}");
        assert_eq!(pusher.curl(&request).0, *push, "the push user: {method} {path}");
    }
}

#[test]
fn errors_are_those_of_the_specification_with_a_sentence_for_people() {
    let client = Client::push();
    let (status, body) = client.curl(&format!("https://{HOST}/v2/access/none/manifests/1"));
    let error: serde_json::Value = serde_json::from_str(&body).expect("an error is JSON");
    assert_eq!(status, 404);
    assert!(
        matches!(
            error["errors"][0]["code"].as_str(),
            Some("MANIFEST_UNKNOWN" | "NAME_UNKNOWN")
        ),
        "{body}"
    );
    assert!(
        error["errors"][0]["message"]
            .as_str()
            .is_some_and(|message| message.contains(' ')),
        "{body}"
    );
}

#[test]
fn plain_http_on_the_tls_port_gets_a_clear_answer() {
    let (status, body) = Client::push().anonymous_curl(&format!("--max-time 10 http://{HOST}/v2/"));
    assert_eq!(status, 400);
    assert!(body.contains("https"), "{body}");
}
