//! Leaving: a Registry deleted, Roadstead uninstalled, and the nodes as they were before.

use roadstead_e2e::{Cluster, wait_until};

fn nodes_are_as_before(cluster: &Cluster) -> Result<(), String> {
    for node in cluster.nodes() {
        let before = std::fs::read_to_string(cluster.saved_etc(&node)).expect("the installation saved it");
        let now = cluster.etc_of(&node);
        if let Some(line) = now
            .lines()
            .find(|line| !before.lines().any(|other| other == *line))
        {
            return Err(format!("{node} has: {line}"));
        }
        if before != now {
            return Err(format!("{node} lacks files that it had"));
        }
    }
    Ok(())
}

/// Each part needs what the one before it left.
pub(super) fn everything_goes_and_the_nodes_are_as_before(cluster: &Cluster) {
    // A Registry deleted takes its trust with it.
    cluster
        .kubectl(&["delete", "registries", "--all", "-A", "--timeout=60s"])
        .ok();
    wait_until("the nodes' /etc is as before the first Registry", || {
        nodes_are_as_before(cluster)
    });
    let claims = cluster
        .kubectl(&["-n", "registry", "get", "pvc", "images-data", "-o", "name"])
        .ok();
    assert!(claims.contains("images-data"), "the data went with the Registry");

    // A Registry of the same name takes its old data up again.
    cluster
        .apply("{apiVersion: roadstead.dev/v1alpha1, kind: Registry, metadata: {name: images, namespace: registry}, spec: {storage: {persistentVolumeClaim: {size: 10Gi}}}}")
        .ok();
    cluster.wait_for("registry", "images", "Ready", "True");
    cluster.wait_for("registry", "images", "NodesTrusted", "True");

    // The installation goes while a Registry is there.
    cluster
        .run("helm uninstall roadstead -n roadstead-system --wait --timeout 3m")
        .ok();
    wait_until("the nodes' /etc is as before the installation", || {
        nodes_are_as_before(cluster)
    });
    for node in cluster.nodes() {
        assert_eq!(
            cluster
                .on_node(&node, "ls -A /var/lib/roadstead 2>/dev/null || true")
                .ok()
                .trim(),
            "",
            "{node} keeps state"
        );
    }

    let (status, reason, message) = cluster
        .condition("registry", "images", "NodesTrusted")
        .expect("the Registry stays");
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("Unknown", "Uninstalled"),
        "{message}"
    );

    // A namespace with a Registry in it can be deleted with no operator there to help.
    cluster
        .kubectl(&["delete", "namespace", "registry", "--timeout=90s"])
        .ok();
}
