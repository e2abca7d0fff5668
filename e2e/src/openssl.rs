//! Certificates as people make them: by the openssl command, as guides show it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::command::Finished;

/// An own CA: a root, an intermediate that it signed, and the folder that they lie in.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

/// A certificate (with its intermediate) and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    /// PEM, leaf first.
    pub certificate: String,
    /// PEM.
    pub key: String,
}

impl Authority {
    /// Makes the root and the intermediate.
    pub fn create() -> Self {
        let authority = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        authority.openssl(
            "req -x509 -newkey rsa:2048 -nodes -days 3650 -keyout root.key -out root.crt -subj '/O=Example/CN=Example Root' \
             -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign",
        );
        authority.openssl("req -newkey rsa:2048 -nodes -keyout inner.key -out inner.csr -subj '/O=Example/CN=Example Intermediate'");
        authority.write(
            "inner.ext",
            "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n",
        );
        authority.openssl("x509 -req -in inner.csr -CA root.crt -CAkey root.key -CAcreateserial -days 1825 -extfile inner.ext -out inner.crt");
        authority
    }

    /// The root certificate, which clients have to trust.
    pub fn root(&self) -> String {
        self.read("root.crt")
    }

    /// The path of the root certificate.
    pub fn root_path(&self) -> PathBuf {
        self.folder.path().join("root.crt")
    }

    /// A server certificate for `host`, signed by the intermediate.
    pub fn issue(&self, host: &str) -> Pair {
        self.issue_for(
            host,
            &format!("subjectAltName=DNS:{host}\nextendedKeyUsage=serverAuth\n"),
        )
    }

    /// A certificate by which `user` shows who that is, signed by the intermediate.
    pub fn issue_client(&self, user: &str) -> Pair {
        self.issue_for(user, "extendedKeyUsage=clientAuth\n")
    }

    /// A server certificate with these extensions.
    pub fn issue_for(&self, name: &str, extensions: &str) -> Pair {
        self.openssl(&format!(
            "req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN={name}"
        ));
        self.write("leaf.ext", extensions);
        self.openssl("x509 -req -in leaf.csr -CA inner.crt -CAkey inner.key -CAcreateserial -days 365 -extfile leaf.ext -out leaf.crt");
        Pair {
            certificate: self.read("leaf.crt") + &self.read("inner.crt"),
            key: self.read("leaf.key"),
        }
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("bash");
        command
            .current_dir(self.folder.path())
            .arg("-c")
            .arg(format!("openssl {arguments}"));
        Finished::run(&mut command, "").ok();
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("openssl wrote it")
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("the temporary folder can be written");
    }
}
