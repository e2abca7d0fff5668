//! The commands of docs/operations.md, as they stand there, on a Registry of their own.

use roadstead_e2e::{Authority, Cluster, checkout, wait_until};

const NAMESPACE: &str = "operations";

const REGISTRY: &str = "{apiVersion: v1, kind: List, items: [\
    {apiVersion: v1, kind: Namespace, metadata: {name: operations}},\
    {apiVersion: roadstead.dev/v1alpha1, kind: Registry, metadata: {name: images, namespace: operations}, \
     spec: {storage: {persistentVolumeClaim: {size: 1Gi}}}}]}";

/// The blocks of commands under a heading.
fn documented(heading: &str) -> Vec<String> {
    let page = std::fs::read_to_string(checkout().join("docs/operations.md")).expect("the page is there");
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap_or_else(|| panic!("docs/operations.md has no section {heading:?}"));
    let blocks = section.split("```sh\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap_or_default());
    // The page's Registry is the one of all tests.
    blocks
        .map(|block| {
            block
                .replace("-n registry ", &format!("-n {NAMESPACE} "))
                .replace("namespaces/registry/", &format!("namespaces/{NAMESPACE}/"))
                .replace("team-a", "operations-team")
        })
        .collect()
}

struct Page {
    cluster: &'static Cluster,
    folder: tempfile::TempDir,
}

impl Page {
    fn run(&self, script: &str) -> String {
        let folder = self.folder.path().display();
        let script = format!("cd {folder}; export HOME={folder} HOST=images.{NAMESPACE}.svc:5000\n{script}");
        self.cluster.run(&script).ok()
    }

    /// Does all that stands under a heading; gives what each block printed.
    fn follow(&self, heading: &str) -> Vec<String> {
        documented(heading).iter().map(|block| self.run(block)).collect()
    }

    fn push_password(&self) -> String {
        let template = "go-template={{.data.password | base64decode}}";
        self.cluster
            .kubectl(&["-n", NAMESPACE, "get", "secret", "images-push", "-o", template])
            .ok()
    }

    /// What a login with this password answers.
    fn login(&self, password: &str) -> String {
        self.run(&format!(
            "kubectl -n {NAMESPACE} get configmap images-ca -o jsonpath='{{.data.ca\\.crt}}' > ca.crt\n\
             curl -s --cacert ca.crt -u roadstead-push:{password} -o /dev/null -w '%{{http_code}}' https://$HOST/v2/ || true"
        ))
    }

    fn wait_for_login(&self, password: &str, status: &str) {
        wait_until(&format!("a login answers {status}"), || {
            match self.login(password) {
                is if is == status => Ok(()),
                other => Err(other),
            }
        });
    }
}

#[test]
fn what_the_page_says_works() {
    let page = Page {
        cluster: Cluster::installed(),
        folder: tempfile::tempdir().expect("a temporary folder"),
    };
    let cluster = page.cluster;
    cluster.apply(REGISTRY).ok();
    cluster.wait_for(NAMESPACE, "images", "Ready", "True");

    let old = page.push_password();
    page.wait_for_login(&old, "200");
    page.follow("Change the passwords");
    let new = page.push_password();
    assert_ne!(new, old);
    page.wait_for_login(&new, "200");
    page.wait_for_login(&old, "401");

    let archive = cluster.state().join("busybox.tar");
    page.run(&format!(
        "echo {new} | SSL_CERT_FILE=ca.crt crane auth login $HOST --username roadstead-push --password-stdin\n\
         SSL_CERT_FILE=ca.crt crane push {} $HOST/hello:1",
        archive.display()
    ));
    cluster.wait_for(NAMESPACE, "images", "NodesTrusted", "True");
    page.follow("Pull from other namespaces");
    let pod = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: hello, namespace: operations-team}}, spec: {{terminationGracePeriodSeconds: 0, \
         containers: [{{name: main, image: images.{NAMESPACE}.svc:5000/hello:1, command: [sleep, infinity]}}]}}}}"
    );
    cluster.apply(&pod).ok();
    page.run("kubectl -n operations-team wait pod/hello --for=condition=Ready --timeout=1m");

    page.follow("Stop it and start it again");
    page.follow("Keep the operator's hands off");
    let metric = page.follow("Watch it").concat();
    assert!(
        metric.contains("roadstead_registry_storage_writable 1"),
        "{metric}"
    );

    page.follow("Back it up and restore it");
    page.wait_for_login(&page.push_password(), "200");
    let manifest = page.run(&format!(
        "curl -sS --cacert ca.crt -u roadstead-push:{} -o /dev/null -w '%{{http_code}}' https://$HOST/v2/hello/manifests/1",
        page.push_password()
    ));
    assert_eq!(manifest, "200", "the images are there again");
    for namespace in [NAMESPACE, "operations-team"] {
        cluster
            .kubectl(&["delete", "namespace", namespace, "--wait=false"])
            .ok();
    }
}

/// The table of ways from outside: the URL is the one that is served, and on a port of the nodes it answers.
#[test]
fn the_url_is_the_one_that_the_page_says() {
    const OUTSIDE: &str = "outside";
    const NAME: &str = "registry.outside.example";
    let cluster = Cluster::installed();
    let authority = Authority::create();
    let pair = authority.issue(NAME);
    let objects = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OUTSIDE}},
        {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "outside-tls", "namespace": OUTSIDE},
            "stringData": {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority.root()}},
        {"apiVersion": "roadstead.dev/v1alpha1", "kind": "Registry", "metadata": {"name": "images", "namespace": OUTSIDE},
            "spec": {"hostname": NAME, "tls": {"secretRef": {"name": "outside-tls"}}, "nodeTrust": {"includeHostname": false},
                "service": {"type": "NodePort", "nodePort": 30555}, "storage": {"emptyDir": {}}}},
    ]});
    cluster.apply(&objects.to_string()).ok();
    cluster.wait_for(OUTSIDE, "images", "Ready", "True");
    let has_url = |wanted: &str| {
        wait_until(&format!("the URL is {wanted}"), || {
            let columns = cluster
                .kubectl(&["-n", OUTSIDE, "get", "registry", "images", "--no-headers"])
                .ok();
            let is_there = columns.split_whitespace().any(|column| column == wanted);
            is_there.then_some(()).ok_or(columns)
        });
    };
    has_url(&format!("https://{NAME}:30555"));
    let root = cluster.state().join("outside-ca.crt");
    std::fs::write(&root, authority.root()).expect("the state folder can be written");
    // Ready may be true before every node leads the port to the pod.
    let answer = cluster
        .run(&format!(
            "curl -sS --retry 60 --retry-delay 1 --retry-connrefused --cacert {} --resolve {NAME}:30555:10.89.0.11 -o /dev/null -w '%{{http_code}}' https://{NAME}:30555/v2/",
            root.display()
        ))
        .ok();
    assert_eq!(answer, "401");

    let balanced = r#"{"spec":{"service":{"type":"LoadBalancer","nodePort":null,"port":443}}}"#;
    cluster
        .kubectl(&[
            "-n",
            OUTSIDE,
            "patch",
            "registry",
            "images",
            "--type=merge",
            "-p",
            balanced,
        ])
        .ok();
    has_url(&format!("https://{NAME}"));
    let page = std::fs::read_to_string(checkout().join("docs/operations.md")).expect("the page is there");
    let ingress = page
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    cluster.dry_run(ingress.expect("the page has an Ingress")).ok();
    cluster
        .kubectl(&["delete", "namespace", OUTSIDE, "--wait=false"])
        .ok();
}
