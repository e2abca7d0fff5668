//! Objects deleted by programs that run no hook of helm's: each in the order in which such a program does it. The
//! programs themselves are not here; what they do to the API is.

use roadstead_e2e::Cluster;
use serde_json::{Value, json};

/// What deletes the objects of the rendered chart. Definitions stay with all of them, as the chart asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deleter {
    /// `kubectl delete -f`: one after the other, as `helm template` printed them; accounts and rights come before those
    /// that need them.
    Kubectl,
    /// Argo CD without PreDelete hooks: wave by wave, the last one first, each until it is gone.
    ArgoCd,
    /// Flux's kustomize-controller: the kinds in the reverse of the order in which it applies them.
    Flux,
}

/// The kinds that Flux applies first, in this order; those that are not here come after them.
const FLUX_FIRST: [&str; 11] = [
    "Namespace",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "Deployment",
];

impl Deleter {
    /// Whether the operator still has its rights while it is deleted.
    pub(super) fn leaves_rights(self) -> bool {
        matches!(self, Self::ArgoCd)
    }

    pub(super) fn delete_everything(self, cluster: &Cluster) {
        let objects = rendered(cluster);
        match self {
            Self::Kubectl => delete(cluster, &objects, "--wait=false"),
            Self::ArgoCd => {
                let (first, last): (Vec<_>, Vec<_>) =
                    objects.into_iter().partition(|object| wave(object) == 0);
                delete(cluster, &first, "--cascade=foreground");
                delete(cluster, &last, "--wait=false");
            }
            Self::Flux => {
                let mut objects = objects;
                objects.sort_by_key(|object| std::cmp::Reverse(flux_rank(object)));
                delete(cluster, &objects, "--wait=false");
            }
        }
    }
}

fn rendered(cluster: &Cluster) -> Vec<Value> {
    let template = cluster
        .install_command()
        .replace(
            "helm upgrade --install",
            "helm template --no-hooks --kube-version 1.34.4",
        )
        .replace("--create-namespace", "");
    let objects = cluster
        .run(&format!(
            "{template} | kubectl create --dry-run=client --validate=false -o json -f -"
        ))
        .ok();
    // kubectl prints one document for each object.
    let documents = serde_json::Deserializer::from_str(&objects).into_iter::<Value>();
    let documents = documents.map(|document| document.expect("kubectl -o json prints JSON"));
    let objects = documents.flat_map(|document| match document["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![document],
    });
    let objects: Vec<_> = objects
        .filter(|object| object["kind"] != "CustomResourceDefinition")
        .collect();
    assert!(
        objects.iter().any(|object| object["kind"] == "DaemonSet"),
        "{objects:?}"
    );
    objects
}

fn delete(cluster: &Cluster, objects: &[Value], how: &str) {
    let file = cluster.state().join("deleted.json");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    std::fs::write(&file, list.to_string()).expect("the state folder can be written");
    let file = file.to_str().expect("the state's path is text");
    cluster
        .kubectl(&["delete", "-f", file, "--ignore-not-found", how])
        .ok();
}

fn wave(object: &Value) -> i32 {
    let wave = &object["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"];
    wave.as_str()
        .map_or(0, |wave| wave.parse().expect("a wave is a number"))
}

fn flux_rank(object: &Value) -> usize {
    let kind = object["kind"].as_str().unwrap_or_default();
    FLUX_FIRST
        .iter()
        .position(|first| *first == kind)
        .unwrap_or(FLUX_FIRST.len())
}
