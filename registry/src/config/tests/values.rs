//! What a word means, from the file and from a variable: the tables were made with registry:2's own parser (distribution
//! 2.8.2, yaml.v2). Where registry:2 refuses and this does not, the last column says so.

use super::*;

const STORAGE: &str = "version: 0.1\nstorage: {filesystem: {rootdirectory: /data}}\n";

/// From the file and from a variable, which must agree.
fn both<T: PartialEq + std::fmt::Debug>(key: &str, word: &str, of: impl Fn(Config) -> T) -> Option<T> {
    let mut text = STORAGE.to_owned();
    let parts: Vec<&str> = key.split('.').collect();
    for (depth, part) in parts.iter().enumerate() {
        text += &format!("\n{}{part}:", "  ".repeat(depth));
    }
    // `storage` is there already: the second one would replace it.
    let text = text.replace(
        "\n\nstorage:",
        "\n\nstorage:\n  filesystem: {rootdirectory: /data}",
    );
    let in_file = load(&format!("{text} {word}\n"), &[]);
    let name = format!("REGISTRY_{}", key.replace('.', "_").to_uppercase());
    let by_variable = load(STORAGE, &[(&name, word)]);
    let in_file = in_file.map(|loaded| of(loaded.config)).ok();
    let by_variable = by_variable.map(|loaded| of(loaded.config)).ok();
    assert_eq!(in_file, by_variable, "{key}: {word}");
    in_file
}

#[test]
fn flags() {
    const YES: Option<bool> = Some(true);
    const NO: Option<bool> = Some(false);
    for (word, expected) in [
        ("yes", YES),
        ("Yes", YES),
        ("YES", YES),
        ("y", YES),
        ("Y", YES),
        ("on", YES),
        ("true", YES),
        ("True", YES),
        ("on # a comment", YES),
        ("!!bool yes", YES),
        ("no", NO),
        ("n", NO),
        ("off", NO),
        ("FALSE", NO),
        ("~", NO),
        ("null", NO),
        ("", NO),
        ("yEs", None),
        ("tRue", None),
        ("t", None),
        ("1", None),
        ("0", None),
        ("enabled", None),
        ("[true]", None),
        ("{a: b}", None),
        // registry:2 refuses these, or takes them for no without a word; here they are what they say, with a warning.
        ("\"true\"", YES),
        ("'no'", NO),
        ("!!str on", YES),
    ] {
        assert_eq!(
            both("log.accesslog.disabled", word, |config| !config.log.access),
            expected,
            "{word}"
        );
        assert_eq!(
            both("storage.delete.enabled", word, |config| config.storage.delete),
            expected,
            "{word}"
        );
    }
    let quoted = warnings("storage: {delete: {enabled: 'yes'}}", &[]);
    assert_eq!(
        quoted,
        ["storage.delete.enabled: registry:2 takes no quotes here; write true (line 1)"]
    );
}

#[test]
fn numbers() {
    for (word, expected) in [
        ("3", Some(3)),
        ("0x10", Some(16)),
        ("010", Some(8)),
        ("0o10", Some(8)),
        ("1_000", Some(1000)),
        ("3.7", Some(3)),
        ("1e3", Some(1000)),
        ("+5", Some(5)),
        ("!!int '3'", Some(3)),
        // Nothing, or less than that, is the default.
        ("-1", Some(1000)),
        (".5", Some(1000)),
        ("~", Some(1000)),
        ("", Some(1000)),
        ("three", None),
        ("1,000", None),
        ("10M", None),
        ("99999999999999999999", None),
        ("yes", None),
        ("[3]", None),
        // registry:2 refuses it; here it is taken, with a warning.
        ("\"3\"", Some(3)),
    ] {
        assert_eq!(
            both("catalog.maxentries", word, |config| config.catalog_page),
            expected,
            "{word}"
        );
    }
    let health = |text: &str| {
        config(&format!("health: {{storagedriver: {{{text}}}}}"), &[])
            .health
            .unwrap()
    };
    assert_eq!(health("threshold: -3").threshold, 3);
    assert_eq!(health("threshold: 0").threshold, 3);
    assert_eq!(health("interval: 0").interval, Duration::from_secs(10));
}

