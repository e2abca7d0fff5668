//! What a Registry left behind whose finalizer was taken off: nodes get rid of it, and nobody inherits it.

use roadstead_e2e::{Cluster, wait_until};
use serde_json::{Value, json};

const NODES: &str = "roadstead-system-nodes";
const OPERATOR: &str = "roadstead-system";
const FORMER: &str = "00000000-0000-0000-0000-000000000000";

/// An object of the Registry `images`, as one of a Registry in namespace `left` that is there no longer.
fn left_by(registry: &str, mut object: Value, name: &str) -> Value {
    let namespace = object["metadata"]["namespace"].clone();
    let mut labels = object["metadata"]["labels"].clone();
    labels["roadstead.dev/registry"] = json!(registry);
    labels["roadstead.dev/registry-namespace"] = json!("left");
    labels["roadstead.dev/registry-uid"] = json!(FORMER);
    object["metadata"] = json!({"name": name, "namespace": namespace, "labels": labels});
    object
}

fn registry() -> &'static str {
    "{apiVersion: roadstead.dev/v1alpha1, kind: Registry, metadata: {name: ghost, namespace: left},
      spec: {replicas: 0, storage: {emptyDir: {}}}}"
}

#[test]
fn what_a_registry_left_behind_goes_from_the_nodes_and_a_new_one_of_its_name_gets_another_ca() {
    let cluster = Cluster::installed();
    cluster.kubectl(&["create", "namespace", "left"]).ok();
    let bundle = cluster
        .get(NODES, "trustbundle", "images.registry.svc.5000")
        .expect("the installation has it");
    let mut bundle = left_by("forgotten", bundle, "forgotten.left.svc.5000");
    bundle["spec"]["host"] = json!("forgotten.left.svc:5000");
    bundle["spec"]["registry"] = json!({"namespace": "left", "name": "forgotten", "uid": FORMER});
    cluster.apply(&bundle.to_string()).ok();
    let authority = cluster
        .get(OPERATOR, "secret", "ca.registry.images")
        .expect("the installation has it");
    let former = left_by("ghost", authority, "ca.left.ghost");
    cluster.apply(&former.to_string()).ok();
    let folders = || {
        let nodes = cluster.nodes();
        let has = |node: &&String| {
            let listed = cluster.on_node(node, "ls /etc/containerd/certs.d").ok();
            listed.contains("forgotten.left.svc")
        };
        nodes.iter().filter(has).count()
    };
    wait_until("the nodes carry what is left", || {
        let there = folders();
        if there == cluster.nodes().len() {
            Ok(())
        } else {
            Err(format!("{there} nodes"))
        }
    });

    cluster.apply(registry()).ok();
    wait_until("the new Registry has its bundle", || {
        let name = "ghost.left.svc.5000";
        cluster
            .get(NODES, "trustbundle", name)
            .map(drop)
            .ok_or_else(|| "not yet".to_owned())
    });
    let new = cluster
        .get(OPERATOR, "secret", "ca.left.ghost")
        .expect("the new Registry has a CA");
    assert_ne!(new["data"]["tls.key"], former["data"]["tls.key"]);

    // A Registry that goes is when the operator looks for what others left.
    cluster
        .kubectl(&["-n", "left", "delete", "registry", "ghost", "--timeout=60s"])
        .ok();
    wait_until("the nodes are rid of it", || match folders() {
        0 => Ok(()),
        there => Err(format!("{there} nodes")),
    });
    cluster
        .kubectl(&["delete", "namespace", "left", "--wait=false"])
        .ok();
}

#[test]
fn the_operators_ca_signs_no_name_that_the_installation_does_not_allow() {
    let cluster = Cluster::installed();
    cluster.kubectl(&["create", "namespace", "signs"]).ok();
    cluster
        .apply(
            "{apiVersion: roadstead.dev/v1alpha1, kind: Registry, metadata: {name: bank, namespace: signs},
               spec: {replicas: 0, hostname: login.bank.example, storage: {emptyDir: {}}}}",
        )
        .ok();
    let (reason, message) = cluster.wait_for("signs", "bank", "CertificateValid", "False");
    assert_eq!(reason, "HostnameNotAllowed", "{message}");
    let names =
        cluster.get("signs", "registry", "bank").expect("it is there")["status"]["certificates"][0]["names"]
            .to_string();
    assert!(
        names.contains("bank.signs.svc") && !names.contains("login.bank.example"),
        "{names}"
    );
    cluster
        .kubectl(&["delete", "namespace", "signs", "--wait=false"])
        .ok();
}
