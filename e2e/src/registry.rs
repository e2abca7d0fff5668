//! The Registry of the tests as its clients see it.

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
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl Client {
    /// The generated user that may push.
    pub fn push() -> Self {
        Self::of_secret("images-push")
    }

    /// The generated user that may only pull.
    pub fn pull() -> Self {
        Self::of_secret("images-pull")
    }

    /// The user of a Secret with `username` and `password`.
    pub fn of_secret(name: &str) -> Self {
        let cluster = Cluster::installed();
        let field = |field: &str| {
            let template = format!("go-template={{{{.data.{field} | base64decode}}}}");
            cluster
                .kubectl(&["-n", "registry", "get", "secret", name, "-o", &template])
                .ok()
        };
        Self::named(&field("username"), &field("password"))
    }

    /// Some user.
    pub fn named(user: &str, password: &str) -> Self {
        let cluster = Cluster::installed();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ca = cluster.kubectl(&[
            "-n",
            "registry",
            "get",
            "configmap",
            "images-ca",
            "-o",
            r"jsonpath={.data.ca\.crt}",
        ]);
        std::fs::write(folder.path().join("ca.crt"), ca.ok()).expect("the temporary folder can be written");
        std::fs::write(folder.path().join("password"), password)
            .expect("the temporary folder can be written");
        Self {
            cluster,
            folder,
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    /// Runs a shell script in the cluster's network, in the client's own folder, with the Registry's CA trusted.
    /// `$HOST`, `$REGISTRY_USER` and the files `password` and `ca.crt` are there to be used.
    pub fn run(&self, script: &str) -> Finished {
        let folder = self.folder.path().display();
        let user = &self.user;
        self.cluster.run(&format!(
            "cd {folder}; export HOME={folder} DOCKER_CONFIG={folder}/docker SSL_CERT_FILE={folder}/ca.crt \
             HOST={HOST} REGISTRY_USER={user}\n{script}"
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
