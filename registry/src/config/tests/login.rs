//! How people say who they are, and the TLS around it.

use super::*;

#[test]
fn a_token_server_is_described_as_for_registry_2_and_3() {
    let text = "
auth:
  token:
    realm: https://auth.example.com/token
    service: registry.example.com
    issuer: Auth
    rootcertbundle: /certs/auth.crt
";
    let Some(token) = config(text, &[]).login.token else {
        panic!("a token server is asked for")
    };
    assert_eq!(token.realm, "https://auth.example.com/token");
    assert_eq!(token.redirect_path, None);
    assert_eq!(token.algorithms.len(), 9, "all but the symmetric ones");
    let more = [
        ("REGISTRY_AUTH_TOKEN_JWKS", "/certs/jwks.json"),
        ("REGISTRY_AUTH_TOKEN_AUTOREDIRECT", "true"),
        ("REGISTRY_AUTH_TOKEN_SIGNINGALGORITHMS", "[RS256]"),
    ];
    let Some(token) = config(text, &more).login.token else {
        panic!("a token server is asked for")
    };
    assert_eq!(token.jwks.as_deref(), Some(Path::new("/certs/jwks.json")));
    assert_eq!(token.redirect_path.as_deref(), Some("/auth/token"));
    assert_eq!(token.algorithms, [jsonwebtoken::Algorithm::RS256]);
}

#[test]
fn users_and_a_token_server_may_stand_beside_one_another() {
    let text = "auth: {htpasswd: {path: /h}, token: {realm: r, service: s, issuer: i, jwks: /j}}";
    let login = config(text, &[]).login;
    assert!(login.htpasswd.is_some() && login.token.is_some());
    // One that is wrong must not leave the other alone at the door.
    let broken = text.replace("issuer: i, ", "");
    assert!(problems(&broken, &[])[0].starts_with("auth.token.issuer: missing"));
}

#[test]
fn what_a_token_server_lacks_is_named() {
    let whole = "auth: {token: {realm: r, service: s, issuer: i, jwks: /j}}";
    for (from, to, key) in [
        ("realm: r, ", "", "auth.token.realm: missing"),
        ("service: s, ", "", "auth.token.service: missing"),
        ("issuer: i, ", "", "auth.token.issuer: missing"),
        (", jwks: /j", "", "auth.token: nothing can verify a token"),
        (
            "jwks: /j",
            "jwks: /j, signingalgorithms: [HS256]",
            "auth.token.signingalgorithms.0: \"HS256\" needs a secret",
        ),
        (
            "jwks: /j",
            "jwks: /j, signingalgorithms: [none]",
            "auth.token.signingalgorithms.0: \"none\" is not one of RS256",
        ),
    ] {
        let found = problems(&whole.replace(from, to), &[]);
        assert!(found.len() == 1 && found[0].starts_with(key), "{key}: {found:?}");
    }
}

#[test]
fn client_certificates_are_required_unless_they_are_said_to_be_optional() {
    let modes = |mode: &str| {
        let text = format!("http: {{tls: {{certificate: /c, key: /k, clientcas: [/ca]{mode}}}}}");
        load(&text, &[]).map(|loaded| {
            let client = loaded.config.client_auth().cloned().expect("CAs are given");
            (client.required, client.logs_in)
        })
    };
    for (mode, expected) in [
        ("", (true, false)),
        (", clientauth: required", (true, false)),
        (", clientauth: require-and-verify-client-cert", (true, false)),
        (", clientauth: optional", (false, true)),
        // registry:3's own word: there the password is still asked for.
        (", clientauth: verify-client-cert-if-given", (false, false)),
    ] {
        assert_eq!(modes(mode).unwrap(), expected, "{mode}");
    }
    for mode in ["request-client-cert", "require-any-client-cert", "perhaps"] {
        assert!(modes(&format!(", clientauth: {mode}")).is_err(), "{mode}");
    }
    let without_cas = "http: {tls: {certificate: /c, key: /k, clientauth: required}}";
    assert!(problems(without_cas, &[])[0].starts_with("http.tls.clientcas: missing"));
}

