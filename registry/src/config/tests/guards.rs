//! Keys whose loss lets people in or takes encryption away: a slip in one keeps the server from starting.

use super::super::schema::{self, Node};
use super::*;

/// Every guarded key of the schema: the name of a gate, and what lies below one.
fn guarded(node: &'static Node, path: &str, in_gate: bool, found: &mut Vec<String>) {
    let in_gate = in_gate || matches!(node, Node::Gate(_));
    if !path.is_empty() && (in_gate || node.is_guarded()) {
        found.push(path.to_owned());
    }
    match node.inner() {
        Node::Group(known) | Node::Choice(known) => {
            for (name, child) in *known {
                let path = if path.is_empty() {
                    (*name).to_owned()
                } else {
                    format!("{path}.{name}")
                };
                guarded(child, &path, in_gate, found);
            }
        }
        Node::List(item) => guarded(item, &format!("{path}.0"), in_gate, found),
        _ => {}
    }
}

/// With its last letters exchanged, or the last but one.
fn misspelt(name: &str) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    let last = letters.len() - 1;
    letters.swap(last, last - 1);
    if letters.iter().collect::<String>() == name {
        letters.remove(last);
    }
    letters.into_iter().collect()
}

/// A file in which the last part of the path is misspelt.
fn text(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    let mut text = "{a: b}".to_owned();
    for (depth, part) in parts.iter().enumerate().rev() {
        let part = if depth == parts.len() - 1 {
            misspelt(part)
        } else {
            (*part).to_owned()
        };
        text = if part == "0" {
            format!("[{text}]")
        } else {
            format!("{{{part}: {text}}}")
        };
    }
    text
}

