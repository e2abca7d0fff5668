//! The objects of one Registry as they stand in the cluster, by kind and name.
//!
//! They are read from the API server, not from a cache: what is compared with a stale copy is written twice.

use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use roadstead_api::trust::TrustBundle;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The kinds of objects that the operator makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    ServiceAccount,
    Service,
    PersistentVolumeClaim,
    Secret,
    ConfigMap,
    TrustBundle,
    Deployment,
    PodDisruptionBudget,
}

impl Kind {
    pub fn resource(self) -> ApiResource {
        match self {
            Self::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
            Self::Service => ApiResource::erase::<Service>(&()),
            Self::PersistentVolumeClaim => ApiResource::erase::<PersistentVolumeClaim>(&()),
            Self::Secret => ApiResource::erase::<Secret>(&()),
            Self::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
            Self::TrustBundle => ApiResource::erase::<TrustBundle>(&()),
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
        }
    }
}

/// Names one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub fn api(&self, client: &Client) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), &self.namespace, &self.kind.resource())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        write!(formatter, "{kind:?} {name} in namespace {namespace}")
    }
}

/// The objects that exist, as JSON.
#[derive(Debug, Clone, Default)]
pub struct Live(BTreeMap<Key, Value>);

impl Live {
    /// Reads all of these at once.
    pub async fn read(client: &Client, keys: impl IntoIterator<Item = Key>) -> Result<Self, kube::Error> {
        let reads = keys.into_iter().map(|key| async move {
            let object = key.api(client).get_opt(&key.name).await?;
            Ok::<_, kube::Error>(object.map(|object| (key, object)))
        });
        let mut live = Self::default();
        for (key, object) in try_join_all(reads).await?.into_iter().flatten() {
            live.put(key, object);
        }
        Ok(live)
    }

    /// Takes what the API server answered.
    pub fn put(&mut self, key: Key, mut object: DynamicObject) {
        object.metadata.managed_fields = None;
        let value = serde_json::to_value(object).expect("an object that was read as JSON is written as JSON");
        self.0.insert(key, value);
    }

    pub fn remove(&mut self, key: &Key) {
        self.0.remove(key);
    }

    pub fn value(&self, key: &Key) -> Option<&Value> {
        self.0.get(key)
    }

    pub fn contains(&self, key: &Key) -> bool {
        self.0.contains_key(key)
    }

    /// The object in its own type; `None` where it is not there.
    pub fn get<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        serde_json::from_value(self.0.get(key)?.clone()).ok()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.0.iter()
    }
}
