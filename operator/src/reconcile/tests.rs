//! Whole rounds over an API server in this process.

pub(crate) mod fake;
mod hostile;
mod traps;

use super::examples::{own_certificate, secret};
use super::{Error, Next, reconcile};
use crate::names::REGISTRY_UID_LABEL;
use fake::Fake;
use serde_json::{Value, json};

const REGISTRY: &str = "/apis/roadstead.dev/v1alpha1/namespaces/registry/registries/images";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/registry/deployments/images";
const SECRETS: &str = "/api/v1/namespaces/registry/secrets";
const AUTHORITY: &str = "/api/v1/namespaces/roadstead-system/secrets/ca.registry.images";
const POD: &str = "/api/v1/namespaces/registry/pods/images-0";
const BUNDLES: &str = "/apis/roadstead.dev/v1alpha1/namespaces/roadstead-system-nodes/trustbundles";

fn with_registry(spec: Value) -> Fake {
    let fake = Fake::default();
    fake.put(
        REGISTRY,
        json!({
            "apiVersion": "roadstead.dev/v1alpha1",
            "kind": "Registry",
            "metadata": {"name": "images", "namespace": "registry", "uid": "u-1", "generation": 1},
            "spec": spec,
        }),
    );
    fake
}

fn minimal() -> Fake {
    with_registry(json!({"storage": {"persistentVolumeClaim": {"size": "1Gi"}}}))
}

/// Changes what is there.
fn change(fake: &Fake, path: &str, change: impl FnOnce(&mut Value)) {
    let mut object = fake.get(path).expect("it is there");
    change(&mut object);
    fake.put(path, object);
}