#[test]
fn the_keys_whose_loss_opens_a_door_are_these() {
    let mut found = Vec::new();
    guarded(&schema::ROOT, "", false, &mut found);
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn a_slip_in_any_of_them_keeps_the_server_from_starting() {
    let mut found = Vec::new();
    guarded(&schema::ROOT, "", false, &mut found);
    for path in found.iter().filter(|path| !path.ends_with(".0")) {
        let told = problems(&text(path), &[]);
        let at = path
            .rsplit_once('.')
            .map_or(String::new(), |(parent, _)| format!("{parent}."));
        let slip = format!(
            "{at}{}: there is no such key",
            misspelt(path.rsplit('.').next().unwrap())
        );
        assert!(
            told.iter().any(|problem| problem.starts_with(&slip)),
            "{path}: {told:#?}"
        );
    }
}

#[test]
fn slips_of_other_kinds_keep_the_server_from_starting() {
    for text in [
        // In capitals, with a dash, longer.
        "Http: {tls: {certificate: /c, key: /k}}",
        "http: {TLS: {certificate: /c, key: /k}}",
        "http: {tls: {client-cas: [/ca], certificate: /c, key: /k}}",
        "http: {address: '127.0.0.1:5000'}",
        "AUTH: {htpasswd: {path: /p}}",
        "storage: {maintenance: {read_only: {enabled: true}}}",
        // Indented too little or too much, or under another name.
        "tls: {certificate: /c, key: /k}",
        "http: {certificate: /c, key: /k}",
        "http: {clientcas: [/ca]}",
        "http: {ssl: {certificate: /c, key: /k}}",
        "htpasswd: {realm: r, path: /p}",
        "storage: {readonly: {enabled: true}}",
        "http: {auth: {htpasswd: {path: /p}}}",
        "storage: {filesystem: {readonly: {enabled: true}}}",
        // Begun and left.
        "http: {tls: {certificate: /c, key: /k, clientcas: }}",
        "http: {tls: {certificate: , key: }}",
        "storage: {maintenance: {readonly: }}",
        "http: {tls: {certificate: /c, key: /k, clientcas: []}}",
        "http: {tls: {certificate: '', key: ''}}",
        "http: {tls: {certificate: /c, key: /k, minimumtls: ''}}",
        "storage: {maintenance: {readonly: {}}}",
    ] {
        assert!(load(text, &[]).is_err(), "{text}");
    }
    for (name, value) in [
        ("REGISTRY_HTTP_TSL_CERTIFICATE", "/c"),
        ("REGISTRY_HTTP_TLS_CLIENTCA", "[/ca]"),
        ("REGISTRY_HTTP_CLIENTCAS", "[/ca]"),
        ("REGISTRY_TLS_CERTIFICATE", "/c"),
        ("REGISTRY_HTTP_ADRR", "127.0.0.1:5000"),
        ("REGISTRY_STORAGE_MAINTENANCE_READONY_ENABLED", "true"),
        ("REGISTRY_AUHT_HTPASSWD_PATH", "/p"),
        ("REGISTRY_PROXY_REMOTEULR", "https://mirror"),
    ] {
        assert!(load("version: 0.1", &[(name, value)]).is_err(), "{name}");
    }
}

#[test]
fn what_opens_nothing_only_warns() {
    for text in [
        "http: {headrs: {X-A: [a]}}",
        "storage: {delet: {enabled: true}}",
        "log: {levle: debug}",
        "database: {enabled: true, host: x}",
        "x-tls: &tls {certificate: /c, key: /k}\nhttp: {tls: *tls}",
    ] {
        assert!(load(text, &[]).is_ok(), "{text}: {:?}", problems(text, &[]));
    }
    let others = [
        ("REGISTRY_USERNAME", "me"),
        ("REGISTRY_TOKEN", "t"),
        ("REGISTRY_URL", "https://x"),
    ];
    assert_eq!(load("version: 0.1", &others).unwrap().warnings.len(), 3);
}

#[test]
fn an_empty_variable_does_not_take_a_door_away() {
    let text =
        "auth: {htpasswd: {realm: r, path: /p}}\nhttp: {tls: {certificate: /c, key: /k, clientcas: [/ca]}}";
    for name in [
        "REGISTRY_AUTH",
        "REGISTRY_HTTP_TLS",
        "REGISTRY_HTTP_TLS_CERTIFICATE",
        "REGISTRY_HTTP_TLS_CLIENTCAS",
    ] {
        let told = problems(text, &[(name, "")]);
        assert!(told[0].starts_with(&format!("{name}: it is empty")), "{told:?}");
    }
    // Where there was nothing, nothing is taken away: compose files have such lines.
    let nothing = [
        ("REGISTRY_HTTP_TLS_CERTIFICATE", ""),
        ("REGISTRY_HTTP_TLS_KEY", ""),
    ];
    assert!(config("version: 0.1", &nothing).http.tls.is_none());
}

#[test]
fn a_variable_for_a_whole_section_does_not_take_a_door_away() {
    let text = "storage: {filesystem: {rootdirectory: /r}, maintenance: {readonly: {enabled: true}}}\n\
                auth: {htpasswd: {realm: r, path: /p}}\n\
                http: {addr: '127.0.0.1:5000', tls: {certificate: /c, key: /k, clientcas: [/ca]}}";
    for (name, value, lost) in [
        ("REGISTRY_HTTP", "{addr: ':5000'}", "http.tls"),
        (
            "REGISTRY_HTTP",
            "{tls: {certificate: /c, key: /k, clientcas: [/ca]}}",
            "http.addr",
        ),
        (
            "REGISTRY_HTTP_TLS",
            "{certificate: /d, key: /e}",
            "http.tls.clientcas",
        ),
        ("REGISTRY_STORAGE", "filesystem", "storage.maintenance"),
    ] {
        let told = problems(text, &[(name, value)]);
        assert!(
            told.iter()
                .any(|told| told.contains(&format!("leaves out {lost},"))),
            "{told:?}"
        );
    }
    for (name, value) in [
        ("REGISTRY_HTTP_TLS", "{certificate: /d, key: /e, clientcas: [/b]}"),
        (
            "REGISTRY_AUTH",
            "{token: {realm: 'https://a', service: s, issuer: i, jwks: /j}}",
        ),
    ] {
        assert!(
            load(text, &[(name, value)]).is_ok(),
            "{:?}",
            problems(text, &[(name, value)])
        );
    }
}

#[test]
fn a_merge_behind_a_key_does_not_take_a_door_away_in_silence() {
    let text = |merged: &str| {
        format!(
            "x-tls: &tls {merged}\nhttp: {{tls: {{certificate: /c, key: /k, minimumtls: tls1.3, <<: *tls}}}}"
        )
    };
    assert!(load(&text("{minimumtls: ''}"), &[]).is_err());
    let warned = warnings(&text("{minimumtls: tls1.2}"), &[]);
    assert!(
        warned
            .iter()
            .any(|warning| warning.starts_with("http.tls.minimumtls: written twice")),
        "{warned:?}"
    );
}

#[test]
fn merges_that_repeat_too_much_are_told() {
    let mut text = "x-0: &a0 {levle: info}\n".to_owned();
    for depth in 1..40 {
        let below = depth - 1;
        text += &format!("x-{depth}: &a{depth} {{<<: [*a{below}, *a{below}]}}\n");
    }
    let told = problems(&(text + "log: *a39"), &[]);
    assert!(
        told.iter()
            .any(|told| told.contains("the aliases repeat too much")),
        "{told:?}"
    );
}

/// Kubernetes and docker set them beside Services and containers called `registry-…`.
#[test]
fn variables_of_services_change_nothing() {
    let keys = [
        "",
        "_HTTP",
        "_HTTP_TLS",
        "_HTTP_TLS_CLIENTCAS",
        "_HTTP_HEADERS",
        "_LOG",
        "_LOG_FIELDS",
        "_STORAGE",
        "_STORAGE_S3",
        "_STORAGE_INMEMORY",
        "_MIDDLEWARE",
        "_PROXY",
        "_REDIS",
        "_AUTH",
        "_AUTH_TOKEN",
        "_ACCESS",
        "_NOTIFICATIONS_ENDPOINTS",
        "_HEALTH",
        "_2",
        "_CACHE",
        "_CONFIGURATION",
        "_VALIDATION_MANIFESTS_URLS",
        "_STORAGE_MAINTENANCE_READONLY",
    ];
    let plain = format!("{:?}", config(IMAGE_DEFAULT, &[]));
    for key in keys {
        let variables = [
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "5000"),
            ("SERVICE_PORT_HTTP", "5000"),
            ("PORT", "tcp://10.0.0.1:5000"),
            ("PORT_5000_TCP", "tcp://10.0.0.1:5000"),
            ("PORT_5000_TCP_PROTO", "tcp"),
            ("PORT_5000_TCP_PORT", "5000"),
            ("PORT_5000_TCP_ADDR", "10.0.0.1"),
            ("NAME", "/web/registry"),
            ("ENV_REGISTRY_VERSION", "2"),
        ];
        let variables: Vec<_> = variables
            .map(|(name, value)| (format!("REGISTRY{key}_{name}"), value))
            .into();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        let loaded = load(IMAGE_DEFAULT, &variables).unwrap_or_else(|problems| panic!("{key}: {problems}"));
        assert_eq!(format!("{:?}", loaded.config), plain, "{key}");
        assert_eq!(loaded.warnings.len(), 1, "{key}: {:?}", loaded.warnings);
    }
}
