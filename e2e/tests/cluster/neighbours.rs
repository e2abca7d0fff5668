//! What one namespace may do must not be felt in another.

use roadstead_e2e::{Cluster, wait_until};

/// As many as fill the list of a NodeTrust, two hosts each.
const CROWD: usize = 17;

#[test]
fn registries_that_do_not_answer_take_no_other_registry_its_nodes() {
    let cluster = Cluster::installed();
    cluster.kubectl(&["create", "namespace", "crowd"]).ok();
    // Their pods run nowhere, so that nodes are to prove what nobody answers for.
    let registries: String = (0..CROWD)
        .map(|number| {
            format!(
                "apiVersion: roadstead.dev/v1alpha1\nkind: Registry\nmetadata: {{name: r{number}, namespace: crowd}}\nspec:\n  \
                 storage: {{emptyDir: {{}}}}\n  pod: {{nodeSelector: {{no-such: node}}}}\n---\n"
            )
        })
        .collect();
    cluster.apply(&registries).ok();
    for node in cluster.nodes() {
        wait_until(&format!("{node} tells of all of them"), || {
            let told = cluster
                .get("roadstead-system-nodes", "nodetrust", &node)
                .unwrap_or_default();
            let summary = told["spec"]["summary"].as_str().unwrap_or_default().to_owned();
            // Hosts of other tests may be among them.
            let count: Option<usize> = summary.split(", ").find_map(|part| {
                part.strip_prefix("ConnectionFailed (")?
                    .split(' ')
                    .next()?
                    .parse()
                    .ok()
            });
            match count {
                Some(count) if count >= 2 * CROWD => Ok(()),
                _ => Err(summary),
            }
        });
    }
    let (reason, message) = cluster.wait_for("registry", "images", "NodesTrusted", "True");
    assert!(!message.contains("crowd"), "{reason}: {message}");
    for number in 0..CROWD {
        cluster.wait_for("crowd", &format!("r{number}"), "NodesTrusted", "False");
    }
    cluster
        .kubectl(&["delete", "namespace", "crowd", "--timeout=60s"])
        .ok();
}