#[test]
fn durations() {
    const SECOND: u64 = 1_000_000_000;
    for (word, nanoseconds) in [
        ("10s", Some(10 * SECOND)),
        ("\"10s\"", Some(10 * SECOND)),
        ("1h30m", Some(5400 * SECOND)),
        ("1.5s", Some(3 * SECOND / 2)),
        (".5s", Some(SECOND / 2)),
        ("1.s", Some(SECOND)),
        ("+5s", Some(5 * SECOND)),
        ("5us", Some(5000)),
        ("5µs", Some(5000)),
        // A bare number is one of nanoseconds, and warned of.
        ("10", Some(10)),
        ("0x10", Some(16)),
        ("1.5", Some(1)),
        ("0", Some(0)),
        ("\"0\"", Some(0)),
        ("-1s", Some(0)),
        ("\"10\"", None),
        ("1d", None),
        ("10 s", None),
        ("10S", None),
        ("1e3s", None),
        ("1m1", None),
        ("3000000h", None),
        ("yes", None),
        ("[10s]", None),
    ] {
        let found = both("http.draintimeout", word, |config| config.http.drain_timeout);
        assert_eq!(found, nanoseconds.map(Duration::from_nanos), "{word}");
    }
    let bare = warnings("http: {draintimeout: 60}", &[]);
    assert!(
        bare[0].contains("nanoseconds") && bare[0].contains("write 60s"),
        "{bare:?}"
    );
    // registry:2 panics; as nanoseconds it would purge what is being pushed.
    let age = problems("storage: {maintenance: {uploadpurging: {age: 168}}}", &[]);
    assert!(age[0].contains("write one like"), "{age:?}");
}

#[test]
fn texts() {
    for (word, expected) in [
        ("5000", Some("5000")),
        ("0123", Some("0123")),
        ("1.10", Some("1.10")),
        ("yes", Some("yes")),
        ("on", Some("on")),
        ("0x10", Some("0x10")),
        ("2001-01-01", Some("2001-01-01")),
        ("1:30", Some("1:30")),
        ("'a b'", Some("a b")),
        ("a b", Some("a b")),
        ("a #b", Some("a")),
        ("a#b", Some("a#b")),
        ("!!int 1", Some("1")),
        ("!mine b", Some("b")),
        ("\"~\"", Some("~")),
        ("[a]", None),
        ("{a: b}", None),
        ("*a", None),
        ("@a", None),
        ("`a`", None),
    ] {
        let realm = |config: Config| config.login.htpasswd.unwrap().realm;
        let text = format!("auth:\n  htpasswd:\n    path: /p\n    realm: {word}\n");
        let in_file = load(&text, &[]).ok().map(|loaded| realm(loaded.config));
        let users = "auth: {htpasswd: {path: /p}}";
        let by_variable = load(users, &[("REGISTRY_AUTH_HTPASSWD_REALM", word)]).ok();
        let by_variable = by_variable.map(|loaded| realm(loaded.config));
        assert_eq!(in_file.as_deref(), expected, "{word}");
        assert_eq!(by_variable.as_deref(), expected, "{word}");
    }
}

#[test]
fn lists() {
    let cas = |config: Config| {
        let cas = config
            .http
            .tls
            .unwrap()
            .client_auth
            .map(|client| client.cas)
            .unwrap_or_default();
        cas.iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
    };
    let tls = "http:\n  tls:\n    certificate: /c\n    key: /k\n";
    for (word, expected) in [
        ("[/a]", Some(&["/a"][..])),
        ("[/a, /b]", Some(&["/a", "/b"])),
        ("[\"/a\",]", Some(&["/a"])),
        ("[1, yes]", Some(&["1", "yes"])),
        ("/a", None),
        ("/a,/b", None),
        ("{a: b}", None),
        ("[[a]]", None),
    ] {
        let in_file = load(&format!("{tls}    clientcas: {word}\n"), &[])
            .ok()
            .map(|loaded| cas(loaded.config));
        let by_variable = load(tls, &[("REGISTRY_HTTP_TLS_CLIENTCAS", word)]).ok();
        let expected = expected.map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(in_file, expected, "{word}");
        assert_eq!(by_variable.map(|loaded| cas(loaded.config)), expected, "{word}");
    }
    let one = problems(&format!("{tls}    clientcas: /ca.pem\n"), &[]);
    assert_eq!(
        one,
        ["http.tls.clientcas: a list is expected; write [/ca.pem] (line 5)"]
    );
    let block = load(tls, &[("REGISTRY_HTTP_TLS_CLIENTCAS", "- /a\n- /b")]).unwrap();
    assert_eq!(cas(block.config), ["/a", "/b"]);
}

