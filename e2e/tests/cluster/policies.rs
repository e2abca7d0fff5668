//! What the chart's admission policies refuse: a stolen token of the operator, and a tenant's hand on a finalizer.

use roadstead_e2e::{Cluster, Finished};

const OPERATOR: &str = "system:serviceaccount:roadstead-system:roadstead-operator";
const LABELS: &str = "labels: {app.kubernetes.io/managed-by: roadstead-operator, roadstead.dev/registry: images}, \
                      ownerReferences: [{apiVersion: roadstead.dev/v1alpha1, kind: Registry, name: images, uid: UID}]";

fn create(cluster: &Cluster, object: &str) -> Finished {
    let script = format!("kubectl create --dry-run=server --as={OPERATOR} -f - <<'EOF'\n{object}\nEOF\n");
    cluster.run(&script)
}

fn deployment(metadata: &str, pod: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: images, namespace: policies, {metadata}}}, spec: {{selector: {{matchLabels: {{a: b}}}}, \
         template: {{metadata: {{labels: {{a: b}}}}, spec: {{{pod}}}}}}}}}"
    )
}

#[test]
fn the_operators_token_can_touch_nothing_but_the_objects_of_registries() {
    let cluster = Cluster::installed();
    cluster.kubectl(&["create", "namespace", "policies"]).ok();
    let labels = LABELS.replace("UID", "00000000-0000-0000-0000-000000000000");
    let harmless = "serviceAccountName: images, automountServiceAccountToken: false, containers: [{name: r, image: x, \
                    securityContext: {allowPrivilegeEscalation: false}}]";
    create(cluster, &deployment(&labels, harmless)).ok();

    let secret = |metadata: &str, kind: &str| {
        format!(
            "{{apiVersion: v1, kind: Secret, type: {kind}, metadata: {{name: images-x, namespace: policies, {metadata}}}}}"
        )
    };
    let token = "kubernetes.io/service-account-token";
    let with_account = format!("annotations: {{kubernetes.io/service-account.name: default}}, {labels}");
    for (what, object, says) in [
        (
            "an object without its labels",
            deployment("labels: {}", harmless),
            "carry its labels",
        ),
        (
            "an object of no Registry",
            deployment(
                "labels: {app.kubernetes.io/managed-by: roadstead-operator, roadstead.dev/registry: images}",
                harmless,
            ),
            "a Registry owns",
        ),
        (
            "another name",
            // With an account of that name: two policies that refuse tell their messages in any order.
            deployment(
                &labels,
                &harmless.replace("serviceAccountName: images", "serviceAccountName: coredns"),
            )
            .replace("name: images, namespace", "name: coredns, namespace"),
            "named after",
        ),
        (
            "a folder of the host",
            deployment(
                &labels,
                &format!("{harmless}, volumes: [{{name: h, hostPath: {{path: /}}}}]"),
            ),
            "nothing else",
        ),
        (
            "somebody's Secret",
            deployment(
                &labels,
                &format!("{harmless}, volumes: [{{name: s, secret: {{secretName: prod-db}}}}]"),
            ),
            "nothing else",
        ),
        (
            "the host's network",
            deployment(&labels, &format!("{harmless}, hostNetwork: true")),
            "no part in their host",
        ),
        (
            "an account with rights",
            deployment(
                &labels,
                &harmless.replace("serviceAccountName: images", "serviceAccountName: admin"),
            ),
            "of their own",
        ),
        (
            "a privileged container",
            deployment(
                &labels,
                &harmless.replace("allowPrivilegeEscalation: false", "privileged: true"),
            ),
            "no privileges",
        ),
        ("a token", secret(&with_account, token), "make tokens"),
        (
            "a Service that leads elsewhere",
            format!(
                "{{apiVersion: v1, kind: Service, metadata: {{name: images, namespace: policies, {labels}}}, spec: {{type: ExternalName, externalName: evil.example}}}}"
            ),
            "elsewhere",
        ),
    ] {
        let said = create(cluster, &object).fails();
        assert!(said.contains(says), "{what}: {said}");
    }

    let patch = |arguments: &str| {
        cluster.run(&format!(
            "kubectl --as={OPERATOR} patch --dry-run=server {arguments}"
        ))
    };
    let pod = cluster
        .run("kubectl -n registry get pods -l roadstead.dev/registry=images -o jsonpath='{.items[0].metadata.name}'")
        .ok();
    patch(&format!(r#"-n registry pod {pod} --type=merge -p '{{"metadata":{{"annotations":{{"roadstead.dev/mounted":"x"}}}}}}'"#)).ok();
    for refused in [
        format!(
            r#"-n registry pod {pod} --type=merge -p '{{"metadata":{{"annotations":{{"other":"x"}}}}}}'"#
        ),
        format!(r#"-n registry pod {pod} --type=merge -p '{{"metadata":{{"labels":{{"other":"x"}}}}}}'"#),
        format!(
            r#"-n registry pod {pod} --type=json -p '[{{"op":"replace","path":"/spec/containers/0/image","value":"evil"}}]'"#
        ),
        r#"-n registry registry images --type=merge -p '{"spec":{"paused":true}}'"#.to_owned(),
        r#"-n roadstead-system deployment roadstead-operator --type=merge -p '{"metadata":{"annotations":{"a":"b"}}}'"#
            .to_owned(),
    ] {
        let said = patch(&refused).fails();
        // Of the policies that refuse it, one is told.
        assert!(
            said.contains("ValidatingAdmissionPolicy 'roadstead-operator-"),
            "{refused}: {said}"
        );
    }
    cluster
        .kubectl(&["delete", "namespace", "policies", "--timeout=60s"])
        .ok();
}

#[test]
fn a_tenant_cannot_take_the_finalizer_off() {
    let cluster = Cluster::installed();
    cluster
        .run("kubectl -n registry create rolebinding hand --clusterrole=edit --serviceaccount=registry:hand")
        .ok();
    let patch = |who: &str| {
        cluster.run(&format!(
            r#"kubectl -n registry patch registry images --dry-run=server --type=merge -p '{{"metadata":{{"finalizers":null}}}}' {who}"#
        ))
    };
    let said = patch("--as=system:serviceaccount:registry:hand").fails();
    assert!(said.contains("registries/finalizers"), "{said}");
    patch("").ok();
    patch("--as=root --as-group=system:masters").ok();
    cluster.run("kubectl -n registry delete rolebinding hand").ok();
}
