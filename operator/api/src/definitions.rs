//! The custom resources as CustomResourceDefinitions, as they stand in `crds/`.
//!
//! Types of Kubernetes that are passed through (affinity, tolerations) come without limits and with `nullable`;
//! here every list, map and string gets a limit, so that no object can be made to grow without bound and the API
//! server can estimate what a rule costs.

mod text;

pub use text::{TextField, text_fields};

use crate::registry::Registry;
use crate::trust::{NodeTrust, TrustBundle};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

const MAX_ITEMS: i64 = 64;
const MAX_PROPERTIES: i64 = 64;
const MAX_LENGTH: i64 = 4096;

/// All definitions, in the order in which they are printed.
pub fn all() -> Vec<CustomResourceDefinition> {
    let mut definitions = vec![Registry::crd(), TrustBundle::crd(), NodeTrust::crd()];
    definitions.iter_mut().for_each(tidy);
    definitions
}

fn tidy(definition: &mut CustomResourceDefinition) {
    for version in &mut definition.spec.versions {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|validation| validation.open_api_v3_schema.as_mut())
        {
            bound(schema);
        }
    }
}

fn bound(schema: &mut JSONSchemaProps) {
    // Lines of source are no lines of text; an empty line between paragraphs is.
    if let Some(description) = &mut schema.description {
        let paragraphs: Vec<_> = description
            .split("\n\n")
            .map(|text| text.replace('\n', " "))
            .collect();
        *description = paragraphs.join("\n\n");
    }
    // The API server then takes `field: null` for an absent field, as people mean it.
    schema.nullable = None;
    match schema.type_.as_deref() {
        Some("string") if schema.enum_.is_none() && schema.format.is_none() => {
            schema.max_length.get_or_insert(MAX_LENGTH);
        }
        Some("array") => {
            schema.max_items.get_or_insert(MAX_ITEMS);
        }
        Some("object") if schema.additional_properties.is_some() => {
            schema.max_properties.get_or_insert(MAX_PROPERTIES);
        }
        _ => {}
    }
    for property in schema.properties.iter_mut().flatten() {
        bound(property.1);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        bound(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        bound(values);
    }
}
