//! Every key of distribution 2.8's configuration reference, and of its source where the reference leaves one out, with
//! what becomes of it here. The page docs/configuration.md says the same in words.

use serde_yaml::{Mapping, Value};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// It means what it meant.
    Implemented,
    /// It holds without being asked for, or says nothing: no word about it.
    Silent,
    /// One warning, together with all others of the kind.
    Harmless,
    /// An error that names the way out.
    Refused,
}

use Class::{Harmless, Implemented, Refused, Silent};

/// The key, a value as the reference has it, the class.
const KEYS: &[(&str, &str, Class)] = &[
    ("version", "0.1", Implemented),
    ("log.accesslog.disabled", "true", Implemented),
    ("log.level", "debug", Implemented),
    ("log.formatter", "text", Implemented),
    ("log.fields.service", "registry", Implemented),
    (
        "log.hooks",
        "[{type: mail, levels: [panic], options: {from: a@b.c}}]",
        Harmless,
    ),
    ("loglevel", "debug", Implemented),
    (
        "storage.filesystem.rootdirectory",
        "/var/lib/registry",
        Implemented,
    ),
    ("storage.filesystem.maxthreads", "100", Harmless),
    (
        "storage.azure",
        "{accountname: a, accountkey: k, container: c}",
        Refused,
    ),
    (
        "storage.gcs",
        "{bucket: b, keyfile: /k, chunksize: 5242880}",
        Refused,
    ),
    ("storage.s3.accesskey", "a", Implemented),
    ("storage.s3.secretkey", "s", Implemented),
    ("storage.s3.sessiontoken", "t", Implemented),
    ("storage.s3.region", "eu-west-1", Implemented),
    (
        "storage.s3.regionendpoint",
        "https://s3.example.com:9000",
        Implemented,
    ),
    ("storage.s3.forcepathstyle", "true", Implemented),
    ("storage.s3.bucket", "images", Implemented),
    ("storage.s3.rootdirectory", "/registry", Implemented),
    ("storage.s3.encrypt", "true", Implemented),
    ("storage.s3.keyid", "k", Implemented),
    ("storage.s3.storageclass", "STANDARD_IA", Implemented),
    ("storage.s3.objectacl", "private", Implemented),
    ("storage.s3.secure", "false", Implemented),
    ("storage.s3.v4auth", "true", Implemented),
    ("storage.s3.skipverify", "true", Refused),
    ("storage.s3.chunksize", "10485760", Implemented),
    ("storage.s3.multipartcopychunksize", "33554432", Implemented),
    ("storage.s3.multipartcopymaxconcurrency", "100", Implemented),
    ("storage.s3.multipartcopythresholdsize", "33554432", Implemented),
    ("storage.s3.usedualstack", "true", Implemented),
    ("storage.s3.accelerate", "true", Implemented),
    ("storage.s3.usefipsendpoint", "true", Implemented),
    ("storage.s3.useragent", "u", Implemented),
    ("storage.s3.loglevel", "debug", Harmless),
    ("storage.s3.redirectendpoint", "https://cdn.example.com", Harmless),
    (
        "storage.swift",
        "{username: u, password: p, container: c}",
        Refused,
    ),
    (
        "storage.oss",
        "{accesskeyid: a, accesskeysecret: s, bucket: b}",
        Refused,
    ),
    ("storage.inmemory", "", Refused),
    ("storage.delete.enabled", "true", Implemented),
    ("storage.redirect.disable", "true", Harmless),
    ("storage.cache.blobdescriptor", "redis", Harmless),
    ("storage.cache.blobdescriptorsize", "10000", Harmless),
    ("storage.maintenance.uploadpurging.enabled", "true", Implemented),
    ("storage.maintenance.uploadpurging.age", "168h", Implemented),
    ("storage.maintenance.uploadpurging.interval", "24h", Implemented),
    ("storage.maintenance.uploadpurging.dryrun", "true", Implemented),
    ("storage.maintenance.readonly.enabled", "true", Implemented),
    ("auth.silly", "{realm: r, service: s}", Refused),
    ("auth.token.realm", "https://auth", Implemented),
    ("auth.token.service", "registry", Implemented),
    ("auth.token.issuer", "auth", Implemented),
    ("auth.token.rootcertbundle", "/bundle", Implemented),
    ("auth.token.autoredirect", "true", Implemented),
    ("auth.htpasswd.realm", "Registry", Implemented),
    ("auth.htpasswd.path", "/htpasswd", Implemented),
    ("middleware.registry", "[{name: a, options: {foo: bar}}]", Refused),
    ("middleware.repository", "[{name: a}]", Refused),
    (
        "middleware.storage",
        "[{name: cloudfront, options: {baseurl: 'https://x'}}]",
        Refused,
    ),
    (
        "reporting.bugsnag",
        "{apikey: a, releasestage: r, endpoint: e}",
        Harmless,
    ),
    (
        "reporting.newrelic",
        "{licensekey: l, name: n, verbose: true}",
        Harmless,
    ),
    ("http.addr", "localhost:5000", Implemented),
    ("http.net", "tcp", Implemented),
    ("http.prefix", "/my/nested/registry/", Implemented),
    ("http.host", "https://myregistryaddress.org:5000", Implemented),
    ("http.secret", "asecretforlocaldevelopment", Harmless),
    ("http.relativeurls", "true", Implemented),
    ("http.draintimeout", "60s", Implemented),
    ("http.tls.certificate", "/c", Implemented),
    ("http.tls.key", "/k", Implemented),
    ("http.tls.clientcas", "[/ca.pem, /other.pem]", Implemented),
    ("http.tls.minimumtls", "tls1.3", Implemented),
    (
        "http.tls.ciphersuites",
        "[TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]",
        Implemented,
    ),
    ("http.tls.letsencrypt.cachefile", "/cache", Refused),
    ("http.tls.letsencrypt.email", "a@b.c", Refused),
    ("http.tls.letsencrypt.hosts", "[myregistryaddress.org]", Refused),
    ("http.debug.addr", "localhost:5001", Implemented),
    ("http.debug.prometheus.enabled", "true", Implemented),
    ("http.debug.prometheus.path", "/metrics", Implemented),
    ("http.headers.X-Content-Type-Options", "[nosniff]", Implemented),
    ("http.http2.disabled", "true", Implemented),
    ("notifications.events.includereferences", "true", Implemented),
    (
        "notifications.endpoints",
        "[{name: a, disabled: false, url: 'https://x/event', headers: {A: [b]}, timeout: 1s, threshold: 10, backoff: 1s, \
         ignoredmediatypes: [a/b], ignore: {mediatypes: [a/b], actions: [pull]}}]",
        Implemented,
    ),
    ("redis.addr", "localhost:6379", Harmless),
    ("redis.password", "asecret", Harmless),
    ("redis.db", "1", Harmless),
    ("redis.dialtimeout", "10ms", Harmless),
    ("redis.readtimeout", "10ms", Harmless),
    ("redis.writetimeout", "10ms", Harmless),
    (
        "redis.pool",
        "{maxidle: 16, maxactive: 64, idletimeout: 300s}",
        Harmless,
    ),
    ("health.storagedriver.enabled", "true", Implemented),
    ("health.storagedriver.interval", "10s", Implemented),
    ("health.storagedriver.threshold", "3", Implemented),
    ("health.file", "[{file: /f, interval: 10s}]", Refused),
    (
        "health.http",
        "[{uri: 'http://x', statuscode: 200, timeout: 3s}]",
        Refused,
    ),
    ("health.tcp", "[{addr: 'redis:6379', timeout: 3s}]", Refused),
    ("proxy.remoteurl", "https://registry-1.docker.io", Refused),
    ("proxy.username", "u", Harmless),
    ("proxy.password", "p", Harmless),
    ("compatibility.schema1.signingkeyfile", "/key.json", Harmless),
    ("compatibility.schema1.enabled", "true", Harmless),
    ("validation.enabled", "true", Silent),
    ("validation.disabled", "true", Silent),
    (
        "validation.manifests.urls.allow",
        "['^https?://([^/]+\\.)*example\\.com/']",
        Refused,
    ),
    (
        "validation.manifests.urls.deny",
        "['^https?://www\\.example\\.com/']",
        Refused,
    ),
    ("policy.repository.classes", "[image]", Refused),
    ("catalog.maxentries", "100", Implemented),
];

