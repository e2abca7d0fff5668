//! A Registry as the cache has it: who it is, and what others ask about it.
//!
//! Its spec may be large, and one that an older version of the definition let in may not be what this version expects.
//! Neither must cost more than a few strings, nor hide the other Registries.

use crate::lean;
use kube::Resource;
use kube::api::ObjectMeta;
use roadstead_api::registry::Registry;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;

/// A Registry less what nobody else asks about.
#[derive(Resource, Clone, Debug, Deserialize)]
#[resource(inherit = Registry)]
pub struct Seen {
    #[serde(deserialize_with = "lean::metadata")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Or<Spec>,
}

impl Seen {
    /// `spec.hostname`.
    pub fn hostname(&self) -> Option<&str> {
        let hostname = self.spec.0.hostname.0.as_str();
        (!hostname.is_empty()).then_some(hostname)
    }

    /// `spec.service.port`.
    pub fn port(&self) -> u16 {
        self.spec.0.service.0.port.0
    }

    /// Whether it may bring hosts to nodes.
    pub fn steers_nodes(&self) -> bool {
        self.spec.0.node_trust.0.enabled.0 && !self.spec.0.paused.0
    }

    /// Whether it names this Secret of its namespace.
    pub fn names_secret(&self, name: &str) -> bool {
        let Spec { tls, auth, .. } = &self.spec.0;
        [&tls.0.secret_ref, &auth.0.htpasswd.0.secret_ref]
            .iter()
            .any(|reference| reference.0.name.0 == name)
    }

    /// Whether it names this volume claim of its namespace.
    pub fn names_claim(&self, name: &str) -> bool {
        self.spec.0.storage.0.persistent_volume_claim.0.claim_name.0 == name
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    hostname: Or<String>,
    service: Or<Service>,
    tls: Or<Named>,
    auth: Or<Auth>,
    storage: Or<Storage>,
    node_trust: Or<NodeTrust>,
    paused: Or<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
struct Service {
    port: Or<u16>,
}

impl Default for Service {
    fn default() -> Self {
        Self { port: Or(5000) }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
struct NodeTrust {
    enabled: Or<bool>,
}

impl Default for NodeTrust {
    fn default() -> Self {
        Self { enabled: Or(true) }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    htpasswd: Or<Named>,
}

/// What has a `secretRef`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    secret_ref: Or<Reference>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Reference {
    name: Or<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Storage {
    persistent_volume_claim: Or<Claim>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Claim {
    claim_name: Or<String>,
}

/// A value, or the default one where something of another kind stands.
#[derive(Clone, Debug, Default)]
struct Or<T>(T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Or<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(PhantomData)).map(Or)
    }
}

struct Either<T>(PhantomData<T>);

fn either<'de, T, V, E>(value: V) -> Result<T, E>
where
    T: Deserialize<'de> + Default,
    V: IntoDeserializer<'de, E>,
    E: Error,
{
    Ok(T::deserialize(value.into_deserializer()).unwrap_or_default())
}

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Either<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        either(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        either(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        either(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        either(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        either(value)
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<T, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn seen(spec: Value) -> Seen {
        serde_json::from_value(json!({"metadata": {"name": "images", "namespace": "team"}, "spec": spec}))
            .expect("whatever stands there")
    }

    #[test]
    fn what_others_ask_about_is_there() {
        let registry = seen(json!({
            "hostname": "a.example.com", "service": {"port": 443}, "storage": {"persistentVolumeClaim": {"claimName": "c"}},
            "tls": {"secretRef": {"name": "t"}}, "auth": {"htpasswd": {"secretRef": {"name": "u"}}},
        }));
        assert_eq!(
            (registry.hostname(), registry.port()),
            (Some("a.example.com"), 443)
        );
        assert!(registry.names_secret("t") && registry.names_secret("u") && registry.names_claim("c"));
        assert!(registry.steers_nodes() && !seen(json!({"paused": true})).steers_nodes());
        assert!(!seen(json!({"nodeTrust": {"enabled": false}})).steers_nodes());
    }

    #[test]
    fn a_spec_of_another_version_hides_nothing() {
        for spec in [
            json!({"storage": 7, "tls": [{"a": 1}], "paused": "yes", "hostname": 1.5}),
            json!(null),
            json!([]),
        ] {
            let registry = seen(spec);
            assert_eq!((registry.hostname(), registry.port()), (None, 5000));
            assert!(!registry.names_secret("a") && registry.steers_nodes());
        }
    }
}
