//! Configurations as people write them, and what becomes of them.

mod endpoints;
mod guards;
mod login;
mod slips;
mod values;

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::auth::Htpasswd;

/// What the image of registry:2 carries.
const IMAGE_DEFAULT: &str = r"
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
";

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    parse(text, variables)
}

fn config(text: &str, variables: &[(&str, &str)]) -> Config {
    load(text, variables).unwrap().config
}

fn warnings(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    load(text, variables)
        .unwrap()
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn problems(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    load(text, variables)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_default_of_registry_2_means_what_it_meant() {
    let config = config(IMAGE_DEFAULT, &[]);
    assert_eq!(config.storage.root, Path::new("/var/lib/registry"));
    assert_eq!(config.http.listen.to_string(), ":5000");
    assert_eq!(config.http.headers["x-content-type-options"], "nosniff");
    assert_eq!(config.log.fields["service"], "registry");
    assert_eq!(
        config.health,
        Some(Health {
            interval: Duration::from_secs(10),
            threshold: 3
        })
    );
    assert!(config.http.tls.is_none() && config.login.is_none() && !config.storage.delete);
    assert_eq!(
        warnings(IMAGE_DEFAULT, &[]),
        ["these keys are not needed here and have no effect: storage.cache"]
    );
}

#[test]
fn an_empty_file_is_a_plain_registry() {
    let config = config("", &[]);
    assert_eq!(config.http.prefix, "/");
    assert_eq!(config.http.drain_timeout, Duration::from_secs(30));
    assert_eq!(
        config.storage.upload_purging,
        Some(UploadPurging {
            age: Duration::from_secs(168 * 3600),
            interval: Duration::from_secs(24 * 3600),
            dry_run: false
        })
    );
}

#[test]
fn the_variables_of_the_field_guide_give_tls_and_passwords() {
    let config = config(
        IMAGE_DEFAULT,
        &[
            ("REGISTRY_HTTP_TLS_CERTIFICATE", "/certs/NAME.crt"),
            ("REGISTRY_HTTP_TLS_KEY", "/certs/NAME.key"),
            ("REGISTRY_AUTH", "htpasswd"),
            ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd"),
            ("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm"),
        ],
    );
    assert_eq!(config.http.tls.unwrap().primary.key, Path::new("/certs/NAME.key"));
    let htpasswd = Htpasswd {
        path: "/auth/htpasswd".into(),
        realm: "Registry Realm".to_owned(),
    };
    assert_eq!(config.login.htpasswd, Some(htpasswd));
}

#[test]
fn variables_follow_the_rules_of_registry_2() {
    let config = config(
        IMAGE_DEFAULT,
        &[
            ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/data"),
            ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
            ("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED", "false"),
            ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "{enabled: true}"),
            ("REGISTRY_HTTP_ADDR", "0.0.0.0:443"),
            ("REGISTRY_HTTP_HEADERS_X-Content-Type-Options", "[a, b]"),
            ("REGISTRY_HTTP_TLS_CERTIFICATE", "/c"),
            ("REGISTRY_HTTP_TLS_KEY", "/k"),
            ("REGISTRY_HTTP_TLS_CLIENTCAS_0", "/ca0"),
            ("REGISTRY_HTTP_TLS_CLIENTCAS_1", "/ca1"),
            ("REGISTRY_HTTP_TLS_CERTIFICATES_0_CERTIFICATE", "/c2"),
            ("REGISTRY_HTTP_TLS_CERTIFICATES_0_KEY", "/k2"),
            ("REGISTRY_LOG_LEVEL", "debug"),
            ("REGISTRY_LOG_FIELDS_ENVIRONMENT", "0123"),
        ],
    );
    assert_eq!(config.storage.root, Path::new("/data"));
    assert!(config.storage.delete && config.storage.read_only);
    assert_eq!(config.storage.upload_purging, None);
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:443");
    assert_eq!(
        config
            .http
            .headers
            .get_all("x-content-type-options")
            .iter()
            .count(),
        2
    );
    let tls = config.http.tls.unwrap();
    let client = tls.client_auth.unwrap();
    assert_eq!(client.cas, [Path::new("/ca0"), Path::new("/ca1")]);
    assert!(client.required && !client.logs_in);
    assert_eq!(tls.others[0].files.key, Path::new("/k2"));
    assert_eq!(config.log.level, tracing::Level::DEBUG);
    assert_eq!(config.log.fields["environment"], 83);
}

#[test]
fn a_shorter_variable_comes_before_a_longer_one_and_replaces_the_section() {
    let text = "auth: {htpasswd: {realm: old, path: /old}}";
    let config = config(
        text,
        &[
            ("REGISTRY_AUTH_HTPASSWD_PATH", "/new"),
            ("REGISTRY_AUTH", "htpasswd"),
        ],
    );
    assert_eq!(
        config.login.htpasswd,
        Some(Htpasswd {
            path: "/new".into(),
            realm: "Registry".to_owned()
        })
    );
}

#[test]
fn variables_that_cannot_be_meant_are_named() {
    let found = problems(
        "version: 0.1",
        &[
            ("REGISTRY_HTTP_TLS_CLIENTCAS_FIRST", "/ca"),
            ("REGISTRY_HTTP_TLS_CERTIFICATES_3_KEY", "/k"),
            ("REGISTRY_LOG_LEVEL", "\"unclosed"),
        ],
    );
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn keys_without_effect_are_named_in_one_warning() {
    let text = "
http: {secret: s3cr3t}
redis: {addr: 'redis:6379', password: p}
storage: {cache: {blobdescriptor: redis}, redirect: {disable: true}}
";
    assert_eq!(
        warnings(text, &[("REGISTRY_HTTP_SECRET", "hunter2")]),
        [
            "these keys are not needed here and have no effect: http.secret, redis, storage.cache, storage.redirect"
        ]
    );
}

#[test]
fn keys_whose_meaning_would_be_lost_are_refused_with_the_way_out() {
    let text = "
storage: {azure: {container: b}}
proxy: {remoteurl: 'https://mirror'}
middleware: {storage: [{name: cloudfront}]}
http: {tls: {letsencrypt: {email: a@b.c}}}
health: {file: [{file: /tmp/down}]}
validation: {manifests: {urls: {deny: [x]}}}
";
    insta::assert_snapshot!(problems(text, &[]).join("\n"));
}

#[test]
fn a_refused_kind_is_asked_for_by_its_name_alone() {
    for (text, variables) in [
        ("storage: inmemory", &[][..]),
        ("storage: {inmemory: }", &[]),
        ("storage: {filesystem: }", &[("REGISTRY_STORAGE_S3_BUCKET", "b")]),
        ("auth: silly", &[]),
        ("", &[("REGISTRY_STORAGE", "inmemory")]),
        ("", &[("REGISTRY_PROXY_REMOTEURL", "https://m")]),
    ] {
        assert_eq!(problems(text, variables).len(), 1, "{text} {variables:?}");
    }
}

#[test]
fn a_bucket_is_asked_for_by_its_name_alone_and_no_other_store_is_taken() {
    for (text, variables) in [
        ("storage: {s3: }", &[][..]),
        ("storage: {s3aws: }", &[]),
        ("storage:\n  s3:\n  bucket: images\n  region: eu-west-1", &[]),
        (
            "storage: {delete: {enabled: true}}",
            &[("REGISTRY_STORAGE", "s3")],
        ),
    ] {
        let problems = problems(text, variables).join("\n");
        for key in ["storage.s3.bucket", "storage.s3.region"] {
            assert!(problems.contains(key), "{text:?} {variables:?}: {problems}");
        }
    }
}

#[test]
fn a_refused_key_that_says_nothing_is_not_refused() {
    let text = "
proxy: {remoteurl: ''}
notifications: {endpoints: []}
middleware:
health: {http: }
http: {tls: {letsencrypt: {email: '', cachefile: ''}}}
";
    assert_eq!(warnings(text, &[]), [] as [&str; 0]);
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let text = "
log: {level: loud, formatter: xml}
storage: {filesystem: {directio: maybe}, maintenance: {uploadpurging: {age: 1d}}}
http:
  addr: nowhere
  net: udp
  prefix: /a//b/
  host: registry.example.com
  draintimeout: soon
  headers: {'bad name': [x], X-Ok: [\"a\\nb\"]}
  tls: {key: /k, minimumtls: ssl3}
  debug: {addr: ':5001', prometheus: {path: metrics}}
auth: {htpasswd: {realm: r}}
access: {rules: [{users: ['*'], repositories: ['[a-z]'], actions: [pull]}]}
validation: {manifests: {missing: maybe}}
";
    insta::assert_snapshot!(problems(text, &[]).join("\n"));
}

#[test]
fn direct_io_is_understood_also_where_on_and_off_are_booleans() {
    let direct_io = |word: &str| {
        let text = format!("storage: {{filesystem: {{directio: {word}}}}}");
        config(&text, &[]).storage.direct_io
    };
    assert_eq!(config("", &[]).storage.direct_io, DirectIo::Auto);
    for (word, expected) in [
        ("auto", DirectIo::Auto),
        ("on", DirectIo::On),
        ("true", DirectIo::On),
        ("off", DirectIo::Off),
        ("false", DirectIo::Off),
    ] {
        assert_eq!(direct_io(word), expected, "{word}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_named_by_its_key() {
    for (text, key) in [
        ("storage: {delete: {enabled: perhaps}}", "storage.delete.enabled"),
        (
            "http: {tls: {certificates: {certificate: /c}}}",
            "http.tls.certificates",
        ),
        ("access: {rules: [{users: 7}]}", "access.rules.0.users"),
        ("version: 0.2", "version"),
        ("[1, 2]", "configuration"),
    ] {
        let found = problems(text, &[]);
        assert!(found[0].starts_with(key), "{text}: {found:?}");
    }
}

#[test]
fn locations_are_as_registry_2_makes_them_where_anything_is_written() {
    let below = Locations::Below("https://registry.example.com".to_owned());
    for (text, expected) in [
        ("", Locations::WhereCertain),
        ("relativeurls: true", Locations::Relative),
        ("relativeurls: false", Locations::Asked),
        ("host: 'https://registry.example.com/'", below.clone()),
        ("host: 'https://registry.example.com', relativeurls: true", below),
    ] {
        assert_eq!(
            config(&format!("http: {{{text}}}"), &[]).http.locations,
            expected,
            "{text}"
        );
    }
    assert_eq!(config("http: {prefix: /registry}", &[]).http.prefix, "/registry/");
}

#[test]
fn the_admin_port_serves_metrics_unless_told_otherwise() {
    let admin = |text: &str| config(text, &[]).http.admin;
    assert!(admin("").is_none());
    assert_eq!(
        admin("http: {debug: {addr: ':5001'}}")
            .unwrap()
            .metrics_path
            .unwrap(),
        "/metrics"
    );
    let off = "http: {debug: {addr: ':5001', prometheus: {enabled: false}}}";
    assert_eq!(admin(off).unwrap().metrics_path, None);
    for (text, expected) in [
        ("", Names::Both),
        ("names: both", Names::Both),
        ("names: roadstead", Names::Roadstead),
        ("names: registry", Names::Registry2),
    ] {
        let text = format!("http: {{debug: {{addr: ':5001', prometheus: {{{text}}}}}}}");
        assert_eq!(admin(&text).unwrap().metrics_names, expected, "{text}");
    }
    let odd = "http: {debug: {addr: ':5001', prometheus: {names: grafana}}}";
    assert!(problems(odd, &[])[0].starts_with("http.debug.prometheus.names"));
}

#[test]
fn a_secret_never_stands_in_a_warning_or_a_problem() {
    let secret = "hunter2";
    let loaded = load(
        "",
        &[
            ("REGISTRY_HTTP_SECRET", secret),
            ("REGISTRY_REDIS_PASSWORD", secret),
        ],
    )
    .unwrap();
    assert!(!format!("{:?}", loaded.warnings).contains(secret));
    let refused = load("", &[("REGISTRY_STORAGE_S3_SECRETKEY", secret)]).unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains(secret));
    for text in [
        "notifications: {endpoints: [{url: 'http://x', headers: hunter2}]}",
        "notifications: {endpoints: [\"http://user:hunter2\\\"@x\"]}",
        "notifications: 'hunter2\", expected'",
    ] {
        let refused = load(text, &[]).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains(secret), "{refused}");
    }
}

#[test]
fn proxies_are_trusted_by_network_or_by_address() {
    let trusted = |text: &str| {
        load(&format!("http: {{trustedproxies: {text}}}"), &[])
            .map(|loaded| loaded.config.http.trusted_proxies)
            .map_err(|problems| problems.to_string())
    };
    let networks =
        trusted("[10.1.2.3/8, 192.168.1.7, 'fd00::/8', '::ffff:10.0.0.0/104', '::ffff:10.0.0.1']").unwrap();
    let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
    assert_eq!(
        networks,
        [
            "10.0.0.0/8",
            "192.168.1.7/32",
            "fd00::/8",
            "10.0.0.0/8",
            "10.0.0.1/32"
        ]
    );
    let problem = trusted("[10.0.0.0/33]").unwrap_err();
    assert!(problem.starts_with("http.trustedproxies.0"), "{problem}");
}

#[test]
fn the_access_line_of_apache_is_written_where_it_is_asked_for() {
    let combined = |text: &str| config(&format!("log: {{accesslog: {text}}}"), &[]).log.combined;
    assert!(combined("{format: combined}") && !combined("{}"));
    assert!(!combined("{format: combined, disabled: true}"));
}

#[test]
fn connections_are_limited_unless_zero_is_written() {
    let limits = |text: &str| {
        let limits = load(text, &[]).unwrap().config.http.limits;
        (limits.in_all, limits.per_address)
    };
    assert_eq!(limits("version: 0.1"), (Some(16_384), Some(1024)));
    assert_eq!(
        limits("http: {limits: {connections: 100, peraddress: 0}}"),
        (Some(100), None)
    );
    let variables = [("REGISTRY_HTTP_LIMITS_PERADDRESS", "20000")];
    let loaded = load("version: 0.1", &variables).unwrap();
    assert_eq!(loaded.config.http.limits.per_address, Some(20_000));
}
