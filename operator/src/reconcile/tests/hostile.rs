//! What people may write, and what no round may make of it.

use super::*;
use kube::runtime::{reflector, watcher};
use roadstead_api::definitions::{self, text_fields};

/// Texts that would change a request, were they taken for a name.
const HOSTILE: &[&str] = &[
    "?watch=true&resourceVersion=0",
    "a?limit=5",
    "a#b",
    "../../kube-system/secrets/x",
    "a%2fb",
    "..",
    "a\u{7}b",
    "a\r\nb",
    "n\u{e4}me",
];

/// A request as the operator makes them: known words, and names of objects.
fn is_harmless(request: &str) -> bool {
    let (path, query) = request.split_once('?').unwrap_or((request, ""));
    let is_name = |segment: &str| {
        segment != ".."
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
    };
    let is_known = |pair: &str| {
        [
            "fieldManager=",
            "force=",
            "labelSelector=",
            "fieldSelector=",
            "limit=4",
            "limit=64",
        ]
        .iter()
        .any(|known| pair.starts_with(known))
    };
    path.split('/').all(is_name) && query.split('&').all(|pair| pair.is_empty() || is_known(pair))
}

#[tokio::test]
async fn no_text_of_a_registry_changes_a_request_whatever_the_schema_let_through() {
    let fields = text_fields(&definitions::all()[0]);
    assert!(fields.len() > 20, "{fields:?}");
    let long = "a".repeat(300);
    let fake = Fake::default();
    for field in &fields {
        for text in HOSTILE.iter().copied().chain([long.as_str()]) {
            let mut registry = json!({
                "apiVersion": "roadstead.dev/v1alpha1",
                "kind": "Registry",
                "metadata": {"name": "images", "namespace": "registry", "uid": "u-1", "generation": 1},
                "spec": {"storage": {"persistentVolumeClaim": {}}},
            });
            field.set(&mut registry, text);
            fake.put(REGISTRY, registry);
            // Some are refused, by one condition or another.
            let _ = round(&fake).await;
            for request in fake.requests() {
                assert!(is_harmless(&request), "{field} = {text:?}: {request}");
            }
        }
    }
}

#[tokio::test]
async fn a_name_that_no_object_can_have_is_told_where_it_stands() {
    let fake = with_registry(json!({
        "storage": {"emptyDir": {}},
        "tls": {"secretRef": {"name": "?watch=true"}},
        "auth": {"htpasswd": {"secretRef": {"name": "../x"}}},
    }));
    round(&fake).await.expect("everything else goes on");
    for kind in ["CertificateValid", "AuthReady"] {
        let (status, reason, message) = condition(&fake, kind);
        assert_eq!(
            (status.as_str(), reason.as_str()),
            ("False", "InvalidName"),
            "{message}"
        );
    }
    let fake = with_registry(json!({"storage": {"persistentVolumeClaim": {"claimName": "?watch=true"}}}));
    round(&fake).await.expect_err("there is nowhere to keep anything");
    let (_, reason, message) = condition(&fake, "Ready");
    assert_eq!(reason, "InvalidName");
    assert!(
        message.contains("claimName") && message.contains("?watch=true"),
        "{message}"
    );
}

#[tokio::test]
async fn a_round_that_may_not_read_leaves_nothing_true_and_heals() {
    let fake = minimal();
    settled(&fake).await;
    assert_eq!(condition(&fake, "AuthReady").0, "True");
    fake.forbid("/api/v1/namespaces/registry/secrets/");
    round(&fake).await.expect_err("Secrets cannot be read");
    for kind in [
        "Ready",
        "CertificateValid",
        "StorageReady",
        "AuthReady",
        "NodesTrusted",
    ] {
        let (status, reason, message) = condition(&fake, kind);
        assert_eq!(
            (status.as_str(), reason.as_str()),
            ("Unknown", "Forbidden"),
            "{kind}"
        );
        assert!(message.contains("you may not"), "{message}");
    }
    fake.forbid("/nothing");
    round(&fake).await.expect("it may be read again");
    assert_eq!(condition(&fake, "AuthReady").0, "True");
}

/// A cache that has `count` Registries of one namespace, made one second after the other; the last is `images`.
fn crowd(count: u32) -> crate::context::Registries {
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&watcher::Event::Init);
    for number in 1..=count {
        let (name, second) = match number {
            last if last == count => ("images".to_owned(), 59),
            older => (format!("older-{older}"), older),
        };
        let registry = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "registry", "uid": format!("u-{number}"),
                "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")},
            "spec": {"storage": {"emptyDir": {}}},
        }))
        .expect("it is a Registry");
        writer.apply_watcher_event(&watcher::Event::InitApply(registry));
    }
    writer.apply_watcher_event(&watcher::Event::InitDone);
    store
}

