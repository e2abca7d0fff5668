//! A tenant, who may edit one namespace, does there whatever once stopped Roadstead for everyone. A Registry that is
//! made elsewhere meanwhile becomes ready all the same, and nothing restarts.

use roadstead_e2e::{Authority, Cluster, Finished, wait_until};
use std::fmt::Write as _;
use std::path::Path;

const TENANT: &str = "--as=system:serviceaccount:evil:tenant";
/// The chart's `limits.registriesPerNamespace`.
const LIMIT: usize = 20;

fn registry(name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: roadstead.dev/v1alpha1, kind: Registry, metadata: {{name: {name}, namespace: evil}}, spec: {spec}}}\n"
    )
}

/// `kubectl … -f FILE` as the tenant.
fn as_tenant(cluster: &Cluster, verb: &str, folder: &Path, yaml: &str) -> Finished {
    let file = folder.join("objects.yaml");
    std::fs::write(&file, yaml).expect("the folder can be written");
    let file = file.to_str().expect("the path is text");
    cluster.kubectl(&[TENANT, "-n", "evil", verb, "-f", file])
}

fn settle_in(cluster: &Cluster) {
    cluster
        .run(
            "kubectl create namespace evil; kubectl create namespace bystander; \
             kubectl -n evil create serviceaccount tenant; \
             kubectl -n evil create rolebinding tenant --clusterrole=edit --serviceaccount=evil:tenant",
        )
        .ok();
}

/// Restarts of the operators and of the agents.
fn restarts(cluster: &Cluster) -> String {
    let of = |namespace: &str| {
        let path =
            "jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].restartCount};{end}";
        cluster
            .kubectl(&["-n", namespace, "get", "pods", "-o", path])
            .ok()
    };
    of("roadstead-system") + &of("roadstead-system-nodes")
}

/// A name that would turn a read into a watch without an end.
fn ask_for_an_endless_answer(cluster: &Cluster, folder: &Path) {
    let spec = "{storage: {persistentVolumeClaim: {claimName: '?watch=true&resourceVersion=0'}}}";
    let refused = as_tenant(cluster, "create", folder, &registry("endless", spec)).fails();
    assert!(refused.contains("must be the name of an object"), "{refused}");
}

/// A line whose verification would take days, in the Secret that the operator writes.
fn plant_a_dear_line(cluster: &Cluster, folder: &Path) {
    as_tenant(
        cluster,
        "create",
        folder,
        &registry("slow", "{replicas: 0, storage: {emptyDir: {}}}"),
    )
    .ok();
    wait_until("the Secret of users is there", || {
        cluster
            .get("evil", "secret", "slow-htpasswd")
            .map(drop)
            .ok_or_else(|| "not yet".to_owned())
    });
    let line = "roadstead-push:$2y$31$AAAAAAAAAAAAAAAAAAAAA.n0h/mIMCzQV5sAcS2EkWlrP7Nqjmb2m";
    let patch = format!(r#"{{"stringData": {{"htpasswd": "{line}\n"}}}}"#);
    cluster
        .kubectl(&[
            TENANT,
            "-n",
            "evil",
            "patch",
            "secret",
            "slow-htpasswd",
            "-p",
            &patch,
        ])
        .ok();
    wait_until("the operator wrote its own line again", || {
        let secret = cluster
            .get("evil", "secret", "slow-htpasswd")
            .expect("it is there");
        let text = secret["data"]["htpasswd"].as_str().unwrap_or_default();
        // `$2y$31$` begins at another place of the line only if the line is another.
        if text.starts_with("cm9hZHN0ZWFkLXB1c2g6JDJ5JDMx") {
            Err(text.to_owned())
        } else {
            Ok(())
        }
    });
}

/// Many Registries that nothing runs for, each with as much for the nodes as a Secret holds.
fn fill_the_nodes(cluster: &Cluster, folder: &Path) {
    let authority = Authority::create();
    let pair = authority.issue("evil.example.com");
    let fat = authority.root().repeat(246 * 1024 / authority.root().len());
    for (name, text) in [
        ("tls.crt", &pair.certificate),
        ("tls.key", &pair.key),
        ("ca.crt", &fat),
    ] {
        std::fs::write(folder.join(name), text).expect("the folder can be written");
    }
    cluster
        .run(&format!(
            "cd {}; kubectl {TENANT} -n evil create secret generic fat --from-file=tls.crt --from-file=tls.key --from-file=ca.crt",
            folder.display()
        ))
        .ok();
    let mut many = String::new();
    for number in 0..LIMIT + 2 {
        let spec = "{replicas: 0, storage: {emptyDir: {}}, tls: {secretRef: {name: fat}}}";
        write!(many, "{}", registry(&format!("fat-{number:02}"), spec)).expect("a String takes any text");
    }
    as_tenant(cluster, "create", folder, &many).ok();
}

/// Names under which the operator reads objects of a Registry, each of them of as many keys as an object holds: in its
/// maps they take twenty times the bytes that they have on their way.
fn plant_many_keys(cluster: &Cluster, folder: &Path) {
    let keys: String = (0..70_000).map(|number| format!("\"{number}\":\"\",")).collect();
    let keys = keys.trim_end_matches(',');
    let mut objects = Vec::new();
    for registry in ["fat-00", "fat-01"] {
        for (kind, ending) in [
            ("Secret", "push"),
            ("Secret", "pull"),
            ("Secret", "htpasswd"),
            ("ConfigMap", "ca"),
        ] {
            objects.push(format!(
                "{{\"apiVersion\": \"v1\", \"kind\": \"{kind}\", \"metadata\": {{\"name\": \"{registry}-{ending}\"}}, \"data\": {{{keys}}}}}"
            ));
        }
    }
    let list = format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{}]}}",
        objects.join(",")
    );
    as_tenant(cluster, "create", folder, &list).ok();
}

