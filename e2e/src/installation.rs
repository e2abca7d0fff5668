//! The cluster that a test run has: its nodes, and Roadstead installed in it by helm.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::command::{Finished, wait_until};

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    state: PathBuf,
}

impl Cluster {
    /// The cluster of this run with Roadstead installed and the Registry `images` ready and trusted. Installed once,
    /// by whichever test asks first.
    pub fn installed() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| {
            let cluster = Self::running();
            cluster.install();
            cluster
        })
    }

    /// The cluster of this run, as it is.
    pub fn running() -> Self {
        let state = std::env::var_os("ROADSTEAD_CLUSTER_STATE").expect(
            "ROADSTEAD_CLUSTER_STATE must name a running cluster: run these tests by scripts/test.sh",
        );
        Self {
            state: PathBuf::from(state),
        }
    }

    /// The folder of the cluster's state: logs, the API server's audit log.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The nodes' names.
    pub fn nodes(&self) -> Vec<String> {
        let listed = self
            .kubectl(&["get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"])
            .ok();
        listed.split_whitespace().map(str::to_owned).collect()
    }

    /// Runs kubectl as the cluster's administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> Finished {
        self.command("kubectl", &[], arguments, "")
    }

    /// `kubectl apply` of YAML.
    pub fn apply(&self, yaml: &str) -> Finished {
        self.command("kubectl", &[], &["apply", "-f", "-"], yaml)
    }

    /// What the API server says to YAML, with nothing stored.
    pub fn dry_run(&self, yaml: &str) -> Finished {
        let arguments = &["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
        self.command("kubectl", &[], arguments, yaml)
    }

    /// What the API server says to new objects, with nothing stored.
    pub fn create_dry_run(&self, yaml: &str) -> Finished {
        let arguments = &["create", "--dry-run=server", "--validate=false", "-f", "-"];
        self.command("kubectl", &[], arguments, yaml)
    }

    /// An object as JSON, or nothing where there is none.
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> Option<Value> {
        let answer = self
            .kubectl(&[
                "-n",
                namespace,
                "get",
                kind,
                name,
                "-o",
                "json",
                "--ignore-not-found",
            ])
            .ok();
        (!answer.trim().is_empty())
            .then(|| serde_json::from_str(&answer).expect("kubectl -o json prints JSON"))
    }

    /// Runs a shell script in the cluster's network, where its DNS answers and stock clients are on the PATH.
    pub fn run(&self, script: &str) -> Finished {
        self.command("run", &["--", "bash", "-euo", "pipefail", "-c", script], &[], "")
    }

    /// Runs a shell script on a node: in its network, with its files.
    pub fn on_node(&self, node: &str, script: &str) -> Finished {
        self.command(
            "node",
            &[node, "--", "bash", "-euo", "pipefail", "-c", script],
            &[],
            "",
        )
    }

    /// A condition of a Registry, as `(status, reason, message)`.
    pub fn condition(&self, namespace: &str, name: &str, kind: &str) -> Option<(String, String, String)> {
        let registry = self.get(namespace, "registry", name)?;
        let conditions = registry["status"]["conditions"].as_array()?;
        let condition = conditions.iter().find(|condition| condition["type"] == kind)?;
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        Some((text("status"), text("reason"), text("message")))
    }

    /// Waits until a condition has a status.
    pub fn wait_for(&self, namespace: &str, name: &str, kind: &str, status: &str) -> (String, String) {
        wait_until(&format!("{namespace}/{name} {kind}={status}"), || {
            match self.condition(namespace, name, kind) {
                Some((is, reason, message)) if is == status => Ok((reason, message)),
                other => Err(format!("{other:?}")),
            }
        })
    }

    /// Every file, folder and link under a node's /etc with its mode, owner and content: what an installation has to
    /// leave as it found it.
    pub fn etc_of(&self, node: &str) -> String {
        self.on_node(
            node,
            "cd /etc; find . -printf '%p %y %m %U:%G %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum",
        )
        .ok()
    }

    fn install(&self) {
        for node in self.nodes() {
            let saved = self.saved_etc(&node);
            // A run that is repeated on the same cluster keeps the first picture.
            if !saved.exists() {
                std::fs::write(saved, self.etc_of(&node)).expect("the state folder can be written");
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("e2e stands in the repository");
        let images =
            ["registry", "operator", "agent"].map(|name| root.join(format!("target/images/{name}.tar")));
        let images = images
            .each_ref()
            .map(|path| path.to_str().expect("the checkout's path is text"));
        self.command("load", &[], &images, "").ok();
        self.run(&format!("{} --wait --timeout 2m", self.install_command()))
            .ok();
        let example =
            std::fs::read_to_string(root.join("examples/registry.yaml")).expect("examples/registry.yaml");
        self.apply(&example).ok();
        self.wait_for("registry", "images", "Ready", "True");
        self.wait_for("registry", "images", "NodesTrusted", "True");
    }

    /// The command that installs the chart, with what the tests need of it.
    pub fn install_command(&self) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let chart = root
            .expect("e2e stands in the repository")
            .join("charts/roadstead");
        format!(
            "helm upgrade --install roadstead {} --namespace roadstead-system --create-namespace \
             --set-json 'nodeTrust.allowedHostnames=[{{\"namespace\":\"registry\",\"hostnames\":[\"registry.example.com\"]}}]'",
            chart.display()
        )
    }

    /// Where the picture of a node's /etc from before the installation is kept.
    pub fn saved_etc(&self, node: &str) -> PathBuf {
        self.state.join(format!("etc-before-{node}"))
    }

    /// The verb of the cluster program comes first, then its own words, then those of the program it runs.
    fn command(&self, verb: &str, own: &[&str], arguments: &[&str], input: &str) -> Finished {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("e2e stands in the repository");
        let mut command = Command::new(root.join("target/cluster/cluster"));
        command
            .arg(verb)
            .arg("--state")
            .arg(&self.state)
            .args(own)
            .args(arguments);
        Finished::run(&mut command, input)
    }
}
