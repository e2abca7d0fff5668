//! Tokens as a token server makes them, and as somebody would forge them.

mod signer;

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use roadstead_pki::authority::Authority;
use roadstead_pki::server::ServerCertificate;
use serde_json::{Value, json};

use self::signer::message;
pub(crate) use self::signer::{Signer, claims, settings, write_set};
use super::*;
use crate::auth::access::Action;
use crate::auth::watching::Watching;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn pull() -> Value {
    json!([{"type": "repository", "name": "team/app", "actions": ["pull"]}])
}

/// Tokens that trust these keys, each under the name `kid-0`, `kid-1`, ….
fn trusting(signers: &[Signer]) -> (Tokens, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    write_set(&path, signers);
    (Tokens::load(&settings(None, Some(path))).unwrap().0, folder)
}

fn may(bearer: &Bearer, repository: &str) -> Vec<&'static str> {
    let repository = repository.parse().unwrap();
    [Action::Pull, Action::Push, Action::Delete]
        .into_iter()
        .filter(|action| bearer.grants.allow(&repository, *action))
        .map(Action::as_str)
        .collect()
}

#[test]
fn a_token_of_each_kind_of_key_is_taken() {
    let signers = Signer::all();
    let (tokens, _folder) = trusting(&signers);
    for (index, signer) in signers.iter().enumerate() {
        let token = signer.token(&json!({"kid": format!("kid-{index}")}), &claims(pull()));
        let bearer = tokens
            .verify(&token)
            .unwrap_or_else(|error| panic!("{}: {error}", signer.algorithm()));
        assert_eq!(bearer.subject.as_deref(), Some("alice"));
        assert_eq!(may(&bearer, "team/app"), ["pull"]);
    }
}

#[test]
fn what_is_granted_is_what_the_token_says_and_nothing_else() {
    let signers = [Signer::ec()];
    let (tokens, _folder) = trusting(&signers);
    let granted = |access: Value| {
        let token = signers[0].token(&json!({"kid": "kid-0"}), &claims(access));
        tokens.verify(&token).unwrap()
    };
    let repository =
        |actions: &[&str]| json!([{"type": "repository", "name": "team/app", "actions": actions}]);
    for (access, expected) in [
        (repository(&["pull"]), &["pull"][..]),
        (repository(&["pull", "push"]), &["pull", "push"]),
        // registry:2 asks for both before a push.
        (repository(&["push"]), &[]),
        (repository(&["delete"]), &["delete"]),
        (repository(&["*"]), &["pull", "push", "delete"]),
        (repository(&[]), &[]),
        (json!([]), &[]),
        (Value::Null, &[]),
        (
            json!([{"type": "repository", "name": "team", "actions": ["*"]}]),
            &[],
        ),
        (
            json!([{"type": "repository", "name": "team/**", "actions": ["*"]}]),
            &[],
        ),
        (
            json!([{"type": "registry", "name": "team/app", "actions": ["*"]}]),
            &[],
        ),
        (
            json!([{"type": "repository", "name": "team/app", "actions": null}]),
            &[],
        ),
        (
            json!([{"type": "repository", "name": "team/app", "actions": ["pull"]},
                   {"type": "repository", "class": "image", "name": "team/app", "actions": ["push"]}]),
            &["pull", "push"],
        ),
    ] {
        let bearer = granted(access.clone());
        assert_eq!(may(&bearer, "team/app"), expected, "{access}");
        assert_eq!(may(&bearer, "other"), [] as [&str; 0], "{access}");
        assert!(!bearer.grants.allow_catalog(), "{access}");
    }
    assert!(
        granted(json!([{"type": "registry", "name": "catalog", "actions": ["*"]}]))
            .grants
            .allow_catalog()
    );
    assert!(
        !granted(json!([{"type": "registry", "name": "catalog", "actions": ["pull"]}]))
            .grants
            .allow_catalog()
    );
}

#[test]
fn each_claim_that_is_wrong_makes_the_token_invalid() {
    let signers = [Signer::ec()];
    let (tokens, _folder) = trusting(&signers);
    let now = Timestamp::now().as_second();
    let with = |name: &str, value: Value| {
        let mut claims = claims(pull());
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        signers[0].token(&json!({"kid": "kid-0"}), &claims)
    };
    for (name, value, taken) in [
        ("iss", json!("another issuer"), false),
        ("iss", Value::Null, false),
        ("aud", json!("another service"), false),
        ("aud", json!(["another service", "a third"]), false),
        ("aud", json!([]), false),
        ("aud", Value::Null, false),
        ("exp", json!(now - 90), false),
        ("exp", json!(0), false),
        ("exp", json!("tomorrow"), false),
        ("exp", Value::Null, false),
        ("nbf", json!(now + 90), false),
        ("access", json!("repository:team/app:pull"), false),
        ("sub", json!(7), false),
        // What distribution takes as well: clocks that differ by less than a minute, several audiences, no name.
        ("exp", json!(now - 30), true),
        ("nbf", json!(now + 30), true),
        ("nbf", Value::Null, true),
        ("aud", json!(["another service", "the service"]), true),
        ("sub", json!(""), true),
        ("jti", Value::Null, true),
    ] {
        let verdict = tokens.verify(&with(name, value.clone()));
        assert_eq!(verdict.is_ok(), taken, "{name}: {value}: {:?}", verdict.err());
    }
}

