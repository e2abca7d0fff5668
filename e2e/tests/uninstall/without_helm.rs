//! Leaving without helm, or in spite of it: definitions, namespaces and objects are deleted by hand, a hook finds no
//! node, a node is away. Whatever it is, nothing hangs, and the nodes that can be reached are clean.

use super::gitops::Deleter;
use roadstead_e2e::{Cluster, commands, wait_until};

const REGISTRY: &str = "{apiVersion: roadstead.dev/v1alpha1, kind: Registry, metadata: {name: images, namespace: leaving}, \
                        spec: {storage: {emptyDir: {}}}}";
const AGENTS: &str = "roadstead-system-nodes";

/// `all`: the sequences that take longer too.
pub(super) fn what_is_deleted_by_hand_holds_nothing_up(cluster: &Cluster, all: bool) {
    installed(cluster, "");
    definitions(cluster);
    objects(cluster, Deleter::ArgoCd);
    if all {
        agents_namespace(cluster);
        a_hook_without_a_node(cluster);
        objects(cluster, Deleter::Kubectl);
        objects(cluster, Deleter::Flux);
        a_node_that_is_away(cluster);
    }
    operators_namespace(cluster);
}

fn definitions(cluster: &Cluster) {
    // Every Registry goes with it; the operator serves their finalizers.
    cluster
        .kubectl(&["delete", "crd", "registries.roadstead.dev", "--timeout=60s"])
        .ok();
    nodes_are_clean(cluster);
    installed(cluster, "");
    cluster
        .kubectl(&["delete", "crd", "trustbundles.roadstead.dev", "--timeout=60s"])
        .ok();
    nodes_are_clean(cluster);
    installed(cluster, "");
}

/// It comes back with the next upgrade. Meanwhile Registries say what is missing, and can be deleted.
fn agents_namespace(cluster: &Cluster) {
    cluster
        .kubectl(&["delete", "namespace", AGENTS, "--timeout=90s"])
        .ok();
    nodes_are_clean(cluster);
    wait_until("the Registry says which namespace is missing", || {
        let told = cluster.condition("leaving", "images", "Ready");
        match &told {
            Some((_, reason, message)) if reason == "Forbidden" && message.contains("helm upgrade") => Ok(()),
            _ => Err(format!("{told:?}")),
        }
    });
    registries_can_be_deleted(cluster);
    installed(cluster, "");
}

fn a_hook_without_a_node(cluster: &Cluster) {
    let nowhere = "--set operator.nodeSelector.nowhere=here";
    cluster
        .run(&format!("{} {nowhere}", cluster.install_command()))
        .ok();
    let said = cluster
        .run("helm uninstall roadstead -n roadstead-system --timeout 5s")
        .fails();
    println!("a hook without a node: {}", said.trim());
    cluster
        .run("helm uninstall roadstead -n roadstead-system --no-hooks")
        .ok();
    nodes_are_clean(cluster);
    finalizers_taken_off_as_documented(cluster);
    registries_can_be_deleted(cluster);
    installed(cluster, "");
}

fn objects(cluster: &Cluster, deleter: Deleter) {
    println!("everything is deleted as by {deleter:?}");
    deleter.delete_everything(cluster);
    nodes_are_clean(cluster);
    if !deleter.leaves_rights() {
        finalizers_taken_off_as_documented(cluster);
    }
    registries_can_be_deleted(cluster);
    installed_again(cluster);
}

/// The uninstall names it, everybody else is clean, and it is clean when it is back.
fn a_node_that_is_away(cluster: &Cluster) {
    installed(cluster, "--set uninstall.timeoutSeconds=5");
    let away = cluster.nodes().pop().expect("a node");
    let signal = |signal: &str| {
        let script = format!(
            "ps ax -o pid,args | grep -e '[k]ubelet --config' -e '[r]oadstead-agent run' | awk '{{print $1}}' | xargs kill -{signal}"
        );
        cluster.on_node(&away, &script).ok();
    };
    signal("STOP");
    cluster
        .run("helm uninstall roadstead -n roadstead-system --timeout 2m")
        .ok();
    let log = cluster
        .kubectl(&["-n", "roadstead-system", "logs", "job/roadstead-uninstall"])
        .ok();
    assert!(log.contains(&format!("kubectl debug node/{away}")), "{log}");
    signal("CONT");
    nodes_are_clean(cluster);
    // Not before: a pod on that node ends when its kubelet says so.
    registries_can_be_deleted(cluster);
    installed_again(cluster);
}

/// Once the agents' namespace has gone: nothing can be made in one that is being deleted.
fn installed_again(cluster: &Cluster) {
    cluster
        .kubectl(&[
            "wait",
            "--for=delete",
            &format!("namespace/{AGENTS}"),
            "--timeout=90s",
        ])
        .ok();
    installed(cluster, "");
}

/// Nobody is left, and nothing hangs.
fn operators_namespace(cluster: &Cluster) {
    cluster
        .kubectl(&["delete", "namespace", "roadstead-system", "--timeout=90s"])
        .ok();
    registries_can_be_deleted(cluster);
    nodes_are_clean(cluster);
}

fn installed(cluster: &Cluster, values: &str) {
    cluster
        .run(&format!(
            "{} {values} --wait --timeout 3m",
            cluster.install_command()
        ))
        .ok();
    cluster
        .run("kubectl create namespace leaving --dry-run=client -o yaml | kubectl apply -f -")
        .ok();
    cluster.apply(REGISTRY).ok();
    cluster.wait_for("leaving", "images", "Ready", "True");
    cluster.wait_for("leaving", "images", "NodesTrusted", "True");
}

/// With their namespace, and with nobody to help.
fn registries_can_be_deleted(cluster: &Cluster) {
    cluster
        .kubectl(&["delete", "namespace", "leaving", "--timeout=90s"])
        .ok();
}

/// Where the operator's rights went at the same moment as the operator, it may have come too late.
fn finalizers_taken_off_as_documented(cluster: &Cluster) {
    let way_out = commands(
        "docs/install.md",
        "leaves its finalizers on",
        "While Roadstead is installed",
    );
    cluster.run(&way_out).ok();
}

fn nodes_are_clean(cluster: &Cluster) {
    wait_until("the nodes have nothing left of that Registry", || {
        for node in cluster.nodes() {
            let hosts = cluster
                .on_node(&node, "ls /etc/containerd/certs.d 2>/dev/null || true")
                .ok();
            if hosts.contains("images.leaving") {
                return Err(format!("{node} has {hosts}"));
            }
        }
        Ok(())
    });
}
