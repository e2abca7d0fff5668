//! A Registry that does not work says why, in its own conditions: what quota, kubelet, provisioner and the registry
//! itself say.

use roadstead_e2e::{Cluster, wait_until};
use serde_json::{Value, json};

/// A Registry `images` in a namespace of its own, with what has to be there before.
fn apply(namespace: &str, before: &[Value], spec: &Value) -> &'static Cluster {
    let cluster = Cluster::installed();
    let mut items = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})];
    items.extend_from_slice(before);
    items.push(json!({
        "apiVersion": "roadstead.dev/v1alpha1", "kind": "Registry",
        "metadata": {"name": "images", "namespace": namespace}, "spec": spec,
    }));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    cluster.apply(&list.to_string()).ok();
    cluster
}

/// Waits until a condition is False for a reason, with these words in its message.
fn told(cluster: &Cluster, namespace: &str, kind: &str, reason: &str, words: &[&str]) -> String {
    let message = wait_until(
        &format!("{namespace}/images {kind}: {reason} {words:?}"),
        || match cluster.condition(namespace, "images", kind) {
            Some((status, is, message))
                if status == "False" && is == reason && words.iter().all(|word| message.contains(word)) =>
            {
                Ok(message)
            }
            other => Err(format!("{other:?}")),
        },
    );
    let column = cluster
        .kubectl(&["-n", namespace, "get", "registry", "images", "--no-headers"])
        .ok();
    assert!(column.contains(reason), "STATUS has {reason}: {column}");
    message
}

fn done(cluster: &Cluster, namespace: &str) {
    cluster
        .kubectl(&["delete", "namespace", namespace, "--wait=false"])
        .ok();
}

/// A volume that is a folder of every node, and a claim `data` that has it.
fn host_path(namespace: &str, path: &Value) -> Vec<Value> {
    let (size, modes) = (json!({"storage": "1Gi"}), json!(["ReadWriteMany"]));
    vec![
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace},
            "spec": {"capacity": size, "accessModes": modes, "storageClassName": "", "hostPath": path,
                "claimRef": {"namespace": namespace, "name": "data"}}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": namespace},
            "spec": {"storageClassName": "", "volumeName": namespace, "accessModes": modes, "resources": {"requests": size}}}),
    ]
}

fn on_claim() -> Value {
    json!({"storage": {"persistentVolumeClaim": {"claimName": "data"}}})
}

#[test]
fn a_quota_that_keeps_pods_from_being_made_is_named() {
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "compute", "namespace": "causes-quota"}, "spec": {"hard": {"limits.memory": "1Gi"}}});
    let cluster = apply("causes-quota", &[quota], &json!({"storage": {"emptyDir": {}}}));
    let words = [
        "failed quota: compute",
        "spec.pod.resources",
        "kubectl -n causes-quota",
    ];
    told(cluster, "causes-quota", "Ready", "PodsNotReady", &words);
    let resources = r#"{"spec":{"pod":{"resources":{"limits":{"memory":"256Mi"}}}}}"#;
    let patch = [
        "-n",
        "causes-quota",
        "patch",
        "registry",
        "images",
        "--type=merge",
        "-p",
        resources,
    ];
    cluster.kubectl(&patch).ok();
    cluster.wait_for("causes-quota", "images", "Ready", "True");
    done(cluster, "causes-quota");
}

#[test]
fn a_volume_that_does_not_mount_is_named() {
    let path = json!({"path": "/srv/not-there", "type": "Directory"});
    let before = host_path("causes-mount", &path);
    let cluster = apply("causes-mount", &before, &on_claim());
    told(
        cluster,
        "causes-mount",
        "Ready",
        "PodsNotReady",
        &["FailedMount", "/srv/not-there"],
    );
    done(cluster, "causes-mount");
}