#[test]
fn maps_in_variables() {
    let by = |name: &str, value: &str| config(STORAGE, &[(name, value)]);
    assert!(by("REGISTRY_STORAGE_DELETE", "{enabled: yes}").storage.delete);
    assert!(
        by("REGISTRY_STORAGE_MAINTENANCE_READONLY", "{\"enabled\":true}")
            .storage
            .read_only
    );
    assert_eq!(by("REGISTRY_HTTP_HEADERS", "{X-A: [a]}").http.headers["x-a"], "a");
    assert_eq!(by("REGISTRY_LOG_FIELDS", "{a: 1}").log.fields["a"], 1);
    let storage = by("REGISTRY_STORAGE", "{filesystem: {rootdirectory: /x}}").storage;
    assert_eq!(storage.root, Path::new("/x"));
    let tls = by("REGISTRY_HTTP_TLS", "{certificate: /c, key: /k}").http.tls;
    assert_eq!(tls.unwrap().primary.key, Path::new("/k"));
    let login = by("REGISTRY_AUTH", "{htpasswd: {realm: r, path: /p}}").login;
    assert!(login.htpasswd.is_some());
    // Go's field has another name than the key.
    for name in ["EVENTCONFIG", "EVENTS"] {
        let name = format!("REGISTRY_NOTIFICATIONS_{name}_INCLUDEREFERENCES");
        assert!(by(&name, "yes").notifications.include_references, "{name}");
    }
    let refused = problems(STORAGE, &[("REGISTRY_HTTP", "x"), ("REGISTRY_LOG_LEVEL", "[a]")]);
    assert_eq!(refused.len(), 2, "{refused:?}");
}

#[test]
fn fields_of_the_log_keep_their_types() {
    let variables = [
        ("REGISTRY_LOG_FIELDS_K", "on"),
        ("REGISTRY_LOG_FIELDS_L", "[a, 1]"),
    ];
    let text = "log: {fields: {a: b, c: 3, d: yes, e: [f, ~], g: {h: 1.5}, i: ~, j: '7', m: .inf, n: 0123}}";
    let expected = serde_json::json!({
        "a": "b", "c": 3, "d": true, "e": ["f", null], "g": {"h": 1.5}, "j": "7", "k": true, "l": ["a", 1], "m": "+Inf",
        "n": 83,
    });
    let fields = config(text, &variables).log.fields;
    assert_eq!(serde_json::Value::from_iter(fields), expected);
}

#[test]
fn a_key_that_is_written_twice_counts_as_for_registry_2() {
    // Sections and names are taken together.
    let text = "
version: 0.1
storage: filesystem
http:
  addr: :1
  tls: {certificate: /c}
  headers: {X-A: [a]}
  headers: {X-B: [b]}
http:
  addr: :2
  tls: {key: /k}
";
    let loaded = load(text, &[]).unwrap();
    let http = loaded.config.http;
    assert_eq!(http.listen.to_string(), ":2");
    assert!(http.tls.is_some() && http.headers.len() == 2);
    let told: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "http.headers: written twice (first: line 7); both count, and the second where they differ (line 8)",
            "http: written twice (first: line 4); both count, and the second where they differ (line 9)",
        ]
    );
    assert!(loaded.warnings.iter().all(Warning::is_mistake));
    // What chooses a kind, a list and a value are replaced.
    let storage = "storage: {filesystem: {rootdirectory: /a}}\nstorage: {filesystem: {directio: off}}";
    assert_eq!(config(storage, &[]).storage.root, Path::new("/var/lib/registry"));
    let auth = "auth: {htpasswd: {path: /a, realm: r}}\nauth: {htpasswd: {path: /b}}";
    let htpasswd = Htpasswd {
        path: "/b".into(),
        realm: "Registry".to_owned(),
    };
    assert_eq!(config(auth, &[]).login.htpasswd, Some(htpasswd));
    assert_eq!(
        config("http: {addr: ':1', addr: ':2'}", &[])
            .http
            .listen
            .to_string(),
        ":2"
    );
}