#[test]
fn cipher_suites_are_chosen_by_their_names_in_go() {
    let suites = |names: &str, more: &str| {
        let text = format!("http: {{tls: {{certificate: /c, key: /k, ciphersuites: [{names}]{more}}}}}");
        load(&text, &[]).map(|loaded| loaded.config.http.tls.unwrap().cipher_suites)
    };
    use rustls::CipherSuite as S;
    assert_eq!(
        suites(
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA",
            ""
        )
        .unwrap(),
        Some(vec![S::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256])
    );
    assert_eq!(
        suites("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "").unwrap(),
        Some(vec![S::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256])
    );
    assert!(
        suites("TLS_RSA_WITH_AES_128_CBC_SHA", "").is_err(),
        "nothing would be left"
    );
    assert_eq!(
        suites("TLS_RSA_WITH_AES_128_CBC_SHA", ", minimumtls: tls1.3").unwrap(),
        None
    );
}

#[test]
fn rules_need_somebody_to_tell_apart() {
    let rules = "access: {rules: [{users: ['*'], repositories: ['**'], actions: [pull]}]}";
    assert!(problems(rules, &[])[0].contains("auth.htpasswd"));
    let with_users = [("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd")];
    assert!(config(rules, &with_users).access.is_some());
}

/// A registry that was meant to ask for a password must not let everyone in because of a slip.
#[test]
fn what_says_who_gets_in_is_understood_or_the_server_does_not_start() {
    let htpasswd = [("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd")];
    for (text, variables, expected) in [
        ("auth: {htpasswd: }", &[][..], "auth.htpasswd: nothing is given"),
        ("auth: {token: }", &[], "auth.token: nothing is given"),
        (
            "auth: {htpasswd: , realm: basic, path: /auth/htpasswd}",
            &[],
            "auth.path: there is no such key",
        ),
        (
            "auth: {htpassword: {realm: r, path: /p}}",
            &[],
            "auth.htpassword: there is no such key; did you mean auth.htpasswd?",
        ),
        ("auth: ldap", &[], "auth.ldap: there is no such key"),
        (
            "",
            &[("REGISTRY_AUTH", "HTPASSWD")],
            "auth.HTPASSWD: there is no such key; did you mean auth.htpasswd?",
        ),
        (
            "",
            &[("REGISTRY_AUTH_HTPASWD_PATH", "/auth/htpasswd")],
            "REGISTRY_AUTH_HTPASWD_PATH: names no key, and everyone might get in; did you mean REGISTRY_AUTH_HTPASSWD_PATH?",
        ),
        ("access: ", &htpasswd, "access.rules: no rule is given"),
        ("access: {rules: }", &htpasswd, "access.rules: nothing is given"),
        ("access: {rules: []}", &htpasswd, "access.rules: no rule is given"),
        (
            "access: {rule: []}",
            &htpasswd,
            "access.rule: there is no such key; did you mean access.rules?",
        ),
        (
            "access: {rules: [{users: [a], repositories: [b], action: [pull]}]}",
            &htpasswd,
            "access.rules.0.action: there is no such key; did you mean access.rules.0.actions?",
        ),
    ] {
        let found = problems(text, variables);
        assert!(
            found.iter().any(|problem| problem.starts_with(expected)),
            "{text}: {found:#?}"
        );
    }
}

#[test]
fn a_registry_for_everyone_is_asked_for_by_name() {
    let missing = |auth: &str| -> Vec<_> {
        let loaded = load(&format!("version: 0.1\nstorage: filesystem\n{auth}"), &[]).unwrap();
        assert!(loaded.config.login.is_none(), "{auth}");
        loaded.missing.iter().map(ToString::to_string).collect()
    };
    for meant in ["", "auth: none", "auth: {none: }"] {
        assert!(missing(meant).is_empty(), "{meant}");
    }
    for begun in ["auth:", "auth: {}", "auth: ''"] {
        let told = missing(begun);
        assert!(
            told.len() == 1 && told[0].starts_with("auth: missing"),
            "{begun}: {told:?}"
        );
    }
}
