//! The rules of the Registry type, asked of the real API server: each by one object that breaks it.

use roadstead_e2e::Cluster;
use serde_json::{Value, json};

/// Apart from the tests' Registry, so that nothing of these objects reaches it.
const NAMESPACE: &str = "default";

/// For each rule what breaks it and what is said then, as `operator/api/tests/rules.rs` reads it too.
fn examples() -> Vec<Value> {
    serde_yaml::from_str(include_str!("../../../operator/api/tests/rules.yaml"))
        .expect("rules.yaml is a list of examples")
}

fn text<'a>(example: &'a Value, field: &str) -> Option<&'a str> {
    example.get(field).and_then(Value::as_str)
}

/// Paused, so that the operator makes nothing of it while it is there.
fn registry(name: &str, spec: &Value) -> String {
    let mut spec = spec.clone();
    spec["paused"] = json!(true);
    json!({
        "apiVersion": "roadstead.dev/v1alpha1", "kind": "Registry",
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
    })
    .to_string()
}

#[test]
fn each_rule_is_told_in_words() {
    let cluster = Cluster::installed();
    let mut broken = 0;
    for (number, example) in examples().iter().enumerate() {
        let rule = text(example, "rule").expect("an example names its rule");
        let own_name = format!("rule-{number}");
        let old = example.get("old");
        let name = text(example, "name").unwrap_or(&own_name);
        if let Some(old) = old {
            cluster.apply(&registry(name, old)).ok();
        }
        let answer = cluster.dry_run(&registry(name, &example["spec"]));
        match text(example, "message") {
            Some(message) => {
                let printed = answer.fails();
                assert!(
                    printed.contains(message),
                    "{rule}: expected {message:?} in: {printed}"
                );
                broken += 1;
            }
            None => drop(answer.ok()),
        }
        if old.is_some() {
            cluster
                .kubectl(&["-n", NAMESPACE, "delete", "registry", name, "--timeout=60s"])
                .ok();
        }
    }
    println!("{broken} objects that break a rule were refused in its words");
}

#[test]
fn a_field_or_a_value_that_does_not_exist_is_named() {
    let cluster = Cluster::installed();
    for (named, spec) in [
        ("colour", json!({"storage": {"emptyDir": {}}, "colour": "blue"})),
        (
            "Retain",
            json!({"storage": {"emptyDir": {}}, "deletionPolicy": "Burn"}),
        ),
    ] {
        let printed = cluster.dry_run(&registry("images", &spec)).fails();
        assert!(printed.contains(named), "expected {named:?} in: {printed}");
    }
}

#[test]
fn the_printed_columns_are_those_that_operators_look_for() {
    let cluster = Cluster::installed();
    let table = cluster.kubectl(&["-n", "registry", "get", "reg"]).ok();
    for column in ["URL", "READY", "NODES", "CERTIFICATE", "AGE"] {
        assert!(table.contains(column), "{table}");
    }
    assert!(table.contains("https://images.registry.svc:5000"), "{table}");
}
