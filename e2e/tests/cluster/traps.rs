//! No change of a spec is a trap: what the cluster refuses is told, everything else goes on, and the way back is open.

use roadstead_e2e::{Cluster, wait_until};

const NAMESPACE: &str = "traps";

fn patch(cluster: &Cluster, spec: &str) {
    let patch = format!(r#"{{"spec":{spec}}}"#);
    cluster
        .kubectl(&[
            "-n",
            NAMESPACE,
            "patch",
            "registry",
            "images",
            "--type=merge",
            "-p",
            &patch,
        ])
        .ok();
}

/// What somebody deletes comes back, and who may log in changes.
fn everything_else_goes_on(cluster: &Cluster, user: &str) {
    cluster
        .kubectl(&[
            "-n",
            NAMESPACE,
            "delete",
            "configmap/images-ca",
            "secret/images-pull",
        ])
        .ok();
    let users = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: users, namespace: {NAMESPACE}}}\nstringData:\n  htpasswd: |\n    \
         {user}:$2y$05$DzZLMMVHpGQ9W/F6xWJBKeLlA1Hyzk2QXGfYXFCPEaXgT6xV4Ad/i\n"
    );
    cluster.apply(&users).ok();
    wait_until("what was deleted is back and the new user is let in", || {
        let there = |kind, name| cluster.get(NAMESPACE, kind, name).is_some();
        let htpasswd = cluster
            .kubectl(&[
                "-n",
                NAMESPACE,
                "get",
                "secret",
                "images-htpasswd",
                "-o",
                "go-template={{.data.htpasswd | base64decode}}",
            ])
            .ok();
        let is_done =
            there("configmap", "images-ca") && there("secret", "images-pull") && htpasswd.contains(user);
        is_done.then_some(()).ok_or(htpasswd)
    });
}

#[test]
fn a_size_and_a_port_that_cannot_be_had_hold_nothing_else_up_and_can_be_taken_back() {
    let cluster = Cluster::installed();
    cluster
        .apply(
            "{apiVersion: v1, kind: List, items: [\
             {apiVersion: v1, kind: Namespace, metadata: {name: traps}},\
             {apiVersion: v1, kind: Service, metadata: {name: taken, namespace: traps}, \
              spec: {type: NodePort, ports: [{port: 80, nodePort: 30999}]}},\
             {apiVersion: roadstead.dev/v1alpha1, kind: Registry, metadata: {name: images, namespace: traps}, \
              spec: {storage: {persistentVolumeClaim: {size: 1Gi}}, auth: {htpasswd: {secretRef: {name: users}}}}}]}",
        )
        .ok();
    cluster.wait_for(NAMESPACE, "images", "Ready", "True");
    everything_else_goes_on(cluster, "ada");
    cluster.wait_for(NAMESPACE, "images", "StorageReady", "True");
    for (number, (wish, back, condition, reason)) in [
        (
            r#"{"storage":{"persistentVolumeClaim":{"size":"20Gi"}}}"#,
            r#"{"storage":{"persistentVolumeClaim":{"size":"1Gi"}}}"#,
            "StorageReady",
            "ResizeRefused",
        ),
        (
            r#"{"service":{"type":"NodePort","nodePort":30999}}"#,
            r#"{"service":{"type":"ClusterIP","nodePort":null}}"#,
            "Reconciled",
            "ApplyFailed",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        patch(cluster, wish);
        let (told, message) = cluster.wait_for(NAMESPACE, "images", condition, "False");
        assert_eq!(told, reason, "{message}");
        everything_else_goes_on(cluster, &format!("user{number}"));
        patch(cluster, back);
        cluster.wait_for(NAMESPACE, "images", condition, "True");
    }
    let column = cluster
        .kubectl(&["-n", NAMESPACE, "get", "registry", "images", "--no-headers"])
        .ok();
    assert!(
        !column.contains("Refused") && !column.contains("Failed"),
        "{column}"
    );
    cluster
        .kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"])
        .ok();
}
