//! Objects as far as watches need them: who they are.
//!
//! People put as much into labels and annotations as an object may hold, and field managers add as much again. Once it is
//! in maps each byte of it takes ten, so it is left out while it is read.

use crate::names::{REGISTRY_LABEL, REGISTRY_NAMESPACE_LABEL};
use http::HeaderValue;
use http::header::ACCEPT;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::api::ObjectMeta;
use kube::client::Body;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// The labels that are read.
const LABELS: [&str; 2] = [REGISTRY_LABEL, REGISTRY_NAMESPACE_LABEL];
const LIST: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
const OBJECT: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// An object of which only [`metadata`] was read.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound = "")]
pub struct Lean<K> {
    #[serde(deserialize_with = "metadata")]
    metadata: ObjectMeta,
    #[serde(skip)]
    kind: PhantomData<K>,
}

impl<K: Resource> Resource for Lean<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Has the API server leave out everything but metadata.
pub fn only_metadata(mut request: http::Request<Body>) -> http::Request<Body> {
    let query = request.uri().query().unwrap_or_default();
    let is_watch = query.split('&').any(|pair| pair == "watch=true");
    let form = if is_watch { OBJECT } else { LIST };
    request.headers_mut().insert(ACCEPT, form);
    request
}

/// Reads metadata and keeps what identifies an object and its state.
pub fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let identity = Identity::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: identity.name,
        namespace: identity.namespace,
        uid: identity.uid,
        resource_version: identity.resource_version,
        generation: identity.generation,
        creation_timestamp: identity.creation_timestamp,
        deletion_timestamp: identity.deletion_timestamp,
        labels: Some(identity.labels),
        finalizers: Some(identity.finalizers),
        ..ObjectMeta::default()
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Identity {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    #[serde(deserialize_with = "known_labels")]
    labels: BTreeMap<String, String>,
    finalizers: Vec<String>,
}

fn known_labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Known;
    impl<'de> Visitor<'de> for Known {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("labels")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut labels: A) -> Result<Self::Value, A::Error> {
            let mut known = BTreeMap::new();
            while let Some(name) = labels.next_key::<String>()? {
                if LABELS.contains(&name.as_str()) {
                    known.insert(name, labels.next_value()?);
                } else {
                    labels.next_value::<IgnoredAny>()?;
                }
            }
            Ok(known)
        }
    }
    deserializer.deserialize_any(Known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Secret;
    use serde_json::json;

    #[test]
    fn nothing_is_kept_that_people_can_make_large() {
        let many: BTreeMap<String, String> = (0..1000)
            .map(|number| (format!("k{number}"), String::new()))
            .collect();
        let mut labels = json!(many);
        labels[REGISTRY_LABEL] = json!("images");
        let secret: Lean<Secret> = serde_json::from_value(json!({
            "metadata": {"name": "a", "namespace": "b", "labels": labels, "annotations": many, "managedFields": [many]},
            "data": many,
        }))
        .expect("it is an object");
        let kept = serde_json::to_value(secret.meta()).expect("it is metadata");
        let expected =
            json!({"name": "a", "namespace": "b", "labels": {REGISTRY_LABEL: "images"}, "finalizers": []});
        assert_eq!(kept, expected);
    }

    #[test]
    fn lists_and_watches_ask_for_metadata() {
        let asked = |uri: &str| {
            let request = http::Request::get(uri)
                .body(Body::empty())
                .expect("it is a request");
            only_metadata(request).headers()[ACCEPT].clone()
        };
        assert_eq!(asked("/api/v1/secrets?limit=4"), LIST);
        assert_eq!(
            asked("/api/v1/secrets?watch=true&allowWatchBookmarks=true"),
            OBJECT
        );
    }
}
