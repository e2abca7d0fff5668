//! What is built, as people would read it with `kubectl get -o yaml`.

use crate::names::Host;
use crate::reconcile::build::Plan;
use crate::reconcile::examples::{Cluster, EVERYTHING, MINIMAL, NOW, own_certificate};
use crate::reconcile::live::Kind;
use roadstead_api::registry::{ConditionStatus, ConditionType};
use serde_json::{Value, json};
use std::fmt::Write;

/// Everything less what differs each time: certificates, keys, passwords and their hashes.
fn rendered(plan: &Plan) -> String {
    let mut text = String::new();
    for desired in &plan.desired {
        let mut object = desired.object.clone();
        hide(&mut object);
        let yaml = serde_yaml::to_string(&object).expect("it is YAML");
        writeln!(text, "--- # {}\n{yaml}", desired.key).expect("a String takes any text");
    }
    for key in &plan.absent {
        writeln!(text, "--- # not: {key}").expect("a String takes any text");
    }
    text
}

fn hide(object: &mut Value) {
    let data = object["data"].as_object_mut();
    let is_secret = data.as_ref().is_some_and(|data| !data.contains_key("config.yml"));
    if is_secret {
        data.into_iter()
            .flatten()
            .for_each(|(key, value)| *value = json!(format!("<{key}>")));
    }
    if object["metadata"]["annotations"]["roadstead.dev/generated-users"].is_string() {
        object["metadata"]["annotations"]["roadstead.dev/generated-users"] = json!("<hash>");
    }
    if object["spec"]["ca"].is_string() {
        object["spec"]["ca"] = json!("<ca>");
    }
    object
        .as_object_mut()
        .expect("it is an object")
        .retain(|_, value| !value.is_null());
}

#[test]
fn the_least_that_one_can_ask_for() {
    insta::assert_snapshot!(rendered(&Cluster::prepared(MINIMAL).build()));
}

#[test]
fn everything_that_one_can_ask_for() {
    let [chain, key, root] = own_certificate(&["registry.example.com"], NOW);
    let people = roadstead_pki::htpasswd::hash_line("ada", "a password", 4).expect("the name is usable");
    let cluster = Cluster::prepared(EVERYTHING)
        .with_tls(&[("tls.crt", &chain), ("tls.key", &key), ("ca.crt", &root)])
        .with_users(&people);
    insta::assert_snapshot!(rendered(&cluster.build()));
}

#[test]
fn a_folder_that_goes_with_the_pod() {
    let yaml = MINIMAL.replace("persistentVolumeClaim: {size: 1Gi}", "emptyDir: {sizeLimit: 5Gi}");
    let plan = Cluster::prepared(&yaml).build();
    let deployment = plan
        .desired
        .iter()
        .find(|desired| desired.key.kind == Kind::Deployment)
        .expect("it is built");
    let pod = &deployment.object["spec"]["template"]["spec"];
    assert_eq!(
        pod["volumes"][4],
        json!({"name": "data", "emptyDir": {"sizeLimit": "5Gi"}})
    );
    assert_eq!(deployment.object["spec"]["strategy"], json!({"type": "Recreate"}));
    assert!(
        plan.desired
            .iter()
            .all(|desired| desired.key.kind != Kind::PersistentVolumeClaim)
    );
}

#[test]
fn before_there_is_an_address_only_what_needs_none_is_built() {
    let plan = Cluster::new(MINIMAL).build();
    assert!(!plan.complete);
    let kinds: Vec<_> = plan.desired.iter().map(|desired| desired.key.kind).collect();
    assert!(kinds.contains(&Kind::Service));
    assert!(!kinds.contains(&Kind::Deployment) && !kinds.contains(&Kind::TrustBundle));
}

#[test]
fn what_was_built_once_is_built_alike_again() {
    let [chain, key, root] = own_certificate(&["registry.example.com"], NOW);
    let people = roadstead_pki::htpasswd::hash_line("ada", "a password", 4).expect("the name is usable");
    let cluster = Cluster::prepared(EVERYTHING)
        .with_tls(&[("tls.crt", &chain), ("tls.key", &key), ("ca.crt", &root)])
        .with_users(&people)
        .built();
    let again = cluster.build();
    let service = &cluster.keys.service;
    for desired in again.desired.iter().filter(|desired| desired.key != *service) {
        let live = cluster
            .observed
            .live
            .value(&desired.key)
            .expect("it was built before");
        for part in ["data", "spec", "metadata"] {
            let (live, desired) = (&live[part], &desired.object[part]);
            assert_eq!(live, desired, "{part} of what was built");
        }
    }
}

#[test]
fn a_service_made_anew_asks_for_its_old_address() {
    let mut cluster = Cluster::new(MINIMAL);
    cluster.observed.registry.status =
        serde_json::from_value(json!({"clusterIPs": ["10.96.0.7"], "replicas": 0})).expect("it is a status");
    let plan = cluster.build();
    let service = &plan
        .desired
        .iter()
        .find(|desired| desired.key.kind == Kind::Service)
        .expect("it is built")
        .object;
    assert_eq!(service["spec"]["clusterIP"], "10.96.0.7");
}

