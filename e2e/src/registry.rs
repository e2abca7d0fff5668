//! The Registry of the tests as its clients see it.

use std::path::Path;

use tempfile::TempDir;

use crate::command::Finished;
use crate::installation::Cluster;

/// The Registry `images` as image references name it.
pub const HOST: &str = "images.registry.svc:5000";

/// A person or a program with credentials, and a folder of its own for the clients' configuration.
#[derive(Debug)]
pub struct Client {
    cluster: &'static Cluster,
    folder: TempDir,
    host: String,
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl Client {
    /// The generated user that may push.
    pub fn push() -> Self {
        Self::push_to("images")
    }

    /// The generated user that may push to the Registry of this name.
    pub fn push_to(registry: &str) -> Self {
        Self::generated(registry, "push")
    }

    /// The generated user that may only pull.
    pub fn pull() -> Self {
        Self::pull_from("images")
    }

    /// The generated user that may only pull from the Registry of this name.
    pub fn pull_from(registry: &str) -> Self {
        Self::generated(registry, "pull")
    }

    fn generated(registry: &str, action: &str) -> Self {
        let cluster = Cluster::installed();
        let secret = format!("{registry}-{action}");
        let field = |field: &str| {
            let template = format!("go-template={{{{.data.{field} | base64decode}}}}");
            cluster
                .kubectl(&["-n", "registry", "get", "secret", &secret, "-o", &template])
                .ok()
        };
        Self::of_registry(registry, &field("username"), &field("password"))
    }

    /// Some user.
    pub fn named(user: &str, password: &str) -> Self {
        Self::of_registry("images", user, password)
    }

    fn of_registry(registry: &str, user: &str, password: &str) -> Self {
        let cluster = Cluster::installed();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ca = cluster.kubectl(&[
            "-n",
            "registry",
            "get",
            "configmap",
            &format!("{registry}-ca"),
            "-o",
            r"jsonpath={.data.ca\.crt}",
        ]);
        std::fs::write(folder.path().join("ca.crt"), ca.ok()).expect("the temporary folder can be written");
        std::fs::write(folder.path().join("password"), password)
            .expect("the temporary folder can be written");
        Self {
            cluster,
            folder,
            host: format!("{registry}.registry.svc:5000"),
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    /// The folder in which its scripts run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a shell script in the cluster's network, in the client's own folder, with the Registry's CA trusted.
    /// `$HOST`, `$REGISTRY_USER` and the files `password` and `ca.crt` are there to be used.
    pub fn run(&self, script: &str) -> Finished {
        let folder = self.folder.path().display();
        let (user, host) = (&self.user, &self.host);
        self.cluster.run(&format!(
            "cd {folder}; export HOME={folder} DOCKER_CONFIG={folder}/docker SSL_CERT_FILE={folder}/ca.crt \
             HOST={host} REGISTRY_USER={user}\n{script}"
        ))
    }

    /// `curl` with the user's credentials; gives the status and the body.
    pub fn curl(&self, arguments: &str) -> (u16, String) {
        let script = format!(
            "curl -sS --cacert ca.crt -u \"$REGISTRY_USER:$(cat password)\" -w '\\n%{{http_code}}' {arguments}"
        );
        curl_status(self.run(&script))
    }

    /// `curl` without credentials; gives the status and the body.
    pub fn anonymous_curl(&self, arguments: &str) -> (u16, String) {
        curl_status(self.run(&format!(
            "curl -sS --cacert ca.crt -w '\\n%{{http_code}}' {arguments}"
        )))
    }
}

/// The status and the body that `curl -w '\n%{http_code}'` printed.
pub fn curl_status(finished: Finished) -> (u16, String) {
    let printed = finished.ok();
    let (body, status) = printed
        .rsplit_once('\n')
        .expect("curl printed the status on the last line");
    (status.parse().expect("a status is a number"), body.to_owned())
}
