//! What the operator and the node agents tell one another.
//!
//! A [`TrustBundle`] says what every node shall trust, one object per registry host, written by the operator.
//! A [`NodeTrust`] says what is in force on one node, written by the agent of that node alone.
//! The two meet in hashes: a node names all that it carries in one short `set`, however many hosts there are.
//! This module does not know how trust is brought to a node, nor how it is judged.

// The derive of the CEL rules puts a second, private type under the name of each public one.
#![allow(unreachable_pub)]
// Two printer columns may well have the same type and priority.
#![allow(clippy::duplicated_attributes)]

mod marks;

pub use marks::{is_marked, marks};

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The most bytes that the CA certificates of one host may have: every node and every agent carries those of all hosts.
pub const MAX_CA: usize = 16 * 1024;
/// The most problems that a [`NodeTrust`] tells in words; [`FurtherHosts`] has the rest.
pub const MAX_PROBLEMS: usize = 32;

/// The CA and the address of one registry host, for every node of the cluster. Written by the operator, read by
/// the node agents. The object's name is the host with a dot for the colon, so there is one per host.
#[derive(CustomResource, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, KubeSchema)]
#[kube(
    group = "roadstead.dev",
    version = "v1alpha1",
    kind = "TrustBundle",
    namespaced,
    shortname = "tb",
    derive = "PartialEq",
    doc = "The CA and the address of one registry host, for every node of the cluster. Written by the operator.",
    printcolumn(name = "Host", type_ = "string", json_path = ".spec.host"),
    printcolumn(name = "Server", type_ = "string", json_path = ".spec.server"),
    printcolumn(name = "Registry", type_ = "string", json_path = ".spec.registry.name"),
    printcolumn(
        name = "Namespace of registry",
        type_ = "string",
        json_path = ".spec.registry.namespace",
        priority = "1"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name == self.spec.host.replace(':', '.')")
        .message("the name must be spec.host with a dot for the colon, so that a host has one TrustBundle")
)]
#[serde(rename_all = "camelCase")]
pub struct TrustBundleSpec {
    /// The installation that wrote this, as `<release namespace>/<release name>`. Agents of another installation
    /// leave it alone.
    #[schemars(
        length(min = 3, max = 128),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub installation: String,

    /// The registry as it stands in image references, for example `images.registry.svc:5000`; `:443` is left out.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[0-9]{1,5})?$')")
            .message("host must be a lower-case DNS name, with a port where it is not 443, as in images.registry.svc:5000"),
        validation = Rule::new("!self.endsWith(':443')")
            .message("leave out :443, because image references without a port mean 443")
    )]
    pub host: String,

    /// The CA certificates that vouch for the registry, in PEM.
    #[schemars(length(min = 1, max = MAX_CA))]
    #[x_kube(
        validation = Rule::new("self.contains('-----BEGIN CERTIFICATE-----')")
            .message("ca must hold at least one certificate in PEM"),
        validation = Rule::new("!self.contains('PRIVATE KEY-----')")
            .message("ca must not hold a private key: it is read by every node")
    )]
    pub ca: String,

    /// What the node dials, as `IP:port` (IPv6 in brackets). Absent: the host's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 261))]
    #[x_kube(
        validation = Rule::new(r"self.matches('^(\\[[0-9a-f:.]+\\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?):[0-9]{1,5}$')")
            .message("server must be address:port, an IPv6 address in brackets, as in 10.96.12.34:5000")
    )]
    pub server: Option<String>,

    /// The Registry that this comes from.
    pub registry: RegistryReference,

    /// Whether a pull shall show that it works.
    #[serde(default, skip_serializing_if = "Proof::is_required")]
    pub proof: Proof,
}

/// Whether a pull shall show that a node trusts a host.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum Proof {
    #[default]
    Required,
    // The registry has no pods: nobody would answer, and the files are all that can be done.
    NotExpected,
}

impl Proof {
    fn is_required(&self) -> bool {
        *self == Self::Required
    }
}

/// The Registry that a [`TrustBundle`] comes from.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
pub struct RegistryReference {
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub namespace: String,
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub uid: String,
}

