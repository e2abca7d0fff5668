//! What the objects of a Registry are called, how they are labelled, and by which hosts it is reached.
//!
//! Names are an interface: people and other tools rely on `images-pull`, `images-ca` and the rest.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use roadstead_api::names::ObjectName;
use roadstead_api::registry::Registry;
use std::collections::BTreeMap;
use std::fmt;

pub const FIELD_MANAGER: &str = "roadstead-operator";
pub const FINALIZER: &str = "roadstead.dev/trust";
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
pub const REGISTRY_LABEL: &str = "roadstead.dev/registry";
/// On objects that live in another namespace than their Registry.
pub const REGISTRY_NAMESPACE_LABEL: &str = "roadstead.dev/registry-namespace";
/// On the same objects: which Registry of that name it is. A name comes back with another owner, a UID does not.
pub const REGISTRY_UID_LABEL: &str = "roadstead.dev/registry-uid";
pub const APPLIED_HASH: &str = "roadstead.dev/applied-hash";
/// The selector of everything that the operator made.
pub const OURS: &str = "app.kubernetes.io/managed-by=roadstead-operator";

pub const PUSH_USER: &str = "roadstead-push";
pub const PULL_USER: &str = "roadstead-pull";

/// Which Registry it is, and the names of everything that is made for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryId {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

impl RegistryId {
    pub fn of(registry: &Registry) -> Self {
        let metadata = &registry.metadata;
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
        }
    }

    pub fn config(&self) -> String {
        format!("{}-config", self.name)
    }

    pub fn ca_bundle(&self) -> String {
        format!("{}-ca", self.name)
    }

    pub fn internal_tls(&self) -> String {
        format!("{}-internal-tls", self.name)
    }

    pub fn external_tls(&self) -> String {
        format!("{}-external-tls", self.name)
    }

    pub fn htpasswd(&self) -> String {
        format!("{}-htpasswd", self.name)
    }

    pub fn push(&self) -> String {
        format!("{}-push", self.name)
    }

    pub fn pull(&self) -> String {
        format!("{}-pull", self.name)
    }

    pub fn data(&self) -> String {
        format!("{}-data", self.name)
    }

    /// The Secret of its CA, in the operator's namespace. Neither part can hold a dot, so no two Registries share it.
    pub fn authority(&self) -> String {
        format!("ca.{}.{}", self.namespace, self.name)
    }

    /// Labels on everything that is made for it.
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            ("app.kubernetes.io/name", "roadstead"),
            ("app.kubernetes.io/instance", &self.name),
            (MANAGED_BY_LABEL, FIELD_MANAGER),
            (REGISTRY_LABEL, &self.name),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// Labels that pick its pods, for good: a Deployment's selector never changes.
    pub fn pod_labels(&self) -> BTreeMap<String, String> {
        [
            ("app.kubernetes.io/name", "roadstead"),
            (REGISTRY_LABEL, &self.name),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// [`Self::pod_labels`] as a selector.
    pub fn pod_selector(&self) -> String {
        let labels: Vec<_> = self
            .pod_labels()
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        labels.join(",")
    }

    /// Metadata of an object beside the Registry, which goes with it.
    pub fn owned(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            owner_references: Some(vec![self.owner_reference()]),
            ..self.beside(name)
        }
    }

    /// Metadata of an object beside the Registry, which outlives it.
    pub fn beside(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels()),
            ..ObjectMeta::default()
        }
    }

    /// Metadata of an object in another namespace: an owner reference cannot reach there, so the finalizer must.
    pub fn elsewhere(&self, namespace: &str, name: &str) -> ObjectMeta {
        let mut labels = self.labels();
        labels.insert(REGISTRY_NAMESPACE_LABEL.to_owned(), self.namespace.clone());
        labels.insert(REGISTRY_UID_LABEL.to_owned(), self.uid.clone());
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels),
            ..ObjectMeta::default()
        }
    }

    fn owner_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: "roadstead.dev/v1alpha1".to_owned(),
            kind: "Registry".to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }
}

impl fmt::Display for RegistryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// A registry host as it stands in image references: 443 is left out there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host {
    pub name: String,
    pub port: u16,
}

impl Host {
    /// The name of the TrustBundle for it; one per host.
    pub fn bundle_name(&self) -> String {
        self.to_string().replace(':', ".")
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            443 => formatter.write_str(&self.name),
            port => write!(formatter, "{}:{port}", self.name),
        }
    }
}

/// The hosts by which a Registry is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    /// `images.registry.svc`: the one that people write.
    pub service: Host,
    /// `images.registry.svc.cluster.local`.
    pub qualified: Host,
    /// `images.registry`, which works in pods only.
    pub short: Host,
    /// `spec.hostname`.
    pub external: Option<Host>,
}

impl Hosts {
    pub fn of(id: &RegistryId, port: u16, hostname: Option<&str>, cluster_domain: &str) -> Self {
        let host = |name: String| Host { name, port };
        let RegistryId { namespace, name, .. } = id;
        Self {
            service: host(format!("{name}.{namespace}.svc")),
            qualified: host(format!("{name}.{namespace}.svc.{cluster_domain}")),
            short: host(format!("{name}.{namespace}")),
            // It becomes part of a TrustBundle's name. One that cannot be is told where hostnames are judged.
            external: hostname
                .map(str::to_ascii_lowercase)
                .filter(|name| ObjectName::from(name.as_str()).checked().is_ok())
                .map(host),
        }
    }

    /// The hosts that come from the Service, and so exist for every Registry.
    pub fn derived(&self) -> [&Host; 3] {
        [&self.service, &self.qualified, &self.short]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_port_where_it_is_443() {
        let host = |port| Host {
            name: "images.registry.svc".into(),
            port,
        };
        assert_eq!(host(5000).to_string(), "images.registry.svc:5000");
        assert_eq!(host(5000).bundle_name(), "images.registry.svc.5000");
        assert_eq!(host(443).to_string(), "images.registry.svc");
        assert_eq!(host(443).bundle_name(), "images.registry.svc");
    }
}
