//! Which container runtime this node has, and where it reads what makes it trust a registry.

use std::io;
use std::sync::Arc;

use serde::Deserialize;
use tonic::Code;

use crate::cri::{Client, Version};
use crate::host::{HostPath, HostRoot, Identity, Node};

/// A runtime that may be on a node: its socket, and the certs.d folders that it reads where it does not say.
struct Candidate {
    socket: &'static str,
    roots: &'static [&'static str],
}

/// The first one that is there is the kubelet's: k3s and RKE2 bring their own beside one of the system's.
const CANDIDATES: [Candidate; 2] = [
    Candidate {
        socket: "/run/k3s/containerd/containerd.sock",
        roots: &[
            "/var/lib/rancher/rke2/agent/etc/containerd/certs.d",
            "/var/lib/rancher/k3s/agent/etc/containerd/certs.d",
        ],
    },
    Candidate {
        socket: "/run/containerd/containerd.sock",
        roots: &["/etc/containerd/certs.d"],
    },
];

/// What was found on the node.
#[derive(Debug, Clone)]
pub enum Found {
    Nothing,
    /// There is a socket, and it does not answer; perhaps not yet.
    Silent {
        socket: HostPath,
        why: String,
    },
    /// It answers, and does not speak the CRI.
    Foreign {
        socket: HostPath,
    },
    Runtime(Runtime),
}

/// One start of a runtime that can be written for.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub client: Client,
    pub version: Version,
    pub socket: HostPath,
    /// Names this start of it: another start may have read another configuration.
    pub start: String,
    pub root: HostPath,
    pub reads: Reads,
}

/// Whether the runtime reads `root`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    Yes,
    /// It says that it reads no such folder.
    No,
    /// It does not tell (2.0 and later): a pull will show.
    Perhaps,
}

/// The folder of each socket that may appear.
pub fn socket_folders() -> Vec<HostPath> {
    CANDIDATES
        .iter()
        .filter_map(|candidate| path(candidate.socket).parent())
        .collect()
}

/// Which socket is there now, and which start it belongs to. Cheap: it asks the disk only.
pub fn start(host: &HostRoot) -> io::Result<Option<(HostPath, Identity)>> {
    for candidate in &CANDIDATES {
        let socket = path(candidate.socket);
        if let Some(identity) = host.identity(&socket)? {
            return Ok(Some((socket, identity)));
        }
    }
    Ok(None)
}

/// Asks the runtime at `socket` what it is and where it reads.
pub async fn discover(host: &Arc<HostRoot>, socket: &HostPath, start: &Identity) -> Found {
    let client = Client::new(host.clone(), socket.clone());
    let version = match client.version().await {
        Ok(version) => version,
        Err(status) if status.code() == Code::Unimplemented => {
            return Found::Foreign {
                socket: socket.clone(),
            };
        }
        Err(status) => {
            return Found::Silent {
                socket: socket.clone(),
                why: status.message().to_owned(),
            };
        }
    };
    let configuration = match client.configuration().await {
        Ok(configuration) => configuration.unwrap_or_default(),
        Err(status) => {
            return Found::Silent {
                socket: socket.clone(),
                why: status.message().to_owned(),
            };
        }
    };
    let (root, reads) = match config_path(&configuration) {
        ConfigPath::Root(root) => (root, Reads::Yes),
        ConfigPath::Unset => (default_root(host, socket), Reads::No),
        ConfigPath::Untold => (default_root(host, socket), Reads::Perhaps),
    };
    let start = start.as_str().to_owned();
    Found::Runtime(Runtime {
        client,
        version,
        socket: socket.clone(),
        start,
        root,
        reads,
    })
}

fn default_root(host: &HostRoot, socket: &HostPath) -> HostPath {
    let roots = CANDIDATES
        .iter()
        .filter(|candidate| candidate.socket == socket.as_str());
    let roots: Vec<HostPath> = roots
        .flat_map(|candidate| candidate.roots)
        .map(|root| path(root))
        .collect();
    let there = |root: &&HostPath| {
        root.parent().is_some_and(|above| {
            host.node_behind_links(&above)
                .is_ok_and(|node| node == Node::Folder)
        })
    };
    roots
        .iter()
        .find(there)
        .or(roots.last())
        .cloned()
        .expect("every candidate has a folder")
}

#[derive(Debug, PartialEq, Eq)]
enum ConfigPath {
    Root(HostPath),
    Unset,
    Untold,
}

#[derive(Deserialize)]
struct Configuration {
    registry: Option<Registry>,
}

#[derive(Deserialize)]
struct Registry {
    #[serde(rename = "configPath")]
    config_path: Option<String>,
}

/// containerd 1.6 and 1.7 tell their whole CRI configuration; from 2.0 on the part about images is left out.
fn config_path(configuration: &str) -> ConfigPath {
    let registry = serde_json::from_str::<Configuration>(configuration)
        .ok()
        .and_then(|known| known.registry);
    let Some(told) = registry.and_then(|registry| registry.config_path) else {
        return ConfigPath::Untold;
    };
    // Of a list, the first folder that has the host wins: ours goes into the first.
    match told.split(':').find(|root| !root.is_empty()) {
        None => ConfigPath::Unset,
        Some(root) => root
            .trim_end_matches('/')
            .parse()
            .map_or(ConfigPath::Untold, ConfigPath::Root),
    }
}

fn path(text: &str) -> HostPath {
    text.parse().expect("a constant path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certs_folder_is_the_one_that_the_runtime_names() {
        let root = |text: &str| ConfigPath::Root(path(text));
        for (configuration, expected) in [
            (
                r#"{"registry":{"configPath":"/etc/containerd/certs.d"}}"#,
                root("/etc/containerd/certs.d"),
            ),
            (r#"{"registry":{"configPath":"/a/:/b"}}"#, root("/a")),
            (
                r#"{"registry":{"configPath":"","mirrors":null}}"#,
                ConfigPath::Unset,
            ),
            (
                r#"{"containerd":{"snapshotter":"overlayfs"}}"#,
                ConfigPath::Untold,
            ),
            (r#"{"registry":{"configPath":"certs.d"}}"#, ConfigPath::Untold),
            ("", ConfigPath::Untold),
        ] {
            assert_eq!(config_path(configuration), expected, "{configuration}");
        }
    }

    #[test]
    fn the_kubelets_own_runtime_goes_before_the_systems() {
        let folder = tempfile::tempdir().expect("a folder");
        let host = HostRoot::open(folder.path()).expect("the root");
        assert_eq!(start(&host).expect("a look"), None);
        let _sockets: Vec<_> = ["run/containerd", "run/k3s/containerd"]
            .map(|at| {
                let at = folder.path().join(at);
                std::fs::create_dir_all(&at).expect("a folder");
                std::os::unix::net::UnixListener::bind(at.join("containerd.sock")).expect("a socket")
            })
            .into_iter()
            .collect();
        let (socket, _) = start(&host).expect("a look").expect("a socket");
        assert_eq!(socket.as_str(), "/run/k3s/containerd/containerd.sock");
        std::fs::create_dir_all(folder.path().join("var/lib/rancher/rke2/agent/etc/containerd"))
            .expect("a folder");
        assert_eq!(
            default_root(&host, &socket).as_str(),
            "/var/lib/rancher/rke2/agent/etc/containerd/certs.d"
        );
    }
}