fn summary(fake: &Fake) -> String {
    let registry = fake.get(REGISTRY).expect("it is there");
    registry["status"]["summary"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

async fn round(fake: &Fake) -> Result<Next, Error> {
    reconcile(&fake.context(), "registry", "images").await
}

async fn settled(fake: &Fake) {
    round(fake).await.expect("nothing stands in the way");
    fake.writes();
}

fn condition(fake: &Fake, kind: &str) -> (String, String, String) {
    fake.condition(REGISTRY, kind)
}

#[tokio::test]
async fn everything_is_there_after_one_reconcile_and_a_second_one_writes_nothing() {
    let fake = minimal();
    round(&fake).await.expect("nothing stands in the way");
    for path in [
        "/api/v1/namespaces/registry/configmaps/images-ca",
        "/api/v1/namespaces/registry/configmaps/images-config",
        "/api/v1/namespaces/registry/persistentvolumeclaims/images-data",
        "/api/v1/namespaces/registry/serviceaccounts/images",
        "/api/v1/namespaces/registry/services/images",
        "/api/v1/namespaces/registry/secrets/images-htpasswd",
        "/api/v1/namespaces/registry/secrets/images-internal-tls",
        "/api/v1/namespaces/registry/secrets/images-pull",
        "/api/v1/namespaces/registry/secrets/images-push",
        "/apis/apps/v1/namespaces/registry/deployments/images",
        AUTHORITY,
        &format!("{BUNDLES}/images.registry.svc.5000"),
        &format!("{BUNDLES}/images.registry.svc.cluster.local.5000"),
    ] {
        assert!(
            fake.get(path).is_some(),
            "{path} is missing of {:#?}",
            fake.paths()
        );
    }
    let first = fake.writes();
    let posts: Vec<_> = first
        .iter()
        .filter(|write| write.starts_with("POST") && !write.contains("events"))
        .collect();
    assert_eq!(
        posts,
        ["POST /api/v1/namespaces/roadstead-system/secrets"],
        "only the CA is made by create"
    );

    round(&fake).await.expect("nothing stands in the way");
    assert_eq!(fake.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn an_object_of_somebody_else_stops_everything() {
    let fake = minimal();
    let theirs = json!({"metadata": {"name": "images", "namespace": "registry"}, "spec": {"replicas": 7}});
    let path = "/apis/apps/v1/namespaces/registry/deployments/images";
    fake.put(path, theirs);
    let before = fake.get(path);
    let error = round(&fake).await.expect_err("it is in the way");
    assert!(
        error
            .to_string()
            .contains("Deployment images in namespace registry"),
        "{error}"
    );
    assert_eq!(fake.get(path), before);
    let objects: Vec<_> = fake
        .paths()
        .into_iter()
        .filter(|path| !path.contains("/events/"))
        .collect();
    assert_eq!(objects, [path, REGISTRY]);
    let (status, reason, message) = condition(&fake, "Ready");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "NameConflict"));
    assert!(message.contains("rename one of the two"), "{message}");
}

#[tokio::test]
async fn what_somebody_changed_is_put_back_and_nothing_else_is_written() {
    let fake = minimal();
    settled(&fake).await;
    let path = "/apis/apps/v1/namespaces/registry/deployments/images";
    let mut deployment = fake.get(path).expect("it is there");
    deployment["spec"]["replicas"] = json!(5);
    fake.put(path, deployment);
    round(&fake).await.expect("nothing stands in the way");
    assert_eq!(fake.writes(), [format!("PATCH {path}")]);
    assert_eq!(fake.get(path).expect("it is there")["spec"]["replicas"], 1);
}

#[tokio::test]
async fn passwords_and_certificates_outlive_every_round() {
    let fake = minimal();
    settled(&fake).await;
    let secrets = [
        "images-push",
        "images-pull",
        "images-htpasswd",
        "images-internal-tls",
    ];
    let read =
        || secrets.map(|name| fake.get(&format!("{SECRETS}/{name}")).expect("it is there")["data"].clone());
    let before = read();
    // Another address: a new certificate, and the same passwords.
    let service = "/api/v1/namespaces/registry/services/images";
    let mut moved = fake.get(service).expect("it is there");
    moved["spec"]["clusterIPs"] = json!(["10.96.0.8"]);
    fake.put(service, moved);
    round(&fake).await.expect("nothing stands in the way");
    let after = read();
    assert_eq!(before[..3], after[..3]);
    assert_ne!(before[3], after[3]);
    assert_eq!(before[3]["ca.crt"], after[3]["ca.crt"], "the same CA signed both");
}

#[tokio::test]
async fn a_registry_that_goes_takes_its_bundles_and_its_ca_along() {
    let fake = minimal();
    settled(&fake).await;
    let mut registry = fake.get(REGISTRY).expect("it is there");
    registry["metadata"]["deletionTimestamp"] = json!("2026-11-23T00:00:00Z");
    let anothers = "/api/v1/namespaces/roadstead-system/secrets/ca.registry.charts";
    fake.put(
        anothers,
        json!({"metadata": {"name": "ca.registry.charts", "namespace": "roadstead-system"}}),
    );
    fake.put(REGISTRY, registry);
    round(&fake).await.expect("nothing stands in the way");
    assert!(fake.get(AUTHORITY).is_none());
    assert!(fake.get(anothers).is_some());
    assert!(
        fake.paths().iter().all(|path| !path.starts_with(BUNDLES)),
        "{:#?}",
        fake.paths()
    );
    assert_eq!(
        fake.get(REGISTRY).expect("it is there")["metadata"]["finalizers"],
        json!([])
    );
}

#[tokio::test]
async fn a_claim_that_cannot_be_written_keeps_no_bundle_and_one_of_somebody_else_nothing_at_all() {
    const CLAIM: &str = "/api/v1/namespaces/registry/persistentvolumeclaims/images-data";
    for (is_ours, is_let_go) in [(true, false), (false, true)] {
        let fake = minimal();
        settled(&fake).await;
        change(&fake, CLAIM, |claim| {
            claim["metadata"]["ownerReferences"] = json!([{"apiVersion": "roadstead.dev/v1alpha1",
                "kind": "Registry", "name": "images", "uid": "u-1", "controller": true}]);
            if !is_ours {
                claim["metadata"]["labels"] = json!({});
            }
        });
        change(&fake, REGISTRY, |registry| {
            registry["metadata"]["deletionTimestamp"] = json!("2026-11-23T00:00:00Z")
        });
        fake.refuse(Some(fake::Refusal {
            path: CLAIM,
            code: 403,
            message: "denied by a policy",
            concerns: |_| true,
        }));
        assert_eq!(round(&fake).await.is_ok(), is_let_go, "ours: {is_ours}");
        assert!(fake.paths().iter().all(|path| !path.starts_with(BUNDLES)));
    }
}

/// The CA of a Registry that is gone, as an operator leaves it whose finalizer was taken off.
async fn authority_of(uid: &str) -> Value {
    let former = minimal();
    settled(&former).await;
    let mut authority = former.get(AUTHORITY).expect("it was made");
    authority["metadata"]["labels"][REGISTRY_UID_LABEL] = json!(uid);
    authority
}

#[tokio::test]
async fn a_registry_of_another_uid_gets_another_ca() {
    let (fake, former) = (minimal(), authority_of("u-0").await);
    fake.put(AUTHORITY, former.clone());
    settled(&fake).await;
    let authority = fake.get(AUTHORITY).expect("a new one was made");
    assert_ne!(authority["data"]["tls.key"], former["data"]["tls.key"]);
    assert_eq!(authority["metadata"]["labels"][REGISTRY_UID_LABEL], "u-1");
    let leaf = fake
        .get(&format!("{SECRETS}/images-internal-tls"))
        .expect("it is issued");
    assert_eq!(leaf["data"]["ca.crt"], authority["data"]["tls.crt"]);
}

#[tokio::test]
async fn a_ca_that_has_no_uid_yet_is_kept_if_it_is_younger_than_its_registry() {
    for (made, is_kept) in [("2026-11-02T00:00:00Z", true), ("2026-10-31T00:00:00Z", false)] {
        let (fake, mut authority) = (minimal(), authority_of("").await);
        authority["metadata"]["labels"]
            .as_object_mut()
            .expect("it has labels")
            .remove(REGISTRY_UID_LABEL);
        authority["metadata"]["creationTimestamp"] = json!(made);
        fake.put(AUTHORITY, authority.clone());
        let mut registry = fake.get(REGISTRY).expect("it is there");
        registry["metadata"]["creationTimestamp"] = json!("2026-11-01T00:00:00Z");
        fake.put(REGISTRY, registry);
        settled(&fake).await;
        let now = fake.get(AUTHORITY).expect("there is one");
        assert_eq!(now["data"] == authority["data"], is_kept, "made at {made}");
    }
}

#[tokio::test]
async fn bundles_go_when_nodes_shall_not_trust_it_any_longer() {
    let fake = minimal();
    settled(&fake).await;
    let mut registry = fake.get(REGISTRY).expect("it is there");
    registry["spec"]["nodeTrust"] = json!({"enabled": false});
    fake.put(REGISTRY, registry);
    round(&fake).await.expect("nothing stands in the way");
    assert!(
        fake.paths().iter().all(|path| !path.starts_with(BUNDLES)),
        "{:#?}",
        fake.paths()
    );
    assert_eq!(condition(&fake, "NodesTrusted").1, "NodeTrustDisabled");
}

fn without_events(writes: Vec<String>) -> Vec<String> {
    writes
        .into_iter()
        .filter(|write| !write.contains("/events"))
        .collect()
}

#[tokio::test]
async fn of_a_paused_registry_only_the_status_is_written() {
    let fake = with_registry(json!({"storage": {"emptyDir": {}}, "paused": true}));
    round(&fake).await.expect("nothing stands in the way");
    assert_eq!(
        without_events(fake.writes()),
        [format!("PATCH {REGISTRY}"), format!("PATCH {REGISTRY}/status")],
        "the finalizer and the status"
    );
    assert_eq!(condition(&fake, "Reconciled").1, "Paused");
    round(&fake).await.expect("nothing stands in the way");
    assert_eq!(fake.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_paused_registry_goes_on_saying_what_is_true() {
    let fake = minimal();
    settled(&fake).await;
    change(&fake, REGISTRY, |registry| {
        registry["spec"]["paused"] = json!(true)
    });
    change(&fake, DEPLOYMENT, |deployment| {
        deployment["spec"]["replicas"] = json!(0);
        deployment["status"] = json!({"readyReplicas": 0});
    });
    round(&fake).await.expect("nothing stands in the way");
    assert_eq!(condition(&fake, "Ready").0, "False");
    assert!(summary(&fake).contains("Paused"), "{}", summary(&fake));
    let deployment = fake.get(DEPLOYMENT).expect("it is there");
    assert_eq!(deployment["spec"]["replicas"], 0, "nothing is put back");
}

#[tokio::test]
async fn nothing_is_written_while_roadstead_is_taken_away() {
    let fake = minimal();
    fake.put(OPERATOR, operator("this-one", "2"));
    fake.put(MARK, mark("this-one", "2"));
    round(&fake).await.expect("nothing stands in the way");
    let told = [
        format!("PATCH {REGISTRY}/status"),
        "POST /apis/events.k8s.io/v1/namespaces/registry/events".to_owned(),
    ];
    assert_eq!(fake.writes(), told, "the condition and its Event alone");
    assert_eq!(condition(&fake, "Reconciled").1, "Uninstalling");
    round(&fake).await.expect("nothing stands in the way");
    assert_eq!(fake.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_mark_that_an_earlier_installation_left_is_removed_and_holds_nothing_up() {
    for (uid, revision) in [("this-one", "1"), ("an-earlier-one", "2")] {
        let fake = minimal();
        fake.put(OPERATOR, operator("this-one", "2"));
        fake.put(MARK, mark(uid, revision));
        round(&fake).await.expect("nothing stands in the way");
        assert_eq!(fake.get(MARK), None, "{uid} {revision}");
        assert!(fake.get(DEPLOYMENT).is_some(), "{uid} {revision}");
    }
}

const OPERATOR: &str = "/apis/apps/v1/namespaces/roadstead-system/deployments/roadstead-operator";
const MARK: &str = "/api/v1/namespaces/roadstead-system/configmaps/roadstead-uninstall";

fn operator(uid: &str, revision: &str) -> Value {
    json!({"metadata": {"name": "roadstead-operator", "uid": uid,
        "annotations": {"roadstead.dev/release-revision": revision}}})
}

fn mark(uid: &str, revision: &str) -> Value {
    json!({"metadata": {"name": "roadstead-uninstall", "ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "roadstead-operator", "uid": uid}]},
        "data": {"revision": revision}})
}

#[tokio::test]
async fn a_broken_secret_leaves_what_runs_and_heals_by_itself() {
    let fake = with_registry(json!({
        "storage": {"emptyDir": {}},
        "hostname": "registry.example.org",
        "tls": {"secretRef": {"name": "my-tls"}},
    }));
    let source = format!("{SECRETS}/my-tls");
    let copy = format!("{SECRETS}/images-external-tls");
    let put = |chain: &str, key: &str, root: &str| {
        let secret = secret(&[("tls.crt", chain), ("tls.key", key), ("ca.crt", root)]);
        fake.put(&source, serde_json::to_value(secret).expect("it is JSON"));
    };
    settled(&fake).await;
    fake.put(
        POD,
        json!({"metadata": {"name": "images-0", "namespace": "registry"}}),
    );
    assert_eq!(condition(&fake, "CertificateValid").1, "SecretNotFound");
    assert!(fake.get(&copy).is_none());

    let [chain, key, root] = own_now(&["registry.example.org"]);
    put(&chain, &key, &root);
    round(&fake).await.expect("nothing stands in the way");
    assert_eq!(condition(&fake, "CertificateValid").0, "True");
    let served = fake.get(&copy).expect("the copy is there")["data"].clone();
    let writes = fake.writes();
    assert!(
        writes.contains(&format!("PATCH {POD}")),
        "the pod reads the new Secret at once: {writes:#?}"
    );

    let [other_chain, _, _] = own_now(&["registry.example.org"]);
    put(&other_chain, &key, &root);
    round(&fake).await.expect("nothing stands in the way");
    let (status, reason, message) = condition(&fake, "CertificateValid");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "KeyMismatch"));
    assert!(message.contains("my-tls"), "{message}");
    assert_eq!(fake.get(&copy).expect("the copy is there")["data"], served);

    put(&chain, &key, &root);
    round(&fake).await.expect("nothing stands in the way");
    assert_eq!(condition(&fake, "CertificateValid").0, "True");
}

/// These rounds run by the real clock.
fn own_now(names: &[&str]) -> [String; 3] {
    own_certificate(names, jiff::Timestamp::now())
}
