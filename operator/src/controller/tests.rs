//! Rounds of many Registries side by side, over an API server in this process.

use super::*;
use crate::reconcile::tests::fake::Fake;
use futures::future::join_all;
use serde_json::json;

fn put(fake: &Fake, namespace: &str, name: &str) -> Arc<Seen> {
    let registry = json!({
        "apiVersion": "roadstead.dev/v1alpha1",
        "kind": "Registry",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("{namespace}-{name}"), "generation": 1},
        "spec": {"storage": {"emptyDir": {}}},
    });
    fake.put(&path(namespace, name), registry.clone());
    Arc::new(serde_json::from_value(registry).expect("it is a Registry"))
}

fn path(namespace: &str, name: &str) -> String {
    format!("/apis/roadstead.dev/v1alpha1/namespaces/{namespace}/registries/{name}")
}

fn shared(fake: &Fake) -> Arc<Shared> {
    Arc::new(Shared {
        context: fake.context(),
        backoff: Backoff::default(),
        turns: Turns::default(),
    })
}

#[tokio::test(start_paused = true)]
async fn twenty_registries_that_are_stuck_delay_no_other_and_are_told_why() {
    let fake = Fake::default();
    // The answers to these never come.
    fake.hang("/api/v1/namespaces/evil/");
    let shared = shared(&fake);
    let stuck: Vec<_> = (0..20)
        .map(|number| put(&fake, "evil", &format!("stuck-{number}")))
        .collect();
    let mut stuck = join_all(stuck.into_iter().map(|seen| reconcile(seen, shared.clone())));
    let good = put(&fake, "good", "images");
    tokio::select! {
        _ = &mut stuck => panic!("the others came first"),
        done = reconcile(good, shared.clone()) => drop(done.expect("nothing stands in its way")),
    }
    assert_eq!(fake.condition(&path("good", "images"), "AuthReady").0, "True");

    for outcome in stuck.await {
        assert!(matches!(outcome, Err(reconcile::Error::TimedOut)), "{outcome:?}");
    }
    for number in 0..20 {
        let (status, reason, message) = fake.condition(&path("evil", &format!("stuck-{number}")), "Ready");
        assert_eq!((status.as_str(), reason.as_str()), ("Unknown", "TimedOut"));
        assert!(message.contains("did not answer"), "{message}");
    }
    let text = shared.context.metrics.text();
    assert!(
        text.contains(r#"reconciles_total{result="timeout"} 20"#),
        "{text}"
    );
}

#[tokio::test]
async fn a_registry_that_cannot_be_read_gets_conditions_too() {
    let fake = Fake::default();
    put(&fake, "team", "images");
    let broken =
        json!({"metadata": {"name": "images", "namespace": "team", "generation": 1}, "spec": {"storage": 7}});
    fake.put(&path("team", "images"), broken.clone());
    let seen: Seen = serde_json::from_value(broken).expect("the cache takes anything");
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&watcher::Event::Apply(seen.clone()));
    let shared = Arc::new(Shared {
        context: fake.context_with(store),
        backoff: Backoff::default(),
        turns: Turns::default(),
    });
    reconcile(Arc::new(seen), shared)
        .await
        .expect("there is nothing to try again");
    for kind in ["Ready", "NodesTrusted"] {
        let (status, reason, message) = fake.condition(&path("team", "images"), kind);
        assert_eq!((status.as_str(), reason.as_str()), ("Unknown", "Unreadable"));
        assert!(message.contains("CRDs"), "{message}");
    }
}
