//! What the agents do on the nodes, and that a pull fails where they are not there to do it.

use roadstead_e2e::{Authority, Cluster, HOST, wait_until};

/// The folder that containerd reads for the Registry.
const FOLDER: &str = "/etc/containerd/certs.d/images.registry.svc:5000";

/// A pull through the kubelet's own interface; anonymous, so that a verified connection ends in a 401.
fn pull(cluster: &Cluster, node: &str) -> String {
    // A pod is the one stock client of the CRI on every node.
    let name = format!("probe-{node}");
    cluster
        .kubectl(&["-n", "registry", "delete", "pod", &name, "--ignore-not-found"])
        .ok();
    cluster
        .apply(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: registry}}, spec: {{nodeName: {node}, \
             terminationGracePeriodSeconds: 0, containers: [{{name: main, image: '{HOST}/nodes/none:1'}}]}}}}"
        ))
        .ok();
    let message = wait_until("the pull has an answer", || {
        let pod = cluster.get("registry", "pod", &name).expect("the pod was made");
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
        match waiting["reason"].as_str() {
            Some("ErrImagePull") => Ok(waiting["message"].as_str().unwrap_or_default().to_owned()),
            other => Err(format!("{other:?}")),
        }
    });
    cluster
        .kubectl(&["-n", "registry", "delete", "pod", &name, "--wait=false"])
        .ok();
    message
}

