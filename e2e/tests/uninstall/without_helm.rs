//! Leaving without helm: definitions, the agents' namespace and the release's namespace are deleted by hand.

use roadstead_e2e::{Cluster, wait_until};

const REGISTRY: &str = "{apiVersion: roadstead.dev/v1alpha1, kind: Registry, metadata: {name: images, namespace: leaving}, \
                        spec: {storage: {emptyDir: {}}}}";

pub(super) fn what_is_deleted_by_hand_holds_nothing_up(cluster: &Cluster) {
    cluster.kubectl(&["create", "namespace", "leaving"]).ok();
    installed(cluster);

    // A definition takes every Registry with it; the operator serves their finalizers.
    cluster
        .kubectl(&["delete", "crd", "registries.roadstead.dev", "--timeout=60s"])
        .ok();
    wait_until("the nodes have nothing left of that Registry", || {
        nothing_on_nodes(cluster)
    });

    // The agents' namespace goes, and comes back with the next upgrade.
    installed(cluster);
    cluster
        .kubectl(&["delete", "namespace", "roadstead-system-nodes", "--timeout=90s"])
        .ok();
    installed(cluster);

    // The operator's namespace: nobody is left, and nothing hangs.
    cluster
        .kubectl(&["delete", "namespace", "roadstead-system", "--timeout=90s"])
        .ok();
    cluster
        .kubectl(&["delete", "namespace", "leaving", "--timeout=90s"])
        .ok();
    wait_until("the nodes have nothing left of that Registry", || {
        nothing_on_nodes(cluster)
    });
}

fn installed(cluster: &Cluster) {
    cluster
        .run(&format!("{} --wait --timeout 2m", cluster.install_command()))
        .ok();
    cluster.apply(REGISTRY).ok();
    cluster.wait_for("leaving", "images", "Ready", "True");
    cluster.wait_for("leaving", "images", "NodesTrusted", "True");
}

fn nothing_on_nodes(cluster: &Cluster) -> Result<(), String> {
    for node in cluster.nodes() {
        let hosts = cluster
            .on_node(&node, "ls /etc/containerd/certs.d 2>/dev/null || true")
            .ok();
        if hosts.contains("images.leaving") {
            return Err(format!("{node} has {hosts}"));
        }
    }
    Ok(())
}
