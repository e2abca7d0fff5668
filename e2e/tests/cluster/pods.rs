//! Pods pull by the Registry's name, with the pull secret and not without it.

use roadstead_e2e::{Client, Cluster, HOST, wait_until};

/// A pod of the image, on a node of choice.
fn pod(name: &str, node: &str, image: &str, secret: Option<&str>) -> String {
    let secrets = secret
        .map(|secret| format!("imagePullSecrets: [{{name: {secret}}}]"))
        .unwrap_or_default();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: registry}}\nspec:\n  nodeName: {node}\n  \
         terminationGracePeriodSeconds: 0\n  containers: [{{name: main, image: {HOST}/{image}, imagePullPolicy: Always, \
         command: [sleep, infinity]}}]\n  {secrets}\n"
    )
}

/// The busybox of the test cluster under a name of the test's own.
pub(crate) fn push(image: &str) {
    push_to("images", image);
}

/// As [`push`], to a Registry of this name. It may be Ready before every node leads its Service's address to the pod.
pub(crate) fn push_to(registry: &str, image: &str) {
    let archive = Cluster::installed().state().join("busybox.tar");
    let script = format!(
        "curl -sS --cacert ca.crt --retry 60 --retry-delay 1 --retry-connrefused -o answer https://$HOST/v2/
         crane auth login $HOST --username $REGISTRY_USER --password-stdin < password; crane push {} $HOST/{image}",
        archive.display()
    );
    Client::push_to(registry).run(&script).ok();
}

/// Why a pod's container waits, or its phase.
fn pod_state(cluster: &Cluster, name: &str) -> (String, String) {
    let pod = cluster.get("registry", "pod", name).expect("the pod was made");
    let status = &pod["status"]["containerStatuses"][0]["state"];
    if status["running"].is_object() {
        return ("Running".to_owned(), String::new());
    }
    let text = |field: &str| status["waiting"][field].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

fn delete_pod(cluster: &Cluster, name: &str) {
    cluster
        .kubectl(&["-n", "registry", "delete", "pod", name, "--wait=false"])
        .ok();
}

#[test]
fn a_pod_on_each_node_pulls_with_the_pull_secret_and_never_fails_once() {
    let cluster = Cluster::installed();
    push("pods/hello:1");
    for node in cluster.nodes() {
        let name = format!("pulls-on-{node}");
        cluster
            .apply(&pod(&name, &node, "pods/hello:1", Some("images-pull")))
            .ok();
        wait_until(&format!("{name} runs"), || match pod_state(cluster, &name) {
            (reason, _) if reason == "Running" => Ok(()),
            (reason, message) => {
                assert!(
                    !reason.contains("ImagePull"),
                    "a pull failed after NodesTrusted: {reason} {message}"
                );
                Err(reason)
            }
        });
        assert_eq!(failed_pulls(cluster, &name), "");
        delete_pod(cluster, &name);
    }
}

/// As many as make a fault show that comes once in a while.
const CROWD: usize = 24;

/// Pods are made in the moment in which the nodes are said to trust a Registry that is new.
#[test]
fn many_pods_right_after_the_nodes_trust_a_new_registry_never_fail_once() {
    let cluster = Cluster::installed();
    cluster
        .apply(
            "{apiVersion: roadstead.dev/v1alpha1, kind: Registry, metadata: {name: crowd, namespace: registry}, \
             spec: {storage: {emptyDir: {}}}}",
        )
        .ok();
    cluster.wait_for("registry", "crowd", "Ready", "True");
    push_to("crowd", "pods/crowd:1");
    cluster.wait_for("registry", "crowd", "NodesTrusted", "True");
    cluster
        .apply(&format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: crowd-pods, namespace: registry}}\nspec:\n  \
             replicas: {CROWD}\n  selector: {{matchLabels: {{test: crowd}}}}\n  template:\n    metadata: {{labels: {{test: crowd}}}}\n    \
             spec:\n      terminationGracePeriodSeconds: 0\n      imagePullSecrets: [{{name: crowd-pull}}]\n      containers: [{{name: main, \
             image: crowd.registry.svc:5000/pods/crowd:1, imagePullPolicy: Always, command: [sleep, infinity]}}]\n"
        ))
        .ok();
    wait_until(&format!("{CROWD} pods run"), || {
        let deployment = cluster
            .get("registry", "deployment", "crowd-pods")
            .expect("it was made");
        match deployment["status"]["availableReplicas"].as_u64() {
            Some(available) if available == CROWD as u64 => Ok(()),
            other => Err(format!("{other:?} of {CROWD}")),
        }
    });
    assert_eq!(failed_pulls(cluster, "crowd-pods"), "");
    cluster
        .kubectl(&[
            "-n",
            "registry",
            "delete",
            "deployment/crowd-pods",
            "registry/crowd",
            "--timeout=60s",
        ])
        .ok();
}

/// What the kubelets said of pulls that failed, for pods whose names begin so.
pub(crate) fn failed_pulls(cluster: &Cluster, prefix: &str) -> String {
    let events = cluster
        .kubectl(&[
            "-n",
            "registry",
            "get",
            "events",
            "--field-selector",
            "reason=Failed",
            "-o",
            r#"jsonpath={range .items[*]}{.involvedObject.name}: {.message}{"\n"}{end}"#,
        ])
        .ok();
    let ours = events.lines().filter(|line| line.starts_with(prefix));
    ours.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_pod_without_the_pull_secret_is_refused() {
    let cluster = Cluster::installed();
    push("pods/secretless:1");
    let node = &cluster.nodes()[0];
    cluster
        .apply(&pod("secretless", node, "pods/secretless:1", None))
        .ok();
    let message = wait_until("the pull is refused", || match pod_state(cluster, "secretless") {
        (reason, message) if reason == "ErrImagePull" => Ok(message),
        (reason, _) if reason == "Running" => panic!("a pod without credentials pulled a private image"),
        (reason, _) => Err(reason),
    });
    assert!(
        message.contains("401") || message.contains("no basic auth credentials"),
        "{message}"
    );
    delete_pod(cluster, "secretless");
}