/// What is in force on one node: written and proved by a pull. Written only by that node's agent, under the name
/// of the node, and owned by the Node.
#[derive(CustomResource, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[kube(
    group = "roadstead.dev",
    version = "v1alpha1",
    kind = "NodeTrust",
    namespaced,
    shortname = "nt",
    derive = "PartialEq",
    doc = "What is in force on one node, proved by a pull. Written by the agent of that node alone.",
    printcolumn(name = "Runtime", type_ = "string", json_path = ".spec.runtime.name"),
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.runtime.version"),
    printcolumn(name = "Problems", type_ = "string", json_path = ".spec.summary"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".spec.problems[0].message",
        priority = "1"
    ),
    printcolumn(name = "Set", type_ = "string", json_path = ".spec.set", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct NodeTrustSpec {
    /// The installation whose agent wrote this, as `<release namespace>/<release name>`.
    #[schemars(
        length(min = 3, max = 128),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub installation: String,

    /// The UID of the Node: another one means another machine under the same name.
    #[serde(rename = "nodeUID")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub node_uid: String,

    /// The kernel's boot id at the time of writing.
    #[serde(rename = "bootID")]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z0-9-]*$"))]
    pub boot_id: String,

    /// SHA-256 over all hosts that are written on this node and what is written for each.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$"))]
    pub set: String,

    /// The container runtime. Absent: the agent found none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,

    /// What is wrong, in short: first what concerns this node, then single hosts, each with how many there are.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub summary: String,

    /// What stands between this node and its registries: what concerns the node itself first, then hosts of every
    /// namespace in turn. A host that neither this list nor `further` names can be pulled from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub problems: Vec<Problem>,

    /// The hosts that `problems` has no room for, by reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub further: Vec<FurtherHosts>,
}

/// Hosts that have the same kind of problem, without words.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
pub struct FurtherHosts {
    pub reason: ProblemReason,
    /// How many they are.
    #[schemars(range(min = 1, max = 65_536))]
    pub count: u32,
    /// Which: bit `n` stands for the host at place `n` of `set` in alphabetical order, four bits in a hexadecimal
    /// digit, the lowest first.
    #[schemars(length(min = 1, max = 16_384), regex(pattern = "^[0-9a-f]+$"))]
    pub hosts: String,
}

/// A container runtime as it names itself.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
pub struct Runtime {
    #[schemars(length(max = 64))]
    pub name: String,
    #[schemars(length(max = 64))]
    pub version: String,
}

/// One thing that stands between a node and a registry host.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub struct Problem {
    /// The registry host that it concerns; empty: every host.
    #[schemars(
        length(max = 253),
        regex(pattern = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?)?$")
    )]
    pub host: String,
    pub reason: ProblemReason,
    /// The file or folder on the node that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub path: Option<String>,
    /// What happened and what to do about it, for people.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// Why a node does not trust a host.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum ProblemReason {
    // Not doc comments: they would make the schema a `oneOf` of single values, which no one can read.
    // Written, and no pull has shown yet that it works.
    Unproved,
    // No runtime that the agent can write for.
    UnsupportedRuntime,
    // The runtime reads no certs.d folder.
    ConfigPathUnset,
    // The runtime reads a certs.d folder, but not ours.
    ConfigNotRead,
    CertificateRejected,
    NameNotResolved,
    ConnectionFailed,
    // A proxy answered in the registry's place.
    ProxyAnswered,
    // A plain HTTP server answered.
    NotTls,
    // Something that the agent did not write lies where it would write.
    ForeignFile,
    // Something of the node's own lets the runtime skip verification for this host.
    InsecureOverride,
    WriteFailed,
    // The node belongs to another installation of Roadstead.
    InstallationConflict,
    // Only of agents before `further`: it named no host and stood for those that had no room.
    TooManyProblems,
    // A reason of a newer agent.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

impl ProblemReason {
    /// The reason as it stands in the object, for conditions and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unproved => "Unproved",
            Self::UnsupportedRuntime => "UnsupportedRuntime",
            Self::ConfigPathUnset => "ConfigPathUnset",
            Self::ConfigNotRead => "ConfigNotRead",
            Self::CertificateRejected => "CertificateRejected",
            Self::NameNotResolved => "NameNotResolved",
            Self::ConnectionFailed => "ConnectionFailed",
            Self::ProxyAnswered => "ProxyAnswered",
            Self::NotTls => "NotTls",
            Self::ForeignFile => "ForeignFile",
            Self::InsecureOverride => "InsecureOverride",
            Self::WriteFailed => "WriteFailed",
            Self::InstallationConflict => "InstallationConflict",
            Self::TooManyProblems => "TooManyProblems",
            Self::Unknown => "Unknown",
        }
    }
}

impl TrustBundleSpec {
    /// Names what a node has to carry for this host, and whether it has to prove it: a host that was idle is not
    /// acknowledged when it begins to serve.
    pub fn content_hash(&self) -> String {
        let mut hasher = Sha256::new();
        field(&mut hasher, &self.host);
        field(&mut hasher, &self.ca);
        // An absent server and an empty one are told apart by the tag.
        match &self.server {
            Some(server) => {
                field(&mut hasher, "server");
                field(&mut hasher, server);
            }
            None => field(&mut hasher, ""),
        }
        match self.proof {
            Proof::Required => {}
            Proof::NotExpected => field(&mut hasher, "no proof expected"),
        }
        base16ct::lower::encode_string(&hasher.finalize())
    }
}

/// Names a whole set of hosts and their content, in whatever order they come.
pub fn set_hash<H, C>(pairs: impl IntoIterator<Item = (H, C)>) -> String
where
    H: AsRef<str>,
    C: AsRef<str>,
{
    let mut pairs: Vec<(H, C)> = pairs.into_iter().collect();
    pairs.sort_by(|(host, content), (other_host, other_content)| {
        (host.as_ref(), content.as_ref()).cmp(&(other_host.as_ref(), other_content.as_ref()))
    });
    let mut hasher = Sha256::new();
    for (host, content) in &pairs {
        field(&mut hasher, host.as_ref());
        field(&mut hasher, content.as_ref());
    }
    base16ct::lower::encode_string(&hasher.finalize())
}

/// The length goes first, so that no two lists of fields give the same bytes.
fn field(hasher: &mut Sha256, text: &str) {
    hasher.update((text.len() as u64).to_be_bytes());
    hasher.update(text);
}

#[cfg(test)]
mod tests;