/// As on a volume where fsGroup does nothing: hostPath, NFS with root_squash.
#[test]
fn a_volume_that_cannot_be_written_is_named_while_pulls_go_on_and_is_well_again_by_itself() {
    let path = json!({"path": "/srv/causes-roots", "type": "DirectoryOrCreate"});
    let before = host_path("causes-roots", &path);
    let cluster = apply("causes-roots", &before, &on_claim());
    told(
        cluster,
        "causes-roots",
        "StorageReady",
        "NotWritable",
        &["pulls go on", "65532"],
    );
    let (status, reason, message) = cluster
        .condition("causes-roots", "images", "Ready")
        .expect("it is told");
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("True", "Serving"),
        "{message}"
    );
    for node in cluster.nodes() {
        cluster
            .on_node(&node, "mkdir -p /srv/causes-roots; chown 65532 /srv/causes-roots")
            .ok();
    }
    cluster.wait_for("causes-roots", "images", "StorageReady", "True");
    done(cluster, "causes-roots");
}

#[test]
fn a_storage_class_that_does_not_exist_is_named_and_the_way_out_works_as_told() {
    let spec = json!({"storage": {"persistentVolumeClaim": {"size": "1Gi", "storageClassName": "fsat"}}});
    let cluster = apply("causes-class", &[], &spec);
    let words = ["StorageClass fsat does not exist", "local"];
    told(cluster, "causes-class", "StorageReady", "ClaimPending", &words);
    let right = r#"{"spec":{"storage":{"persistentVolumeClaim":{"storageClassName":"local"}}}}"#;
    let patch = [
        "-n",
        "causes-class",
        "patch",
        "registry",
        "images",
        "--type=merge",
        "-p",
        right,
    ];
    cluster.kubectl(&patch).ok();
    let way_out = "kubectl -n causes-class delete pvc images-data";
    told(
        cluster,
        "causes-class",
        "StorageReady",
        "ClaimMismatch",
        &[way_out],
    );
    cluster.run(way_out).ok();
    cluster.wait_for("causes-class", "images", "StorageReady", "True");
    cluster.wait_for("causes-class", "images", "Ready", "True");
    // And a claim that somebody deletes under a running registry.
    let delete = [
        "-n",
        "causes-class",
        "delete",
        "pvc",
        "images-data",
        "--wait=false",
    ];
    cluster.kubectl(&delete).ok();
    told(
        cluster,
        "causes-class",
        "StorageReady",
        "ClaimDeleting",
        &["copy the images", "do not restart"],
    );
    done(cluster, "causes-class");
}

/// Admission refuses the pods of a Deployment that it has let in.
#[test]
fn who_refuses_pods_is_named_pod_security_and_webhooks() {
    let unconfined = json!({"storage": {"emptyDir": {}}, "pod": {"annotations": {
        "container.apparmor.security.beta.kubernetes.io/registry": "unconfined"}}});
    let cluster = apply("causes-security", &[], &unconfined);
    let enforce = "pod-security.kubernetes.io/enforce=baseline";
    cluster
        .kubectl(&["label", "namespace", "causes-security", enforce])
        .ok();
    // The first pod may have come before the label.
    cluster
        .kubectl(&["-n", "causes-security", "delete", "pods", "--all", "--wait=false"])
        .ok();
    let words = [
        "violates PodSecurity",
        "baseline",
        "kubectl -n causes-security describe replicaset",
    ];
    told(cluster, "causes-security", "Ready", "PodsNotReady", &words);
    done(cluster, "causes-security");

    // Its service is away, as is usual when such a webhook is in the way.
    let webhook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "causes"}, "webhooks": [{"name": "pods.causes.example.com", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "failurePolicy": "Fail", "timeoutSeconds": 1,
            "clientConfig": {"service": {"namespace": "causes-webhook", "name": "gone"}},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "causes-webhook"}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}]});
    let cluster = apply(
        "causes-webhook",
        &[webhook],
        &json!({"storage": {"emptyDir": {}}}),
    );
    let words = [
        "failed calling webhook",
        "pods.causes.example.com",
        "service \"gone\" not found",
    ];
    told(cluster, "causes-webhook", "Ready", "PodsNotReady", &words);
    cluster
        .kubectl(&["delete", "validatingwebhookconfiguration", "causes"])
        .ok();
    done(cluster, "causes-webhook");
}
