//! The rules of the Registry type, asked of the real API server: each by one object that breaks it.

use roadstead_api::definitions::{self, text_fields};
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

/// Fields whose text is free: it is never a name, and goes nowhere but into objects, which have rules of their own.
const FREE: &[&str] = &[
    "spec.pod.affinity",
    "spec.pod.annotations",
    "spec.pod.labels",
    "spec.pod.nodeSelector",
    "spec.pod.tolerations",
    "spec.service.annotations",
    "spec.problems[0].message",
    "spec.problems[0].path",
    "spec.runtime",
    "spec.summary",
];

/// A spec that lacks nothing but what `field` stands for, so that every rule is looked at.
fn complete(kind: &str, field: &str) -> Value {
    match kind {
        "Registry" if field.starts_with("spec.storage.") => json!({}),
        "Registry" => json!({"storage": {"emptyDir": {}}}),
        "TrustBundle" => json!({
            "installation": "a/b", "host": "a.b.svc", "ca": "-----BEGIN CERTIFICATE-----",
            "registry": {"namespace": "b", "name": "a", "uid": "u"},
        }),
        "NodeTrust" => json!({
            "installation": "a/b", "nodeUID": "u", "bootID": "b", "set": "0".repeat(64),
            "problems": [{"host": "a.b.svc", "reason": "Unproved", "message": "m"}],
            "further": [{"reason": "Unproved", "count": 1, "hosts": "1"}],
        }),
        other => panic!("{other}: say what a whole one has"),
    }
}

#[test]
fn no_field_takes_text_that_would_change_a_request() {
    let long = "z".repeat(300);
    let hostile = [
        "?watch=true",
        "a#b",
        "../x",
        "a%2fb",
        "..",
        "a\u{7}b",
        "n\u{e4}me",
        &long,
    ];
    let mut tried = Vec::new();
    let mut objects = Vec::new();
    for definition in definitions::all() {
        let kind = definition.spec.names.kind.clone();
        let fields = text_fields(&definition);
        for field in fields
            .iter()
            .filter(|field| !FREE.iter().any(|free| field.to_string().starts_with(free)))
        {
            for text in hostile {
                let name = format!("hostile-{}", objects.len());
                let mut object = json!({
                    "apiVersion": "roadstead.dev/v1alpha1", "kind": kind,
                    "metadata": {"name": name, "namespace": NAMESPACE},
                    "spec": complete(&kind, &field.to_string()),
                });
                field.set(&mut object, text);
                objects.push(object);
                tried.push((format!("{kind} {field} = {text:.20?}"), name, field.to_string()));
            }
        }
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let said = Cluster::installed().create_dry_run(&list.to_string()).fails();
    for (what, name, field) in &tried {
        let mark = format!("\"{name}\" is invalid");
        let refusal = said.split("Error from server").find(|part| part.contains(&mark));
        assert!(
            refusal.is_some_and(|refusal| refusal.contains(field.trim_end_matches("[0]"))),
            "{what} is taken: {refusal:?}"
        );
    }
    println!(
        "{} texts in fields of the three definitions were refused",
        tried.len()
    );
}