#[test]
fn a_second_key_does_not_open_what_the_first_one_shut() {
    let htpasswd = "auth: {htpasswd: {path: /a}}\n";
    for text in [
        "auth:".to_owned(),
        "auth: ''".to_owned(),
        "access: {rules: []}\naccess: {rules: []}".to_owned(),
        "http: {tls: {certificate: /c, key: /k}}\nhttp:".to_owned(),
        "http: {tls: {certificate: /c, key: /k}, tls: }".to_owned(),
    ] {
        let told = problems(&format!("{htpasswd}{text}"), &[]);
        assert!(
            told.iter().any(|problem| problem.contains("written twice")),
            "{text}: {told:?}"
        );
    }
}

#[test]
fn sections_are_merged_in_the_order_of_the_text() {
    let prefix = |http: &str| {
        let text = format!("x-a: &a {{addr: ':1', prefix: /m}}\nx-b: &b {{prefix: /b}}\nhttp:\n{http}");
        config(&text, &[]).http.prefix
    };
    assert_eq!(prefix("  <<: *a\n  prefix: /own\n"), "/own/");
    assert_eq!(prefix("  prefix: /own\n  <<: *a\n"), "/m/");
    assert_eq!(prefix("  <<: [*b, *a]\n"), "/b/");
}

#[test]
fn aliases_cannot_grow_without_end() {
    let mut text = "a: &a0 [x]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("b{level}: &a{level} [{below}]\n");
    }
    let told = problems(&text, &[]);
    assert!(
        told.iter().any(|problem| problem.contains("repeat too much")),
        "{told:?}"
    );
}

#[test]
fn a_file_may_be_written_by_windows() {
    let text = "version: 0.1\r\nhttp:\r\n  addr: :7000\r\n";
    let with_mark: Vec<u8> = [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat();
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yml");
    for bytes in [with_mark, utf16] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(
            super::super::load(&path).unwrap().config.http.listen.to_string(),
            ":7000"
        );
    }
    std::fs::write(&path, b"a: \xff").unwrap();
    assert!(
        super::super::load(&path)
            .unwrap_err()
            .to_string()
            .contains("not UTF-8")
    );
}

#[test]
fn everything_is_told_at_once_with_its_line() {
    let text = "version: 0.1
storage: {filesystem: {rootdirectory: /data}}
http:
  adr: :5000
  relativeurls: maybe
  draintimeout: soon
  net: udp
  tls: {certificate: [/c], key: /k, clientca: [/ca]}
catalog: {maxentries: many}
middleware: {storage: [{name: a}]}
auth: {htpasswd: {realm: r}}
";
    let variables = [("REGISTRY_HTTP_PREFIX", "/a//b"), ("REGISTRY_LOG_LEVEL", "loud")];
    insta::assert_snapshot!(problems(text, &variables).join("\n"));
}

#[test]
fn what_is_no_yaml_is_told_by_its_line() {
    let told = problems("version: 0.1\nhttp:\n\taddr: :5000\n", &[]);
    assert_eq!(
        told,
        ["line 3: not valid YAML: the line is indented with a tab, which YAML does not take; use spaces"]
    );
    let second = warnings("version: 0.1\n---\nauth: {htpasswd: {path: /p}}\n", &[]);
    assert!(
        second[0].starts_with("line 3: a second YAML document"),
        "{second:?}"
    );
}
