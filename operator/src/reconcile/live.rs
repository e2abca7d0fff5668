//! The objects of one Registry as they stand in the cluster, by kind and name.
//!
//! They are read from the API server, not from a cache: what is compared with a stale copy is written twice.

use super::bounded::{self, Found};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use roadstead_api::trust::TrustBundle;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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

/// How many objects are read at once: people can make some of them large.
const AT_ONCE: usize = 4;

/// The objects that exist, as JSON.
#[derive(Debug, Clone, Default)]
pub struct Live {
    objects: BTreeMap<Key, Value>,
    too_large: BTreeSet<Key>,
}

impl Live {
    /// Reads all of these. `copy`: the one whose size lies with what people give.
    pub async fn read(client: &Client, keys: Vec<Key>, copy: &Key) -> Result<Self, kube::Error> {
        let reads = keys.into_iter().map(|key| async move {
            let most = if key == *copy {
                bounded::OF_PEOPLE
            } else {
                bounded::OF_OURS
            };
            let api = key.api(client);
            let found = bounded::get(client, api.resource_url(), &key.name, most).await?;
            Ok::<_, kube::Error>((key, found))
        });
        let mut reads = stream::iter(reads).buffer_unordered(AT_ONCE);
        let mut live = Self::default();
        while let Some((key, found)) = reads.try_next().await? {
            match found {
                Found::Nothing => {}
                Found::Object(object) => live.put(key, object),
                Found::TooLarge => {
                    live.too_large.insert(key);
                }
            }
        }
        Ok(live)
    }

    /// What is there and was not read, because it is larger than anything that the operator writes there.
    pub fn too_large(&self) -> &BTreeSet<Key> {
        &self.too_large
    }

    /// Takes what the API server answered.
    pub fn put(&mut self, key: Key, mut object: DynamicObject) {
        object.metadata.managed_fields = None;
        let value = serde_json::to_value(object).expect("an object that was read as JSON is written as JSON");
        self.objects.insert(key, value);
    }

    pub fn remove(&mut self, key: &Key) {
        self.objects.remove(key);
    }

    pub fn value(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    pub fn contains(&self, key: &Key) -> bool {
        self.objects.contains_key(key)
    }

    /// The object in its own type; `None` where it is not there.
    pub fn get<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        serde_json::from_value(self.objects.get(key)?.clone()).ok()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.objects.iter()
    }
}