/// What a section needs beside the key to be whole.
fn around(key: &str) -> &'static str {
    if key.starts_with("storage.s3.") {
        "storage: {s3: {bucket: b, region: r, accesskey: a, secretkey: s, encrypt: true}}"
    } else if key.starts_with("http.tls.") {
        "http: {tls: {certificate: /c, key: /k}}"
    } else if key.starts_with("auth.token.") {
        "auth: {token: {realm: r, service: s, issuer: i, rootcertbundle: /b}}"
    } else if key.starts_with("auth.htpasswd.") {
        "auth: {htpasswd: {path: /p}}"
    } else if key.starts_with("http.debug.") {
        "http: {debug: {addr: ':5001'}}"
    } else {
        "{}"
    }
}

/// A configuration with this key, as people write it.
fn with(key: &str, value: &str) -> String {
    let mut tree: Value = serde_yaml::from_str(around(key)).unwrap();
    let mut place = &mut tree;
    for name in key.split('.') {
        if !place.is_mapping() {
            *place = Value::Mapping(Mapping::new());
        }
        place = place
            .as_mapping_mut()
            .unwrap()
            .entry(name.into())
            .or_insert(Value::Null);
    }
    *place = serde_yaml::from_str(value).unwrap();
    serde_yaml::to_string(&tree).unwrap()
}

