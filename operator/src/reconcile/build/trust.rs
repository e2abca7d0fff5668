//! What clients need to know: the CAs for pods, and bundles for nodes.

use crate::nodes::HostContent;
use crate::reconcile::validate::{Cas, Validated, content, proof};
use crate::settings::Settings;
use k8s_openapi::api::core::v1::ConfigMap;
use roadstead_api::trust::{RegistryReference, TrustBundle, TrustBundleSpec};

/// The CAs, for whoever mounts them. What people brought stands apart: who imports `ca.crt` into the store of a whole
/// machine trusts a CA that signs nothing but the names of this Registry, and not one that a namespace chose.
pub(super) fn config_map(validated: &Validated, ca: &Cas) -> ConfigMap {
    let external = ca.external.as_ref();
    let data = [("ca.crt", Some(&ca.internal)), ("external-ca.crt", external)];
    let data = data
        .into_iter()
        .filter_map(|(key, pem)| Some((key.to_owned(), pem.filter(|pem| !pem.is_empty())?.clone())));
    ConfigMap {
        metadata: validated.id.owned(&validated.id.ca_bundle()),
        data: Some(data.collect()),
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
                proof: proof(validated.replicas),
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
    let Some(ca) = &validated.certificates.ca else {
        return Vec::new();
    };
    validated
        .node_hosts
        .iter()
        .map(|node_host| {
            content(
                &node_host.host.to_string(),
                ca.all.clone(),
                node_host.server.clone(),
                proof(validated.replicas),
            )
        })
        .collect()
}
