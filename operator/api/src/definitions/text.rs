//! The fields of a definition that hold text, taken from its schema: a test that tries each of them also tries the
//! next one that is added.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::{Value, json};
use std::fmt;

/// A field that holds text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextField(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Property(String),
    Item,
    Entry,
}

/// Every field below `spec` that holds text of a person's choice.
pub fn text_fields(definition: &CustomResourceDefinition) -> Vec<TextField> {
    let mut found = Vec::new();
    let schemas = definition
        .spec
        .versions
        .iter()
        .filter_map(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref())
        .filter_map(|schema| schema.properties.as_ref()?.get("spec"));
    for spec in schemas {
        collect(spec, &mut vec![Step::Property("spec".to_owned())], &mut found);
    }
    found
}

fn collect(schema: &JSONSchemaProps, path: &mut Vec<Step>, found: &mut Vec<TextField>) {
    let is_text = schema.type_.as_deref() == Some("string") && schema.enum_.is_none();
    if is_text || schema.x_kubernetes_int_or_string == Some(true) {
        found.push(TextField(path.clone()));
    }
    let mut below = |step: Step, schema: &JSONSchemaProps| {
        path.push(step);
        collect(schema, path, found);
        path.pop();
    };
    for (name, property) in schema.properties.iter().flatten() {
        below(Step::Property(name.clone()), property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        below(Step::Item, items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        below(Step::Entry, values);
    }
}

impl TextField {
    /// Puts `text` into this field of `object`, with whatever has to be around it.
    pub fn set(&self, object: &mut Value, text: &str) {
        let place = self.0.iter().fold(object, |place, step| match step {
            Step::Property(name) => &mut place[name.as_str()],
            Step::Entry => &mut place["entry"],
            Step::Item => {
                if !place.is_array() {
                    *place = json!([null]);
                }
                &mut place[0]
            }
        });
        *place = json!(text);
    }
}

/// As the API server names it in what it says.
impl fmt::Display for TextField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Property(name) if index == 0 => formatter.write_str(name)?,
                Step::Property(name) => write!(formatter, ".{name}")?,
                Step::Item => formatter.write_str("[0]")?,
                Step::Entry => formatter.write_str(".entry")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_at_every_depth_and_can_be_set() {
        let definition = &crate::definitions::all()[0];
        let fields = text_fields(definition);
        let named = |name: &str| fields.iter().find(|field| field.to_string() == name).expect(name);
        for (name, pointer) in [
            ("spec.hostname", "/spec/hostname"),
            (
                "spec.pod.imagePullSecrets[0].name",
                "/spec/pod/imagePullSecrets/0/name",
            ),
            (
                "spec.service.annotations.entry",
                "/spec/service/annotations/entry",
            ),
            (
                "spec.pod.resources.limits.entry",
                "/spec/pod/resources/limits/entry",
            ),
        ] {
            let mut object = json!({});
            named(name).set(&mut object, "text");
            assert_eq!(object.pointer(pointer), Some(&json!("text")), "{object}");
        }
    }
}
