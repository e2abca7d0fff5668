//! A room for stock clients that want to own a machine: docker, podman, buildah.
//!
//! It has mounts, a network and processes of its own. The network leads nowhere but to [`REGISTRY`], so that no client
//! talks to the internet unnoticed; what is written to `/etc`, `/usr`, `/run`, `/opt` and `/var/lib` is gone with the room.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::command::Finished;
use crate::parts::part;

/// The registry by the name and port that clients in the room know. Not loopback: docker does not verify a registry
/// there.
pub const REGISTRY: &str = "registry.example.com:5000";

const ADDRESS: &str = "192.0.2.1";

/// The room and its first process, with which it ends.
#[derive(Debug)]
pub struct Sandbox {
    first: Child,
    folder: TempDir,
}

impl Sandbox {
    /// Makes the room. Needs root.
    pub fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (clients, debian) = (part("clients"), part("debian"));
        let script = include_str!("sandbox.sh");
        let mut first = Command::new("unshare")
            .args([
                "--mount",
                "--net",
                "--ipc",
                "--pid",
                "--fork",
                "--mount-proc",
                "--kill-child",
            ])
            .args(["bash", "-euo", "pipefail", "-c", script])
            .env("FOLDER", folder.path())
            .env("CLIENTS", clients)
            .env("DEBIAN", debian)
            .env("NAME", REGISTRY.split(':').next().unwrap_or_default())
            .env("ADDRESS", ADDRESS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start unshare: {error}"));
        let mut said = String::new();
        let output = first.stdout.take().expect("standard output is piped");
        BufReader::new(output)
            .read_line(&mut said)
            .expect("a pipe can be read");
        assert_eq!(
            said, "ready\n",
            "the room could not be made: these tests need root"
        );
        Self { first, folder }
    }

    /// The home and working folder of the clients.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Listens where clients in the room look for the registry.
    pub fn listen(&self) -> TcpListener {
        let port = REGISTRY.rsplit(':').next().and_then(|port| port.parse().ok());
        self.listen_on(port.expect("the name has a port"))
    }

    /// The same with another port.
    pub fn listen_on(&self, port: u16) -> TcpListener {
        let network = File::open(self.namespace("net")).expect("the room has a network");
        // Of its own, for a thread that has moved does not come back.
        std::thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may enter the room's network");
            TcpListener::bind((ADDRESS, port)).expect("nobody else listens in the room")
        })
        .join()
        .expect("the thread does not panic")
    }

    /// Runs a shell script in the room. Of the test's environment nothing reaches it; `$HOST` is [`REGISTRY`].
    pub fn run(&self, script: &str) -> Finished {
        let folder = self.folder.path();
        let mut path: Vec<String> = [
            "docker",
            "containerd",
            "regctl",
            "cosign",
            "crane",
            "oras",
            "helm",
        ]
        .map(|name| part(name).display().to_string())
        .into();
        path.push("/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount={}", self.namespace("mnt")))
            .arg(format!("--net={}", self.namespace("net")))
            .arg(format!("--ipc={}", self.namespace("ipc")))
            .arg(format!("--pid={}", self.namespace("pid_for_children")))
            .arg(format!("--wd={}", folder.display()))
            // A client that hangs fails its test, and does not hold up the run.
            .args(["timeout", "--kill-after=5", "300"])
            .args(["bash", "-euo", "pipefail", "-c", script])
            .env_clear()
            .env("PATH", path.join(":"))
            .env("HOME", folder)
            .env("TMPDIR", folder.join("tmp"))
            .env("HOST", REGISTRY);
        Finished::run(&mut command, "")
    }

    fn namespace(&self, kind: &str) -> String {
        format!("/proc/{}/ns/{kind}", self.first.id())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The room's first process reads until this end is closed, by whatever ends the test; with it all others end.
        drop(self.first.stdin.take());
        let _ = self.first.wait();
    }
}