fn latest() -> Fake {
    let fake = minimal();
    let mut registry = fake.get(REGISTRY).expect("it was put there");
    registry["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:59Z");
    fake.put(REGISTRY, registry);
    fake
}

#[tokio::test]
async fn one_registry_too_many_is_told_so_and_gets_nothing() {
    let fake = latest();
    let context = fake.context_with(crowd(21));
    reconcile(&context, "registry", "images")
        .await
        .expect_err("there are twenty");
    let event = "POST /apis/events.k8s.io/v1/namespaces/registry/events";
    assert_eq!(
        fake.writes(),
        [format!("PATCH {REGISTRY}/status"), event.to_owned()]
    );
    let (status, reason, message) = condition(&fake, "Ready");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "LimitReached"));
    assert!(message.contains("limits.registriesPerNamespace"), "{message}");

    let context = fake.context_with(crowd(20));
    reconcile(&context, "registry", "images")
        .await
        .expect("there is room again");
    assert_eq!(condition(&fake, "AuthReady").0, "True");
}

#[tokio::test]
async fn what_was_taken_up_once_goes_on_when_there_are_too_many() {
    let fake = latest();
    settled(&fake).await;
    let context = fake.context_with(crowd(21));
    reconcile(&context, "registry", "images")
        .await
        .expect("it was there before");
}

#[tokio::test]
async fn what_a_namespace_has_beyond_its_share_takes_no_place_of_others() {
    let fake = latest();
    let (store, mut writer) = reflector::store();
    for number in 0..1001 {
        let registry = serde_json::from_value(json!({
            "metadata": {"name": format!("tiny-{number}"), "namespace": "evil", "uid": format!("u-{number}"),
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"storage": {"emptyDir": {}}},
        }))
        .expect("it is a Registry");
        writer.apply_watcher_event(&watcher::Event::Apply(registry));
    }
    reconcile(&fake.context_with(store), "registry", "images")
        .await
        .expect("twenty of them count");
}

/// A Secret as anyone can make it who may write Secrets: hardly a megabyte, and ten times that in maps.
fn of_many_keys(name: &str) -> Value {
    let keys: std::collections::BTreeMap<_, _> = (0..20_000)
        .map(|number| (format!("k{number}"), String::new()))
        .collect();
    json!({"metadata": {"name": name, "namespace": "registry", "labels": {
        "app.kubernetes.io/managed-by": "roadstead-operator", "roadstead.dev/registry": "images"}}, "data": keys})
}

#[tokio::test]
async fn an_object_of_thousands_of_keys_is_not_read_and_told() {
    let fake = minimal();
    let path = "/api/v1/namespaces/registry/secrets/images-push";
    fake.put(path, of_many_keys("images-push"));
    round(&fake).await.expect_err("it stands in the way");
    let (_, reason, message) = condition(&fake, "Ready");
    assert_eq!(reason, "TooLarge");
    assert!(
        message.contains("Secret images-push in namespace registry"),
        "{message}"
    );
    fake.remove(path);
    settled(&fake).await;
    assert_eq!(condition(&fake, "AuthReady").0, "True");
}

#[tokio::test]
async fn a_secret_of_thousands_of_keys_that_a_person_names_stops_nothing_else() {
    let fake = with_registry(json!({
        "storage": {"emptyDir": {}},
        "tls": {"secretRef": {"name": "many"}},
        "auth": {"htpasswd": {"secretRef": {"name": "many"}}},
    }));
    fake.put("/api/v1/namespaces/registry/secrets/many", of_many_keys("many"));
    round(&fake).await.expect("everything else goes on");
    for kind in ["CertificateValid", "AuthReady"] {
        assert_eq!(condition(&fake, kind).1, "TooLarge", "{kind}");
    }
    assert_eq!(condition(&fake, "StorageReady").0, "True");
}

#[tokio::test]
async fn a_registry_that_cannot_be_read_any_longer_keeps_what_was_told_of_it() {
    let many: serde_json::Map<_, _> = (0..10_000)
        .map(|number| (format!("k{number}"), json!("")))
        .collect();
    for (spoilt, reason) in [
        (
            json!({"storage": {"emptyDir": {}}, "replicas": "many"}),
            "Unreadable",
        ),
        (
            json!({"storage": {"emptyDir": {}}, "pod": {"annotations": many}}),
            "TooLarge",
        ),
    ] {
        let fake = minimal();
        settled(&fake).await;
        let url = || fake.get(REGISTRY).expect("it is there")["status"]["url"].clone();
        let before = url();
        change(&fake, REGISTRY, |registry| registry["spec"] = spoilt);
        round(&fake).await.expect("it is told");
        assert_eq!(condition(&fake, "Ready").1, reason);
        assert!(before.is_string() && url() == before, "{reason}");
        fake.writes();
        round(&fake).await.expect("it is told");
        assert_eq!(fake.writes(), Vec::<String>::new(), "{reason}: nothing new");
    }
}
