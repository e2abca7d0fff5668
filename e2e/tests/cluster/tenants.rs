//! A second tenant, who may make Registries in a namespace of its own and tries to steer the nodes by one.

use roadstead_e2e::{Authority, Cluster, wait_until};

fn registry(hostname: &str) -> String {
    format!(
        "apiVersion: roadstead.dev/v1alpha1\nkind: Registry\nmetadata: {{name: evil, namespace: tenant}}\nspec:\n  \
         hostname: {hostname}\n  tls: {{secretRef: {{name: evil-tls}}}}\n  storage: {{emptyDir: {{}}}}\n"
    )
}

#[test]
fn a_tenants_hostname_never_reaches_the_nodes_unasked() {
    let cluster = Cluster::installed();
    cluster.kubectl(&["create", "namespace", "tenant"]).ok();
    let authority = Authority::create();
    for hostname in [
        "docker.io",
        "registry-1.docker.io",
        "registry.k8s.io",
        "registry.example.com",
        "other.example.com",
    ] {
        let pair = authority.issue(hostname);
        let secret = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "evil-tls", "namespace": "tenant"},
            "stringData": {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority.root()},
        });
        cluster.apply(&secret.to_string()).ok();
        cluster.apply(&registry(hostname)).ok();
        wait_until(&format!("{hostname} is refused"), || {
            match cluster.condition("tenant", "evil", "NodesTrusted") {
                Some((_, reason, message))
                    if reason == "HostnameNotAllowed" && message.contains(hostname) =>
                {
                    Ok(())
                }
                other => Err(format!("{other:?}")),
            }
        });
        for node in cluster.nodes() {
            let hosts = cluster.on_node(&node, "ls /etc/containerd/certs.d").ok();
            assert!(!hosts.contains(hostname), "{hostname} reached {node}: {hosts}");
        }
        let bundles = cluster
            .kubectl(&[
                "get",
                "trustbundles",
                "-A",
                "-o",
                "jsonpath={.items[*].spec.host}",
            ])
            .ok();
        assert!(
            !bundles.split_whitespace().any(|host| host.starts_with(hostname)),
            "{bundles}"
        );
    }
    cluster
        .kubectl(&["delete", "namespace", "tenant", "--timeout=60s"])
        .ok();
}