/// Heads of requests without an end, at both operators.
fn flood_the_probes(cluster: &Cluster) {
    let path = "jsonpath={.items[*].status.podIP}";
    let addresses = cluster
        .kubectl(&[
            "-n",
            "roadstead-system",
            "get",
            "pods",
            "-l",
            "app.kubernetes.io/component=operator",
            "-o",
            path,
        ])
        .ok();
    assert!(!addresses.trim().is_empty(), "the operators are found");
    for address in addresses.split_whitespace() {
        cluster
            .on_node(
                &cluster.nodes()[0],
                &format!(
                    "for number in $(seq 330); do \
                       (exec 3<>/dev/tcp/{address}/8080 && printf 'GET /livez HTTP/1.1\\r\\nX-Flood: ' >&3 && \
                        head -c 384000 /dev/zero | tr '\\0' x >&3; sleep 2) 2>/dev/null & \
                     done; wait; true"
                ),
            )
            .ok();
    }
}

#[test]
fn a_tenant_at_every_bound_at_once_harms_nobody_else() {
    let cluster = Cluster::installed();
    let before = restarts(cluster);
    let folder = std::env::temp_dir().join(format!("roadstead-hostile-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    settle_in(cluster);
    ask_for_an_endless_answer(cluster, &folder);
    plant_a_dear_line(cluster, &folder);
    plant_many_keys(cluster, &folder);
    fill_the_nodes(cluster, &folder);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| flood_the_probes(cluster));
        let spec = "{storage: {emptyDir: {}}}";
        let bystander = registry("images", spec).replace("namespace: evil", "namespace: bystander");
        cluster.apply(&bystander).ok();
        cluster.wait_for("bystander", "images", "Ready", "True");
        cluster.wait_for("bystander", "images", "NodesTrusted", "True");
        flood.join().expect("the flood ends");
    });

    wait_until("what is too much is told", || {
        let told = |name: &str, kind: &str| cluster.condition("evil", name, kind).unwrap_or_default().1;
        let told = (
            told("fat-00", "Ready"),
            told("fat-02", "CertificateValid"),
            told(&format!("fat-{}", LIMIT + 1), "Ready"),
        );
        match (told.0.as_str(), told.1.as_str(), told.2.as_str()) {
            ("TooLarge", "TooLarge", "LimitReached") => Ok(()),
            _ => Err(format!("{told:?}")),
        }
    });
    let path = "jsonpath={range .items[?(@.spec.registry.namespace==\"evil\")]}{.metadata.name} {end}";
    let bundles = cluster
        .kubectl(&["-n", "roadstead-system-nodes", "get", "trustbundles", "-o", path])
        .ok();
    let count = bundles.split_whitespace().count();
    assert!((1..=2 * LIMIT).contains(&count), "{count} bundles");
    assert_eq!(
        cluster
            .condition("registry", "images", "NodesTrusted")
            .expect("it is told")
            .0,
        "True"
    );
    assert_eq!(restarts(cluster), before, "something was restarted");
    for namespace in ["evil", "bystander"] {
        cluster
            .kubectl(&["delete", "namespace", namespace, "--timeout=90s"])
            .ok();
    }
}