fn class(text: &str, key: &str) -> Class {
    let loaded = match parse(text, std::iter::empty()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            let [problem] = &problems.iter().map(ToString::to_string).collect::<Vec<_>>()[..] else {
                panic!("{key}: {problems}")
            };
            // The way out stands after the key.
            assert!(
                problem
                    .split_once(": ")
                    .is_some_and(|(at, way_out)| key.starts_with(at) && way_out.len() > 10),
                "{problem}"
            );
            return Refused;
        }
    };
    match &loaded.warnings[..] {
        [] if key.starts_with("validation.") => Silent,
        [] => Implemented,
        [Warning::WithoutEffect { keys }] if keys.iter().all(|known| key.starts_with(known)) => Harmless,
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn every_key_of_registry_2_has_its_class() {
    for (key, value, expected) in KEYS {
        let text = with(key, value);
        assert_eq!(class(&text, key), *expected, "{text}");
    }
}

#[test]
fn every_key_of_registry_2_can_be_a_variable() {
    for (key, value, expected) in KEYS.iter().filter(|(key, _, _)| *key != "version") {
        let name = format!("REGISTRY_{}", key.replace('.', "_").to_uppercase());
        let loaded = parse(around(key), std::iter::once((name.clone(), (*value).to_owned())));
        let refused = *expected == Refused;
        assert_eq!(
            loaded.is_err(),
            refused,
            "{name}: {:?}",
            loaded.err().map(|error| error.to_string())
        );
        let warnings = loaded.map(|loaded| loaded.warnings).unwrap_or_default();
        assert!(
            !warnings
                .iter()
                .any(|warning| matches!(warning, Warning::UnknownVariable { .. })),
            "{name}"
        );
    }
}

#[test]
fn the_page_on_configuration_has_every_key() {
    let page = include_str!("../../../docs/configuration.md");
    for (key, _, class) in KEYS {
        let named = (0..key.len() + 1)
            .filter(|end| *end == key.len() || key.as_bytes()[*end] == b'.')
            .any(|end| {
                page.contains(&format!("`{}`", &key[..end])) || page.contains(&format!("`{}.*`", &key[..end]))
            });
        assert!(named, "{key} ({class:?}) is not in docs/configuration.md");
    }
}