#[test]
fn nodes_dial_ipv6_in_brackets() {
    let mut cluster = Cluster::prepared(MINIMAL);
    let key = cluster.keys.service.clone();
    let mut service = cluster.observed.live.value(&key).expect("it is there").clone();
    service["spec"]["clusterIPs"] = json!(["fd00::7"]);
    cluster.put(&key, &service);
    let validated = cluster.validate().expect("nothing stands in the way");
    let first = &validated.node_hosts[0];
    assert_eq!(first.server.as_deref(), Some("[fd00::7]:5000"));
    assert_eq!(
        first.host,
        Host {
            name: "images.registry.svc".into(),
            port: 5000
        }
    );
}

/// What the ConfigMap for clients holds, and the names of the internal certificate.
fn signed(cluster: &Cluster) -> (Vec<String>, Vec<String>) {
    let validated = cluster.validate().expect("nothing stands in the way");
    let plan = cluster.build();
    let map = plan
        .desired
        .iter()
        .find(|desired| desired.key == cluster.keys.ca_bundle)
        .expect("it is built");
    let keys = map.object["data"]
        .as_object()
        .expect("it has data")
        .keys()
        .cloned();
    (keys.collect(), validated.certificates.names)
}

#[test]
fn the_operators_ca_signs_an_external_name_only_where_the_installation_allows_it() {
    let with_hostname = |name: &str| {
        let yaml = MINIMAL.replace("spec:\n", &format!("spec:\n  hostname: {name}\n"));
        Cluster::prepared(&yaml)
    };
    let (_, names) = signed(&with_hostname("registry.example.com"));
    assert!(names.contains(&"registry.example.com".to_owned()), "{names:?}");

    let stranger = with_hostname("login.bank.example");
    let (_, names) = signed(&stranger);
    assert!(!names.contains(&"login.bank.example".to_owned()), "{names:?}");
    let validated = stranger.validate().expect("nothing stands in the way");
    let told = validated
        .findings
        .iter()
        .find(|finding| finding.condition == ConditionType::CertificateValid)
        .expect("it is told");
    assert_eq!(
        (told.status, told.reason),
        (ConditionStatus::False, "HostnameNotAllowed")
    );
}

#[test]
fn the_ca_that_people_bring_stands_apart_from_the_operators() {
    let (keys, _) = signed(&Cluster::prepared(MINIMAL));
    assert_eq!(keys, ["ca.crt"]);
    let [chain, key, root] = own_certificate(&["registry.example.com"], NOW);
    let cluster =
        Cluster::prepared(EVERYTHING).with_tls(&[("tls.crt", &chain), ("tls.key", &key), ("ca.crt", &root)]);
    let (keys, _) = signed(&cluster);
    assert_eq!(keys, ["ca.crt", "external-ca.crt"]);
    let validated = cluster.validate().expect("nothing stands in the way");
    let ca = validated.certificates.ca.expect("there is one");
    assert!(!ca.internal.contains(&root) && ca.all.contains(&root));
    assert_eq!(ca.external.as_deref(), Some(root.as_str()));
}

fn text_of(object: &Value, key: &str) -> String {
    let bytes: k8s_openapi::ByteString =
        serde_json::from_value(object["data"][key].clone()).expect("it is data");
    String::from_utf8(bytes.0).expect("it is text")
}

#[test]
fn a_line_that_the_operator_did_not_make_is_made_anew_without_looking_into_it() {
    let mut cluster = Cluster::prepared(MINIMAL).built();
    let key = cluster.keys.htpasswd.clone();
    let mut secret = cluster.observed.live.value(&key).expect("it was built").clone();
    // Verifying this one would take days.
    let dear = "roadstead-push:$2y$31$AAAAAAAAAAAAAAAAAAAAA.n0h/mIMCzQV5sAcS2EkWlrP7Nqjmb2m\n";
    let text = dear.to_owned() + &text_of(&secret, "htpasswd");
    secret["data"]["htpasswd"] = json!(k8s_openapi::ByteString(text.into_bytes()));
    cluster.put(&key, &secret);
    let plan = cluster.build();
    let again = plan
        .desired
        .iter()
        .find(|desired| desired.key == key)
        .expect("it is built");
    let text = text_of(&again.object, "htpasswd");
    assert!(!text.contains("$31$") && text.lines().count() == 2, "{text}");

    secret["metadata"]["annotations"]["roadstead.dev/generated-users"] = json!("something else");
    secret["data"]["htpasswd"] = json!(k8s_openapi::ByteString(
        "roadstead-push:$2y$05$AAAAAAAAAAAAAAAAAAAAA.n0h/mIMCzQV5sAcS2EkWlrP7Nqjmb2m\n".into()
    ));
    cluster.put(&key, &secret);
    let plan = cluster.build();
    let again = plan
        .desired
        .iter()
        .find(|desired| desired.key == key)
        .expect("it is built");
    assert!(!text_of(&again.object, "htpasswd").contains("AAAAAAAAAA"));
}

#[test]
fn kubelets_get_no_password_for_a_name_that_may_be_somebodys() {
    let plan = Cluster::prepared(MINIMAL).build();
    let hosts = |name: &str| {
        let secret = plan
            .desired
            .iter()
            .find(|desired| desired.key.name == name)
            .expect("it is built");
        let config: Value =
            serde_json::from_str(&text_of(&secret.object, ".dockerconfigjson")).expect("it is JSON");
        config["auths"]
            .as_object()
            .expect("it has hosts")
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        hosts("images-pull"),
        [
            "images.registry.svc.cluster.local:5000",
            "images.registry.svc:5000"
        ]
    );
    assert_eq!(hosts("images-push").len(), 3);
}