fn set_agents(cluster: &Cluster, running: bool) {
    let selector = if running {
        "null"
    } else {
        r#"{"roadstead.dev/no-such-node": "true"}"#
    };
    let patch = format!(r#"{{"spec": {{"template": {{"spec": {{"nodeSelector": {selector}}}}}}}}}"#);
    let namespace = "roadstead-system-nodes";
    cluster
        .kubectl(&[
            "-n",
            namespace,
            "patch",
            "daemonset",
            "roadstead-agent",
            "--type=merge",
            "-p",
            &patch,
        ])
        .ok();
    wait_until(if running { "agents run" } else { "agents are gone" }, || {
        let pods = cluster
            .kubectl(&[
                "-n",
                namespace,
                "get",
                "pods",
                "-o",
                "jsonpath={.items[*].status.phase}",
            ])
            .ok();
        let ready = if running {
            pods.matches("Running").count() == cluster.nodes().len()
        } else {
            pods.trim().is_empty()
        };
        if ready { Ok(()) } else { Err(pods) }
    });
}

#[test]
fn another_ca_on_a_node_fails_the_pull_and_the_agent_mends_it() {
    let cluster = Cluster::installed();
    let node = cluster.nodes().remove(0);
    let stranger = Authority::create().root();
    let good = cluster.on_node(&node, &format!("cat {FOLDER}/ca.crt")).ok();

    set_agents(cluster, false);
    cluster
        .on_node(&node, &format!("cat > {FOLDER}/ca.crt <<'PEM'\n{stranger}PEM"))
        .ok();
    let message = pull(cluster, &node);
    assert!(message.contains("x509"), "{message}");

    set_agents(cluster, true);
    wait_until("the CA is mended", || {
        let now = cluster.on_node(&node, &format!("cat {FOLDER}/ca.crt")).ok();
        if now == good {
            Ok(())
        } else {
            Err("another CA".to_owned())
        }
    });
    cluster.wait_for("registry", "images", "NodesTrusted", "True");
    let message = pull(cluster, &node);
    assert!(
        message.contains("401") || message.contains("no basic auth credentials"),
        "{message}"
    );
}

#[test]
fn status_counts_the_nodes_that_acknowledged() {
    let cluster = Cluster::installed();
    let nodes = cluster.nodes().len();
    wait_until("all nodes are counted as trusted", || {
        let registry = cluster
            .get("registry", "registry", "images")
            .expect("the Registry is there");
        let counts = &registry["status"]["nodes"];
        let all = counts["desired"] == nodes && counts["trusted"] == nodes && counts["unsupported"] == 0;
        if all { Ok(()) } else { Err(counts.to_string()) }
    });
}

#[test]
fn an_agent_may_not_speak_for_another_node() {
    let cluster = Cluster::installed();
    let nodes = cluster.nodes();
    let namespace = "roadstead-system-nodes";
    let pods = cluster
        .kubectl(&[
            "-n",
            namespace,
            "get",
            "pods",
            "--field-selector",
            &format!("spec.nodeName={}", nodes[0]),
            "-o",
            "jsonpath={.items[0].metadata.name} {.items[0].metadata.uid}",
        ])
        .ok();
    let (pod, uid) = pods.split_once(' ').expect("an agent runs on the node");
    let token = cluster
        .kubectl(&[
            "-n",
            namespace,
            "create",
            "token",
            "roadstead-agent",
            "--bound-object-kind=Pod",
            "--bound-object-name",
            pod,
            "--bound-object-uid",
            uid,
        ])
        .ok();
    // Nothing of the administrator's configuration: its client certificate would win over the token.
    let authority = cluster.state().join("pki/ca.crt");
    let patch = |node: &str, patch: &str| {
        let script = format!(
            "kubectl --kubeconfig /dev/null --server https://10.89.0.1:6443 --certificate-authority {} --token {} -n {namespace} \
             patch nodetrust {node} --type=merge -p '{patch}'",
            authority.display(),
            token.trim()
        );
        cluster.run(&script)
    };
    let forged = r#"{"spec": {"bootID": "forged"}}"#;
    let own = patch(&nodes[0], forged);
    assert!(own.succeeded(), "{}", own.printed());
    // Another test may have that node registered again, and it has none for a moment.
    let refused = wait_until("the other node's is refused", || {
        match patch(&nodes[1], forged).fails() {
            missing if missing.contains("(NotFound)") => Err(missing),
            refused => Ok(refused),
        }
    });
    assert!(refused.contains("only the NodeTrust of the node"), "{refused}");
    for (metadata, why) in [
        (
            r#"{"finalizers": ["example.com/for-ever"]}"#,
            "may not change the finalizers",
        ),
        (
            r#"{"labels": {"a": "b"}}"#,
            "may not change the finalizers, labels",
        ),
        (
            r#"{"annotations": {"a": "b"}}"#,
            "may not change the finalizers, labels and annotations",
        ),
        (
            r#"{"ownerReferences": [{"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "1"}]}"#,
            "only owner",
        ),
        (
            r#"{"ownerReferences": null, "finalizers": ["example.com/for-ever"]}"#,
            "may not change the finalizers",
        ),
    ] {
        let refused = patch(&nodes[0], &format!(r#"{{"metadata": {metadata}}}"#)).fails();
        assert!(refused.contains(why), "{metadata}: {refused}");
    }
    // What an administrator has put there does not keep the agent from its work.
    cluster
        .kubectl(&[
            "-n",
            namespace,
            "annotate",
            "nodetrust",
            &nodes[0],
            "example.com/note=kept",
        ])
        .ok();
    let own = patch(&nodes[0], r#"{"spec": {"bootID": "forged-again"}}"#);
    assert!(own.succeeded(), "{}", own.printed());
}

#[test]
fn a_local_user_of_a_node_cannot_stop_its_agent() {
    let cluster = Cluster::installed();
    let node = cluster.nodes().remove(0);
    let good = cluster.on_node(&node, &format!("cat {FOLDER}/ca.crt")).ok();
    // Whoever may open a file may lock it; the agent repairs all the same while one does.
    let script = format!(
        "setpriv --reuid 65534 --clear-groups flock --nonblock /run/roadstead/agent.lock true && echo locked || true; \
         setpriv --reuid 65534 --clear-groups flock /var/lib sleep 30 & holder=$!; sleep 0.3; echo broken > {FOLDER}/ca.crt; \
         for _ in $(seq 100); do grep -q BEGIN {FOLDER}/ca.crt && break; sleep 0.1; done; kill $holder; cat {FOLDER}/ca.crt"
    );
    let after = cluster.on_node(&node, &script).ok();
    assert_eq!(after, good);
}

#[test]
fn a_node_that_is_deleted_and_registered_again_is_trusted_without_a_hand() {
    let cluster = Cluster::installed();
    let node = cluster.nodes().pop().expect("a node");
    let uid = |kind: &str, field: fn(&serde_json::Value) -> &serde_json::Value| {
        let namespace = if kind == "node" {
            "default"
        } else {
            "roadstead-system-nodes"
        };
        let object = cluster.get(namespace, kind, &node);
        object.map(|object| field(&object).as_str().unwrap_or_default().to_owned())
    };
    let node_uid = || uid("node", |node| &node["metadata"]["uid"]);
    let before = node_uid().expect("the node is there");
    let began = std::time::Instant::now();
    cluster.kubectl(&["delete", "node", &node]).ok();
    // It is started again, and registers its node only when it starts.
    cluster.on_node(&node, "pkill -x kubelet").ok();
    wait_until("the new node's agent speaks for it", || {
        let now = node_uid().filter(|now| *now != before);
        let told = uid("nodetrust", |told| &told["spec"]["nodeUID"]);
        if now.is_some() && told == now {
            Ok(())
        } else {
            Err(format!("node {now:?}, NodeTrust {told:?}"))
        }
    });
    wait_until("all nodes are counted again", || {
        let registry = cluster
            .get("registry", "registry", "images")
            .expect("it is there");
        let counts = &registry["status"]["nodes"];
        if counts["trusted"] == cluster.nodes().len() {
            Ok(())
        } else {
            Err(counts.to_string())
        }
    });
    println!(
        "a node registered again is trusted after {} s",
        began.elapsed().as_secs()
    );
}

/// As on clusters that admit the system's priority classes in kube-system only.
#[test]
fn what_keeps_agents_from_being_made_is_named() {
    const NAMESPACE: &str = "roadstead-system-nodes";
    let cluster = Cluster::installed();
    let policy = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "no-agents"},
            "spec": {"failurePolicy": "Fail", "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
                "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]},
                "validations": [{"expression": "false", "message": "insufficient quota to match these scopes"}]}},
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "no-agents"},
            "spec": {"policyName": "no-agents", "validationActions": ["Deny"]}},
    ]});
    cluster.apply(&policy.to_string()).ok();
    wait_until("the policy is in force", || {
        let pod = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: any, namespace: {NAMESPACE}}}, spec: {{containers: [{{name: a, image: b}}]}}}}"
        );
        match cluster.create_dry_run(&pod) {
            refused if refused.succeeded() => Err("a pod is admitted".to_owned()),
            _ => Ok(()),
        }
    });
    cluster
        .kubectl(&["-n", NAMESPACE, "delete", "pods", "--all"])
        .ok();
    // One that nodes have not trusted yet says so at once; what is proved counts for a while longer.
    cluster.kubectl(&["create", "namespace", "agentless"]).ok();
    cluster
        .apply(
            "{apiVersion: roadstead.dev/v1alpha1, kind: Registry, metadata: {name: images, namespace: agentless},              spec: {storage: {emptyDir: {}}}}",
        )
        .ok();
    wait_until("the condition names the cause", || {
        match cluster.condition("agentless", "images", "NodesTrusted") {
            Some((status, _, message))
                if status == "False" && message.contains("insufficient quota to match these scopes") =>
            {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    });
    for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
        cluster.kubectl(&["delete", kind, "no-agents"]).ok();
    }
    // Whatever changes it makes the controller try again at once.
    wait_until("agents are made again", || {
        let now = format!("example.com/tried={}", fastrand::u64(..));
        cluster
            .kubectl(&[
                "-n",
                NAMESPACE,
                "annotate",
                "--overwrite",
                "daemonset",
                "roadstead-agent",
                &now,
            ])
            .ok();
        match cluster.condition("agentless", "images", "NodesTrusted") {
            Some((status, _, _)) if status == "True" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    cluster.wait_for("registry", "images", "NodesTrusted", "True");
    cluster
        .kubectl(&["delete", "namespace", "agentless", "--wait=false"])
        .ok();
}
