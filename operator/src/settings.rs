//! The settings of one installation: a YAML file that the chart writes.
//!
//! Read once at start; what is wrong with it ends the program with a message that names the key.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The settings of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `<release namespace>/<release name>`: whose bundles and nodes these are.
    pub installation: String,
    /// The namespace that the operator runs in and keeps CA keys in.
    pub namespace: String,
    pub agent_namespace: String,
    pub agent_daemon_set: String,
    pub registry_image: String,
    pub registry_image_pull_policy: String,
    /// Secrets to pull the registry image with, in the namespace of every Registry.
    pub registry_image_pull_secrets: Vec<String>,
    pub cluster_domain: String,
    /// The mark of an uninstall ([`crate::mark`]), in the operator's namespace.
    pub uninstall_flag: String,
    /// The Deployment of the operator itself, which owns the flag.
    pub operator_deployment: String,
    /// Labels of everything that is made for Registries.
    pub common_labels: BTreeMap<String, String>,
    pub allowed_hostnames: Vec<AllowedHostnames>,
    pub limits: Limits,
}

/// How much this installation bears.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Registries of one namespace.
    pub registries_per_namespace: usize,
    /// Registries in all.
    pub registries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            registries_per_namespace: 20,
            registries: 1000,
        }
    }
}

/// The external names that Registries of one namespace may bring to nodes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllowedHostnames {
    pub namespace: String,
    pub hostnames: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    installation: String,
    agent_namespace: String,
    agent_daemon_set: String,
    registry_image: String,
    #[serde(default = "if_not_present")]
    registry_image_pull_policy: String,
    #[serde(default)]
    registry_image_pull_secrets: Vec<String>,
    #[serde(default = "cluster_local")]
    cluster_domain: String,
    #[serde(default = "uninstall_flag")]
    uninstall_flag: String,
    #[serde(default = "operator_deployment")]
    operator_deployment: String,
    #[serde(default)]
    common_labels: BTreeMap<String, String>,
    #[serde(default)]
    node_trust: RawNodeTrust,
    #[serde(default)]
    limits: Limits,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawNodeTrust {
    #[serde(default)]
    allowed_hostnames: Vec<AllowedHostnames>,
}

impl Settings {
    /// Reads the file; `namespace` is the one that the operator's pod runs in.
    pub fn read(path: &Path, namespace: &str) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the settings file {}", path.display()))?;
        Self::parse(&text, namespace).with_context(|| format!("in the settings file {}", path.display()))
    }

    /// Parses the text of the file.
    pub fn parse(text: &str, namespace: &str) -> anyhow::Result<Self> {
        let raw: Raw = serde_yaml::from_str(text)?;
        let policies = ["Always", "IfNotPresent", "Never"];
        if !policies.contains(&raw.registry_image_pull_policy.as_str()) {
            bail!(
                "registryImagePullPolicy is {:?}; it must be one of {}",
                raw.registry_image_pull_policy,
                policies.join(", ")
            );
        }
        for (key, value) in [
            ("installation", &raw.installation),
            ("agentNamespace", &raw.agent_namespace),
            ("agentDaemonSet", &raw.agent_daemon_set),
            ("registryImage", &raw.registry_image),
        ] {
            if value.is_empty() {
                bail!("{key} is empty");
            }
        }
        Ok(Self {
            installation: raw.installation,
            namespace: namespace.to_owned(),
            agent_namespace: raw.agent_namespace,
            agent_daemon_set: raw.agent_daemon_set,
            registry_image: raw.registry_image,
            registry_image_pull_policy: raw.registry_image_pull_policy,
            registry_image_pull_secrets: raw.registry_image_pull_secrets,
            cluster_domain: raw.cluster_domain.trim_matches('.').to_owned(),
            uninstall_flag: raw.uninstall_flag,
            operator_deployment: raw.operator_deployment,
            common_labels: raw.common_labels,
            allowed_hostnames: raw.node_trust.allowed_hostnames,
            limits: raw.limits,
        })
    }

    /// Whether Registries of `namespace` may bring `hostname` to nodes, as far as the installation says.
    pub fn allows(&self, namespace: &str, hostname: &str) -> bool {
        self.allowed_hostnames
            .iter()
            .filter(|allowed| allowed.namespace == namespace)
            .flat_map(|allowed| &allowed.hostnames)
            .any(|allowed| allowed.eq_ignore_ascii_case(hostname))
    }
}

fn if_not_present() -> String {
    "IfNotPresent".to_owned()
}

fn cluster_local() -> String {
    "cluster.local".to_owned()
}

fn uninstall_flag() -> String {
    "roadstead-uninstall".to_owned()
}

fn operator_deployment() -> String {
    "roadstead-operator".to_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const EXAMPLE: &str = "
installation: roadstead-system/roadstead
agentNamespace: roadstead-system-nodes
agentDaemonSet: roadstead-agent
registryImage: localhost/roadstead/registry:dev
registryImagePullSecrets: [mirror, platform]
commonLabels: {cost-center: platform}
nodeTrust:
  allowedHostnames:
  - {namespace: registry, hostnames: [registry.example.com]}
";

    pub(crate) fn settings() -> Settings {
        Settings::parse(EXAMPLE, "roadstead-system").expect("the example is valid")
    }

    #[test]
    fn what_is_left_out_has_its_usual_value() {
        let settings = settings();
        assert_eq!(settings.cluster_domain, "cluster.local");
        assert_eq!(settings.registry_image_pull_policy, "IfNotPresent");
        assert_eq!(settings.uninstall_flag, "roadstead-uninstall");
        assert_eq!(settings.limits, Limits::default());
    }

    #[test]
    fn limits_are_read() {
        let text = format!("{EXAMPLE}limits: {{registriesPerNamespace: 3}}\n");
        let limits = Settings::parse(&text, "ns").expect("it is valid").limits;
        assert_eq!((limits.registries_per_namespace, limits.registries), (3, 1000));
    }

    #[test]
    fn a_misspelt_key_is_named() {
        let error = Settings::parse(&EXAMPLE.replace("agentNamespace", "agentNamspace"), "ns")
            .expect_err("the key is unknown");
        assert!(format!("{error:#}").contains("agentNamspace"), "{error:#}");
    }

    #[test]
    fn a_hostname_is_allowed_only_to_the_namespace_that_has_it() {
        let settings = settings();
        assert!(settings.allows("registry", "registry.example.com"));
        assert!(!settings.allows("other", "registry.example.com"));
        assert!(!settings.allows("registry", "sub.registry.example.com"));
    }
}
