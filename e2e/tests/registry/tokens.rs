//! Tokens of a token server: registry:2, registry:3 and Roadstead take the same ones.

use std::path::Path;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use roadstead_e2e::{Api, Server, Software, stock_config};
use roadstead_pki::authority::Authority;
use roadstead_pki::server::ServerCertificate;
use serde_json::{Value, json};
use ureq::http::Method;

/// A token server: its CA is in the registries' bundle, its certificate in its tokens.
pub(crate) struct TokenServer {
    authority: Authority,
    certificate: ServerCertificate,
    key: EcdsaKeyPair,
}

impl TokenServer {
    pub(crate) fn new() -> Self {
        let (day, now) = (SignedDuration::from_hours(24), Timestamp::now());
        let authority = Authority::create("Tokens CA", day, now).expect("a CA can be made");
        let names = ["tokens.example.com".to_owned()];
        let certificate = authority
            .issue_server(&names, day, now)
            .expect("a certificate can be issued");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, certificate.key().secret_der());
        Self {
            key: key.expect("it was issued just now"),
            authority,
            certificate,
        }
    }

    /// What registries are to trust.
    pub(crate) fn bundle(&self) -> String {
        self.authority.certificate_pem().to_owned()
    }

    fn x5c(&self) -> Value {
        json!([BASE64_STANDARD.encode(self.certificate.leaf().der())])
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"typ": "JWT", "alg": "ES256", "x5c": self.x5c()}), claims)
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self
            .key
            .sign(&SystemRandom::new(), message.as_bytes())
            .expect("the key signs");
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn message(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

fn claims() -> Value {
    let now = Timestamp::now().as_second();
    json!({
        "iss": "tokens", "aud": "registry", "sub": "alice", "exp": now + 600, "nbf": now - 10, "iat": now - 10,
        "jti": "1", "access": [{"type": "repository", "name": "team/app", "actions": ["pull"]}],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
        value => claims[name] = value,
    }
    claims
}

/// The claims of a token that grants this, and is good otherwise.
pub(crate) fn granting(kind: &str, name: &str, actions: &[&str]) -> Value {
    with(
        "access",
        json!([{"type": kind, "name": name, "actions": actions}]),
    )
}

/// What a token is, the token, and a request with it.
fn cases(server: &TokenServer) -> Vec<(String, String, Method, &'static str)> {
    const TAGS: &str = "/v2/team/app/tags/list";
    const UPLOADS: &str = "/v2/team/app/blobs/uploads/";
    let now = Timestamp::now().as_second();
    let mut cases = Vec::new();
    let mut add = |what: &str, token: String, method: Method, path: &'static str| {
        cases.push((format!("{what}: {method} {path}"), token, method, path));
    };
    add("a good one", server.token(&claims()), Method::GET, TAGS);
    add("a good one", server.token(&claims()), Method::GET, "/v2/");
    add("a good one", server.token(&claims()), Method::POST, UPLOADS);
    add(
        "a good one",
        server.token(&claims()),
        Method::GET,
        "/v2/team/other/tags/list",
    );
    add("a good one", server.token(&claims()), Method::GET, "/v2/_catalog");
    for (name, value) in [
        ("iss", json!("another")),
        ("iss", Value::Null),
        ("aud", json!("another")),
        ("aud", Value::Null),
        ("exp", json!(now - 300)),
        ("exp", json!(now - 20)),
        ("exp", Value::Null),
        ("nbf", json!(now + 300)),
        ("nbf", json!(now + 20)),
        ("nbf", Value::Null),
        ("sub", json!("")),
        ("sub", Value::Null),
        ("jti", Value::Null),
        ("access", Value::Null),
        ("access", json!([])),
    ] {
        let token = server.token(&with(name, value.clone()));
        add(&format!("{name} is {value}"), token, Method::GET, TAGS);
    }
    for (actions, method, path) in [
        (&["push"][..], Method::POST, UPLOADS),
        (&["pull", "push"], Method::POST, UPLOADS),
        (&["push"], Method::GET, TAGS),
        (&["*"], Method::POST, UPLOADS),
        (
            &["pull", "push"],
            Method::DELETE,
            "/v2/team/app/manifests/sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ),
        (
            &["delete"],
            Method::DELETE,
            "/v2/team/app/manifests/sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ),
    ] {
        let token = server.token(&granting("repository", "team/app", actions));
        add(&format!("{actions:?} granted"), token, method, path);
    }
    for (kind, name, action) in [
        ("registry", "catalog", "*"),
        ("registry", "catalog", "pull"),
        ("repository", "catalog", "*"),
    ] {
        let token = server.token(&granting(kind, name, &[action]));
        add(
            &format!("{kind}:{name}:{action} granted"),
            token,
            Method::GET,
            "/v2/_catalog",
        );
    }
    let stranger = TokenServer::new();
    add("a stranger's", stranger.token(&claims()), Method::GET, TAGS);
    let stolen = json!({"typ": "JWT", "alg": "ES256", "x5c": server.x5c()});
    add(
        "a stranger's with our certificate",
        stranger.sign(&stolen, &claims()),
        Method::GET,
        TAGS,
    );
    let none = message(
        &json!({"typ": "JWT", "alg": "none", "x5c": server.x5c()}),
        &claims(),
    );
    add("alg none", format!("{none}."), Method::GET, TAGS);
    let confused = message(
        &json!({"typ": "JWT", "alg": "HS256", "x5c": server.x5c()}),
        &claims(),
    );
    let public = hmac::Key::new(hmac::HMAC_SHA256, server.key.public_key().as_ref());
    let tag = hmac::sign(&public, confused.as_bytes());
    let confused = format!("{confused}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref()));
    add("HS256 with the public key", confused, Method::GET, TAGS);
    add("no token", "abc".to_owned(), Method::GET, TAGS);
    cases
}

fn serve(software: Software, folder: &Path, bundle: &Path) -> Server {
    let config = format!(
        "{}auth:\n  token: {{realm: 'https://tokens.example.com/token', service: registry, issuer: tokens, \
         rootcertbundle: {}}}\n",
        stock_config(folder),
        bundle.display()
    );
    Server::of(software, &config)
}

/// Whether a request was let through, and what is said of the token that did not do.
fn verdict(api: &Api, token: &str, method: &Method, path: &str) -> (bool, Option<String>) {
    let answer = api.send(
        method.clone(),
        path,
        &[("authorization", &format!("Bearer {token}"))],
        &[],
    );
    let challenge = answer.header("www-authenticate");
    let error = challenge.split_once(",error=").map(|(_, error)| error.to_owned());
    (answer.status != 401, error)
}

#[test]
fn registry_2_registry_3_and_roadstead_take_the_same_tokens() {
    let server = TokenServer::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bundle = folder.path().join("bundle.pem");
    std::fs::write(&bundle, server.authority.certificate_pem()).expect("the temporary folder can be written");
    let ours = serve(Software::Roadstead, &folder.path().join("ours"), &bundle);
    let cases = cases(&server);
    let mut taken = 0;
    for peer in [Software::Registry2, Software::Registry3] {
        let theirs = serve(peer, &folder.path().join(format!("{peer:?}")), &bundle);
        for (what, token, method, path) in &cases {
            let (expected, said) = verdict(&Api::of(&theirs), token, method, path);
            let (taken_by_us, said_by_us) = verdict(&Api::of(&ours), token, method, path);
            assert_eq!(taken_by_us, expected, "{peer:?}: {what}");
            // registry:3 has no word for a signature that is wrong.
            if peer == Software::Registry2 {
                assert_eq!(said_by_us, said, "{peer:?}: {what}");
            }
            taken += usize::from(expected);
        }
    }
    assert!(
        taken > 10,
        "only {taken} were taken, so there was little to compare"
    );
    println!(
        "{} tokens, of which {taken} were taken, by two peers",
        cases.len()
    );
}
