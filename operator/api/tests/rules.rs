//! Every rule of Registry with an object that breaks it: `rules.yaml`.

use kube::core::cel::Validator;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Example {
    rule: String,
    /// What is said; absent where the object is accepted.
    message: Option<String>,
    #[serde(default = "images")]
    name: String,
    old: Option<Value>,
    spec: Value,
}

fn images() -> String {
    "images".to_owned()
}

fn examples() -> Vec<Example> {
    serde_yaml::from_str(include_str!("rules.yaml")).expect("rules.yaml is a list of examples")
}

fn schema() -> Value {
    let definitions = roadstead_api::definitions::all();
    let registry = &definitions[0].spec.versions[0];
    let validation = registry.schema.as_ref().expect("it has a schema");
    serde_json::to_value(&validation.open_api_v3_schema).expect("a schema is JSON")
}

#[test]
fn every_example_is_answered_as_it_says() {
    let schema = schema();
    for example in examples() {
        let object = |spec: &Value| json!({"metadata": {"name": example.name}, "spec": spec});
        let old = example.old.as_ref().map(object);
        let verdict = Validator::new().validate(&schema, &object(&example.spec), old.as_ref());
        let said = verdict.err().map(|errors| errors.to_string()).unwrap_or_default();
        match &example.message {
            Some(message) => assert!(
                said.contains(message),
                "{}: said {said:?}, not {message:?}",
                example.rule
            ),
            None => assert_eq!(said, "", "{}", example.rule),
        }
    }
}

#[test]
fn every_rule_has_an_example_that_breaks_it() {
    let told: Vec<_> = examples()
        .into_iter()
        .filter_map(|example| example.message)
        .collect();
    let mut messages = Vec::new();
    collect(&schema(), &mut messages);
    assert!(messages.len() > 20, "the rules are found: {messages:#?}");
    for message in messages {
        assert!(
            told.iter().any(|told| message.contains(told.as_str())),
            "no example in rules.yaml breaks the rule that says {message:?}"
        );
    }
}

fn collect(schema: &Value, messages: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            for rule in map
                .get("x-kubernetes-validations")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                messages.push(
                    rule["message"]
                        .as_str()
                        .expect("every rule has a message for people")
                        .to_owned(),
                );
            }
            map.values().for_each(|value| collect(value, messages));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, messages)),
        _ => {}
    }
}
