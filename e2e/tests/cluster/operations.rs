//! The commands of docs/operations.md, as they stand there, on a Registry of their own.

use roadstead_e2e::{Cluster, checkout, wait_until};

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
