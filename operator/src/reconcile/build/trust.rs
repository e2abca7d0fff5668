//! What clients need to know: the CAs for pods, and bundles for nodes.

use crate::nodes::HostContent;
use crate::reconcile::validate::{Validated, content};
use crate::settings::Settings;
use k8s_openapi::api::core::v1::ConfigMap;
use roadstead_api::trust::{RegistryReference, TrustBundle, TrustBundleSpec};

/// The CAs, for whoever mounts them.
pub(super) fn config_map(validated: &Validated, ca: &str) -> ConfigMap {
    ConfigMap {
        metadata: validated.id.owned(&validated.id.ca_bundle()),
        data: Some([("ca.crt".to_owned(), ca.to_owned())].into()),
        ..ConfigMap::default()
    }
}

/// One bundle per host that nodes are to trust.
pub(super) fn bundles(validated: &Validated, ca: &str, settings: &Settings) -> Vec<TrustBundle> {
    let id = &validated.id;
    validated
        .node_hosts
        .iter()
        .map(|node_host| TrustBundle {
            metadata: id.elsewhere(&settings.agent_namespace, &node_host.host.bundle_name()),
            spec: TrustBundleSpec {
                installation: settings.installation.clone(),
                host: node_host.host.to_string(),
                ca: ca.to_owned(),
                server: node_host.server.clone(),
                registry: RegistryReference {
                    namespace: id.namespace.clone(),
                    name: id.name.clone(),
                    uid: id.uid.clone(),
                },
            },
        })
        .collect()
}

/// What nodes have to carry for all of its hosts; empty where there is nothing to carry yet.
pub fn node_contents(validated: &Validated) -> Vec<HostContent> {
    let Some(ca) = &validated.certificates.ca_bundle else {
        return Vec::new();
    };
    validated
        .node_hosts
        .iter()
        .map(|node_host| content(&node_host.host.to_string(), ca.clone(), node_host.server.clone()))
        .collect()
}
