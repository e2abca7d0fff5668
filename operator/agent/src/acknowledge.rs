//! What this node tells the operator, and telling it: only on change.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use roadstead_api::trust::{NodeTrust, NodeTrustSpec, Runtime};
use tracing::info;

use crate::identity::Identity;
use crate::room::Told;

/// Field manager of what the agents write.
const MANAGER: &str = "roadstead-agent";

/// Builds the NodeTrust of this node.
pub fn node_trust(
    identity: &Identity,
    installation: &str,
    set: &str,
    runtime: Option<Runtime>,
    told: Told,
) -> NodeTrust {
    let spec = NodeTrustSpec {
        installation: installation.to_owned(),
        node_uid: identity.node_uid.clone(),
        boot_id: identity.boot_id.clone(),
        set: set.to_owned(),
        runtime,
        summary: told.summary,
        problems: told.problems,
        further: told.further,
    };
    let mut object = NodeTrust::new(&identity.node, spec);
    object.metadata.owner_references = Some(vec![OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: identity.node.clone(),
        uid: identity.node_uid.clone(),
        ..OwnerReference::default()
    }]);
    object
}

/// Writes the NodeTrust of this node.
pub struct Acknowledger {
    api: Api<NodeTrust>,
    /// What the API server has; `None`: not known.
    told: Option<NodeTrustSpec>,
}

impl Acknowledger {
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            told: None,
        }
    }

    /// Looks at what the API server has: someone may have deleted or changed it.
    pub async fn refresh(&mut self, node_trust: &NodeTrust) -> kube::Result<()> {
        let name = node_trust.metadata.name.as_deref().unwrap_or_default();
        let there = self.api.get_opt(name).await?;
        let owned =
            |there: &NodeTrust| there.metadata.owner_references == node_trust.metadata.owner_references;
        self.told = there.filter(owned).map(|there| there.spec);
        Ok(())
    }

    pub fn is_told(&self, node_trust: &NodeTrust) -> bool {
        self.told.as_ref() == Some(&node_trust.spec)
    }

    /// Tells the API server, unless it knows.
    pub async fn tell(&mut self, node_trust: &NodeTrust) -> kube::Result<()> {
        if self.told.is_none() {
            self.refresh(node_trust).await?;
        }
        if self.is_told(node_trust) {
            return Ok(());
        }
        // Until it is known how this went, nothing is known.
        self.told = None;
        let name = node_trust.metadata.name.as_deref().unwrap_or_default();
        let parameters = PatchParams::apply(MANAGER).force();
        let there = self
            .api
            .patch(name, &parameters, &Patch::Apply(node_trust))
            .await?;
        self.told = Some(there.spec);
        let spec = &node_trust.spec;
        info!(
            "acknowledged set {} with {} problems",
            &spec.set[..12.min(spec.set.len())],
            spec.problems.len()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadstead_api::trust::{Problem, ProblemReason};

    fn identity() -> Identity {
        Identity {
            node: "node1".into(),
            node_uid: "u-1".into(),
            boot_id: "b-1".into(),
        }
    }

    #[test]
    fn the_object_is_what_was_agreed() {
        let runtime = Runtime {
            name: "containerd".into(),
            version: "1.6.20".into(),
        };
        let foreign = Problem {
            host: "a:1".into(),
            reason: ProblemReason::ForeignFile,
            path: Some("/etc/containerd/certs.d/a:1/hosts.toml".into()),
            message: "m".into(),
        };
        let told = Told {
            summary: "ForeignFile (1 host)".into(),
            problems: vec![foreign],
            further: Vec::new(),
        };
        let object = node_trust(&identity(), "system/roadstead", "5e7", Some(runtime), told);
        assert_eq!(
            serde_json::to_string_pretty(&object).expect("JSON"),
            r#"{
  "apiVersion": "roadstead.dev/v1alpha1",
  "kind": "NodeTrust",
  "metadata": {
    "name": "node1",
    "ownerReferences": [
      {
        "apiVersion": "v1",
        "kind": "Node",
        "name": "node1",
        "uid": "u-1"
      }
    ]
  },
  "spec": {
    "installation": "system/roadstead",
    "nodeUID": "u-1",
    "bootID": "b-1",
    "set": "5e7",
    "runtime": {
      "name": "containerd",
      "version": "1.6.20"
    },
    "summary": "ForeignFile (1 host)",
    "problems": [
      {
        "host": "a:1",
        "reason": "ForeignFile",
        "path": "/etc/containerd/certs.d/a:1/hosts.toml",
        "message": "m"
      }
    ]
  }
}"#
        );
    }
}