#[test]
fn a_token_that_no_trusted_key_signed_is_invalid() {
    let (trusted, stranger) = ([Signer::ec()], Signer::ec());
    let (tokens, _folder) = trusting(&trusted);
    let trusted = &trusted[0];
    let (kid, claims) = (json!({"kid": "kid-0"}), claims(pull()));
    let good = trusted.token(&kid, &claims);
    assert!(tokens.verify(&good).is_ok());
    let parts: Vec<_> = good.split('.').collect();

    let none = message(&json!({"alg": "none", "kid": "kid-0"}), &claims);
    let header = json!({"alg": "HS256", "kid": "kid-0"});
    // The classic: the public key, which everyone has, taken for a shared secret.
    let Signer::Ec(key) = trusted else { unreachable!() };
    let confused = message(&header, &claims);
    let public = hmac::Key::new(hmac::HMAC_SHA256, key.public_key().as_ref());
    let tag = hmac::sign(&public, confused.as_bytes());
    let confused = format!("{confused}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref()));
    let mut more = claims.clone();
    more["access"] = json!([{"type": "repository", "name": "team/app", "actions": ["*"]}]);
    let other_claims = BASE64_URL_SAFE_NO_PAD.encode(more.to_string());

    for (what, token) in [
        ("nothing", String::new()),
        ("no token at all", "abc".to_owned()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{good}.x")),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("alg none", format!("{none}.")),
        ("alg none, with a signature", format!("{none}.{}", parts[2])),
        ("HS256 with the public key", confused),
        (
            "other claims under a good signature",
            format!("{}.{other_claims}.{}", parts[0], parts[2]),
        ),
        (
            "a stranger who uses a trusted name",
            stranger.token(&kid, &claims),
        ),
        (
            "a stranger who brings the key along",
            stranger.token(&json!({"jwk": stranger.jwk()}), &claims),
        ),
        (
            "a stranger who brings the key along under a trusted name",
            stranger.token(&json!({"jwk": named(&stranger, "kid-0")}), &claims),
        ),
        (
            "an unknown name",
            trusted.token(&json!({"kid": "kid-9"}), &claims),
        ),
        ("no name", trusted.token(&json!({}), &claims)),
        ("an empty name", trusted.token(&json!({"kid": ""}), &claims)),
        (
            "another algorithm than the key's",
            trusted.token(&json!({"kid": "kid-0", "alg": "RS256"}), &claims),
        ),
        (
            "a critical extension",
            trusted.token(&json!({"kid": "kid-0", "crit": ["x"], "x": 1}), &claims),
        ),
        (
            "a chain that is none",
            trusted.token(&json!({"kid": "kid-0", "x5c": ["!"]}), &claims),
        ),
    ] {
        assert!(tokens.verify(&token).is_err(), "{what} was taken");
    }
}

fn named(signer: &Signer, kid: &str) -> Value {
    let mut jwk = signer.jwk();
    jwk["kid"] = json!(kid);
    jwk
}

#[test]
fn only_the_algorithms_that_are_allowed_are_taken() {
    let signers = Signer::all();
    let (mut tokens, _folder) = trusting(&signers);
    let settings = TokenAuth {
        algorithms: vec![jsonwebtoken::Algorithm::RS256],
        ..tokens.settings.clone()
    };
    tokens = Tokens::load(&settings).unwrap().0;
    for (index, signer) in signers.iter().enumerate() {
        let token = signer.token(&json!({"kid": format!("kid-{index}")}), &claims(pull()));
        assert_eq!(
            tokens.verify(&token).is_ok(),
            signer.algorithm() == "RS256",
            "{}",
            signer.algorithm()
        );
    }
}

/// Tokens that trust what these certificates vouch for.
fn with_bundle(certificates: &str) -> (Tokens, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.pem");
    std::fs::write(&path, certificates).unwrap();
    (Tokens::load(&settings(Some(path), None)).unwrap().0, folder)
}

fn x5c(chain: &[&roadstead_pki::certificate::Certificate]) -> Value {
    let chain: Vec<_> = chain
        .iter()
        .map(|link| BASE64_STANDARD.encode(link.der()))
        .collect();
    json!({"x5c": chain})
}

#[test]
fn a_chain_in_the_header_must_lead_to_the_bundle() {
    let now = Timestamp::now();
    let authority = Authority::create("Tokens CA", DAY * 30, now).unwrap();
    let stranger = Authority::create("Tokens CA", DAY * 30, now).unwrap();
    let leaf = authority.issue_server(&["auth".to_owned()], DAY, now).unwrap();
    let forged = stranger.issue_server(&["auth".to_owned()], DAY, now).unwrap();
    let expired = authority
        .issue_server(&["auth".to_owned()], DAY, now - DAY * 3)
        .unwrap();
    let (tokens, _folder) = with_bundle(authority.certificate_pem());
    let verdict = |certificate: &ServerCertificate, header: Value| {
        tokens.verify(&Signer::of(certificate).token(&header, &claims(pull())))
    };
    verdict(&leaf, x5c(&[leaf.leaf()])).unwrap();
    verdict(&leaf, x5c(&[leaf.leaf(), authority.certificate()])).unwrap();
    verdict(
        &leaf,
        json!({"jwk": {"x5c": x5c(&[leaf.leaf()])["x5c"], "kty": "EC", "crv": "P-256", "x": "", "y": ""}}),
    )
    .unwrap();
    for (what, refused) in [
        (
            "a chain of another CA",
            verdict(&forged, x5c(&[forged.leaf(), stranger.certificate()])),
        ),
        (
            "an expired certificate",
            verdict(&expired, x5c(&[expired.leaf()])),
        ),
        (
            "somebody else's certificate",
            verdict(&forged, x5c(&[leaf.leaf()])),
        ),
        (
            "the CA's certificate, which anyone can show",
            verdict(&forged, x5c(&[authority.certificate()])),
        ),
    ] {
        assert!(refused.is_err(), "{what} was taken");
    }
}

#[test]
fn a_certificate_in_the_bundle_is_found_by_either_name_and_in_the_header() {
    let now = Timestamp::now();
    let authority = Authority::create("Tokens CA", DAY * 30, now).unwrap();
    let leaf = authority.issue_server(&["auth".to_owned()], DAY, now).unwrap();
    let (tokens, _folder) = with_bundle(&leaf.chain_pem());
    let signer = Signer::of(&leaf);
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(signer.jwk()).unwrap();
    let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).unwrap();
    for header in [
        json!({"kid": keys::libtrust_id(leaf.leaf())}),
        json!({"kid": thumbprint}),
        json!({"jwk": signer.jwk()}),
        x5c(&[leaf.leaf()]),
    ] {
        tokens
            .verify(&signer.token(&header, &claims(pull())))
            .unwrap_or_else(|error| panic!("{header}: {error}"));
    }
}

#[test]
fn a_key_has_the_name_that_registry_2_gives_it() {
    // Computed with docker/libtrust for the key of this certificate.
    let pem = include_str!("libtrust.pem");
    let certificate = roadstead_pki::certificate::parse_certificates(pem.as_bytes())
        .unwrap()
        .remove(0);
    assert_eq!(
        keys::libtrust_id(&certificate),
        include_str!("libtrust.txt").trim()
    );
}

#[test]
fn keys_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let load = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let error = Tokens::load(&settings(None, Some(path.clone()))).err();
        error.expect("it is not taken").to_string()
    };
    for (text, words) in [
        ("{}", "not a JSON Web Key Set"),
        ("not json", "not a JSON Web Key Set"),
        (r#"{"keys": []}"#, "there is no key"),
        (
            r#"{"keys": [{"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}]}"#,
            "\"shared\"",
        ),
        (
            r#"{"keys": [{"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}]}"#,
            "P-384",
        ),
    ] {
        let error = load(text);
        assert!(
            error.contains(words) && !error.contains("c2VjcmV0"),
            "{text}: {error}"
        );
    }
    let missing = Tokens::load(&settings(Some("/nowhere/ca.pem".into()), None))
        .err()
        .unwrap();
    assert!(
        missing
            .to_string()
            .starts_with("auth.token.rootcertbundle: cannot read /nowhere/ca.pem"),
        "{missing}"
    );
}

#[tokio::test]
async fn changed_keys_hold_without_a_restart_and_broken_ones_never_do() {
    let (old, new) = ([Signer::ec()], [Signer::ec()]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    write_set(&path, &old);
    let (tokens, watcher) = Tokens::load(&settings(None, Some(path.clone()))).unwrap();
    let tokens = Arc::new(tokens);
    let watching = tokio::spawn({
        let watching = Watching(vec![(Arc::clone(&tokens) as _, watcher)]);
        watching.run_every(Duration::from_millis(5))
    });
    let taken = |signer: &Signer| {
        tokens
            .verify(&signer.token(&json!({"kid": "kid-0"}), &claims(pull())))
            .is_ok()
    };
    assert!(taken(&old[0]) && !taken(&new[0]));
    write_set(&path, &new);
    while !taken(&new[0]) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!taken(&old[0]));
    std::fs::write(&path, "{}").unwrap();
    while tokens.failures() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(taken(&new[0]), "broken never replaces");
    watching.abort();
}
