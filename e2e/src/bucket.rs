//! A real server that speaks S3, over TLS with a CA of its own, and registries' configurations for its bucket.

use std::fs::File;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::command::wait_until;
use crate::openssl::Authority;
use crate::parts::part;
use crate::server::{Software, free_port};

const NAME: &str = "images";
const ACCESS_KEY: &str = "someone";
const SECRET_KEY: &str = "something-secret";

/// versitygw with an empty bucket. It ends when this is dropped.
#[derive(Debug)]
pub struct Bucket {
    process: Child,
    port: u16,
    authority: Authority,
    folder: TempDir,
}

impl Bucket {
    /// Starts the server. What it keeps is in memory where the machine has such a folder.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Authority::create();
        let pair = authority.issue("localhost");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("tls.crt"), &pair.certificate).expect("the temporary folder can be written");
        std::fs::write(at("tls.key"), &pair.key).expect("the temporary folder can be written");
        std::fs::create_dir_all(at("buckets").join(NAME)).expect("the temporary folder can be written");
        let log = File::create(at("log")).expect("the temporary folder can be written");
        let port = free_port();
        let process = Command::new(part("versitygw").join("versitygw"))
            .args([
                "--access",
                ACCESS_KEY,
                "--secret",
                SECRET_KEY,
                "--keep-alive",
                "--quiet",
            ])
            .args(["--port", &format!("127.0.0.1:{port}")])
            .arg("--cert")
            .arg(at("tls.crt"))
            .arg("--key")
            .arg(at("tls.key"))
            .arg("posix")
            .arg(at("buckets"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be cloned"))
            .stderr(log)
            .spawn()
            .expect("versitygw is a program");
        let bucket = Self {
            process,
            port,
            authority,
            folder,
        };
        wait_until("versitygw listens", || {
            TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())
        });
        bucket
    }

    /// What one of the registries needs to keep its images there, below a folder of the bucket.
    pub fn config(&self, software: Software, root: &str) -> String {
        // The peers cannot be told of a CA.
        let trust = match software {
            Software::Roadstead => format!("cafile: {}", self.authority.root_path().display()),
            Software::Registry2 | Software::Registry3 => "skipverify: true".to_owned(),
        };
        let redirect = match software {
            Software::Roadstead => "",
            Software::Registry2 | Software::Registry3 => "  redirect: {disable: true}\n",
        };
        format!(
            "version: 0.1\n\
             log: {{accesslog: {{disabled: true}}, level: warn}}\n\
             storage:\n  \
               s3:\n    \
                 bucket: {NAME}\n    \
                 region: us-east-1\n    \
                 regionendpoint: https://localhost:{}\n    \
                 forcepathstyle: true\n    \
                 accesskey: {ACCESS_KEY}\n    \
                 secretkey: {SECRET_KEY}\n    \
                 rootdirectory: {root}\n    \
                 {trust}\n{redirect}  \
               delete: {{enabled: true}}\n",
            self.port
        )
    }

    /// All that the server said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
