//! What the operator reports about a Registry.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the operator reports about a Registry.
#[derive(Serialize, Deserialize, Debug, Clone, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistryStatus {
    /// Where clients reach it: `https://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,

    /// All conditions in short, for people: `Ready`, or the reason of each that is not as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub summary: Option<String>,

    /// Ready, Reconciled, CertificateValid, StorageReady, AuthReady and NodesTrusted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The certificates that it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub certificates: Vec<CertificateStatus>,

    /// When the first of its certificates ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expiry: Option<Time>,

    /// The nodes of the cluster and whether they trust it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodesStatus>,

    /// How many of its pods can serve.
    #[serde(default)]
    pub replicas: i32,

    /// The labels of its pods, for `kubectl scale` and autoscalers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub selector: Option<String>,

    /// The addresses of its Service, which are asked for again when the Service is made anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "clusterIPs")]
    #[schemars(length(max = 2))]
    pub cluster_ips: Vec<String>,
}

/// One certificate that the registry serves.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// `Internal`: by the operator's own CA, for nodes and pods. `External`: yours.
    pub purpose: CertificatePurpose,
    /// When it ends.
    pub not_after: Time,
    /// The names and addresses that it covers.
    #[schemars(length(max = 128))]
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
}

/// Whom a certificate is for.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum CertificatePurpose {
    Internal,
    External,
}

/// The nodes of the cluster and whether they trust a registry.
#[derive(Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodesStatus {
    /// Nodes that should trust it: those with an agent.
    pub desired: i32,
    /// Nodes on which a pull has shown that they trust it under its `.svc` names.
    pub trusted: i32,
    /// Nodes whose container runtime cannot be made to trust it as it is set up.
    pub unsupported: i32,
    /// `trusted/desired`, for people.
    pub summary: String,
    /// How many nodes trust it under each other name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub hosts: Vec<HostStatus>,
}

/// How many nodes trust a registry under one name.
#[derive(Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
pub struct HostStatus {
    /// The name, as it stands in image references.
    #[schemars(length(max = 260))]
    pub host: String,
    /// Nodes on which a pull has shown that they trust it under this name.
    pub trusted: i32,
}

/// The conditions of a Registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// It serves. Does not wait for the nodes.
    Ready,
    /// The cluster has what the spec asks for.
    Reconciled,
    CertificateValid,
    StorageReady,
    AuthReady,
    NodesTrusted,
}

impl ConditionType {
    pub const ALL: [Self; 6] = [
        Self::Ready,
        Self::Reconciled,
        Self::CertificateValid,
        Self::StorageReady,
        Self::AuthReady,
        Self::NodesTrusted,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciled => "Reconciled",
            Self::CertificateValid => "CertificateValid",
            Self::StorageReady => "StorageReady",
            Self::AuthReady => "AuthReady",
            Self::NodesTrusted => "NodesTrusted",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}
