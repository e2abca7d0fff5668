//! `Registry`: what a person asks for, and what they are told about it.
//!
//! - this file: the object itself, with the fields that everyone sets
//! - `tls`, `storage`, `service`, `pod`: the parts of the spec
//! - `status`: what the operator reports
//!
//! The rules are CEL, so the API server refuses what makes no sense with a message for people, and no webhook can
//! be down. This module does not know what is built from a Registry.

// The derive of the CEL rules puts a second, private type under the name of each public one.
#![allow(unreachable_pub)]
// Two printer columns may well have the same type and priority.
#![allow(clippy::duplicated_attributes)]

mod pod;
mod service;
mod status;
mod storage;
mod tls;

pub use pod::{Pod, Resources};
pub use service::{Service, ServiceType};
pub use status::{
    CertificatePurpose, CertificateStatus, ConditionStatus, ConditionType, HostStatus, NodesStatus,
    RegistryStatus,
};
pub use storage::{AccessMode, EmptyDir, PersistentVolumeClaim, Storage};
pub use tls::{SelfSigned, Tls};

use crate::names::ObjectName;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a Registry shall be: where it keeps its data, by which names it is reached and who may use it.
#[derive(CustomResource, Serialize, Deserialize, Debug, Clone, PartialEq, KubeSchema)]
#[kube(
    group = "roadstead.dev",
    version = "v1alpha1",
    kind = "Registry",
    plural = "registries",
    namespaced,
    status = "RegistryStatus",
    shortname = "reg",
    category = "all",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    derive = "PartialEq",
    doc = "A private container registry that every node of this cluster can pull from over verified TLS.",
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(
        name = "Status",
        type_ = "string",
        description = "Ready, or the reason of each condition that is not as it should be",
        json_path = ".status.summary"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Nodes",
        type_ = "string",
        description = "Nodes that trust this registry under its .svc names, of all nodes that should",
        json_path = ".status.nodes.summary"
    ),
    printcolumn(
        name = "Certificate expiry",
        type_ = "string",
        description = "When the first of its certificates ends",
        json_path = ".status.certificateExpiry"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        description = "Why it is ready or not",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = "1"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')")
        .message("metadata.name must be a DNS label of at most 40 characters that begins with a letter (small letters, digits and '-'): it becomes the first part of the registry's host name")
)]
#[x_kube(
    validation = Rule::new("!has(self.replicas) || self.replicas <= 1 || !has(self.storage.emptyDir)")
        .message("more than one replica needs a volume that all of them share: storage.emptyDir belongs to one pod")
        .field_path(".replicas"),
    validation = Rule::new("!has(self.replicas) || self.replicas <= 1 || !has(self.storage.persistentVolumeClaim) || has(self.storage.persistentVolumeClaim.claimName) || (has(self.storage.persistentVolumeClaim.accessModes) && 'ReadWriteMany' in self.storage.persistentVolumeClaim.accessModes)")
        .message("more than one replica needs a volume that all of them share: set storage.persistentVolumeClaim.accessModes to [ReadWriteMany]")
        .field_path(".replicas")
)]
#[serde(rename_all = "camelCase")]
pub struct RegistrySpec {
    /// How many pods serve the registry. More than one needs a ReadWriteMany volume.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 32))]
    pub replicas: i32,

    /// A name for people outside the cluster, such as `registry.example.com`, beside the one that every Registry has
    /// (`<name>.<namespace>.svc`). DNS for it is yours to set up. It reaches nodes only where the installation allows
    /// it (the chart's `nodeTrust.allowedHostnames`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 253))]
    #[x_kube(
        validation = Rule::new("self.matches('^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$')")
            .message("hostname must be a full DNS name in small letters, such as registry.example.com: no address, no port, no scheme"),
        validation = Rule::new("!self.endsWith('.svc') && !self.contains('.svc.') && !self.endsWith('.cluster.local')")
            .message("hostname must be a name outside the cluster: <name>.<namespace>.svc comes by itself, and those of others are theirs")
    )]
    pub hostname: Option<String>,

    /// Where its certificate comes from. A certificate by the operator's own CA is always there for nodes and pods;
    /// what stands here is served for the names that it covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// Who may use it, beside the two users that the operator makes: `roadstead-push` (Secret `<name>-push`) and
    /// `roadstead-pull` (Secret `<name>-pull`), of whom the latter may only pull.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,

    /// Where images are kept: exactly one of these.
    pub storage: Storage,

    /// The Service in front of it.
    #[serde(default)]
    pub service: Service,

    /// Whether the nodes of this cluster are made to trust it.
    #[serde(default)]
    pub node_trust: NodeTrustSettings,

    /// How its pods are run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,

    /// The operator leaves a paused Registry as it is: it changes nothing, not even a certificate that has to be
    /// renewed, and goes on reporting.
    #[serde(default)]
    pub paused: bool,

    /// What becomes of the images when this object is deleted. With `Retain` the volume claim `<name>-data` stays,
    /// and a new Registry of the same name takes it up.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// Who may use the registry.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Users from an htpasswd file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub htpasswd: Option<Htpasswd>,
}

/// Users from an htpasswd file.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Htpasswd {
    /// A Secret with the key `htpasswd`: lines as `htpasswd -nbB USER PASSWORD` prints them (bcrypt only).
    pub secret_ref: SecretReference,
}

/// Names a Secret in the Registry's namespace.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
pub struct SecretReference {
    /// Name of the Secret.
    pub name: ObjectName,
}

/// Whether the nodes of this cluster are made to trust the registry.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeTrustSettings {
    /// Bring the CA and the address of this registry to every node. Without it, pods cannot pull from here.
    #[serde(default = "yes")]
    pub enabled: bool,

    /// Bring `spec.hostname` to the nodes too, where the installation allows it. `false`: it is for clients outside the
    /// cluster only, and pods use the `.svc` name.
    #[serde(default = "yes")]
    pub include_hostname: bool,
}

impl Default for NodeTrustSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            include_hostname: true,
        }
    }
}

/// What becomes of the images when the Registry is deleted.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum DeletionPolicy {
    #[default]
    Retain,
    Delete,
}

fn one() -> i32 {
    1
}

fn yes() -> bool {
    true
}
