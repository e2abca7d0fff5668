//! A folder that stands for a node's root, and the wishes that tests have for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use roadstead_api::trust::ProblemReason;
use tempfile::TempDir;

use crate::bundle::Bundle;
use crate::bundle::tests::bundle;
use crate::converge::{Pass, Report, converge};
use crate::desired::Wanted;
use crate::host::HostRoot;

pub(crate) const HOST: &str = "images.registry.svc:5000";
pub(crate) const ROOT: &str = "/etc/containerd/certs.d";
pub(crate) const FILES: &str = "etc/containerd/certs.d/images.registry.svc:5000";

pub(crate) struct TestNode {
    pub(crate) folder: TempDir,
    pub(crate) host: HostRoot,
}

/// Everything beneath a folder: what a file holds, where a link leads, or `None` for a folder.
pub(crate) type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

impl TestNode {
    pub(crate) fn new() -> Self {
        // In memory where there is such a place: hundreds of nodes are made, and every change is synced.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let folder = folder.expect("a folder");
        for path in ["var/lib", "etc/containerd"] {
            std::fs::create_dir_all(folder.path().join(path)).expect("a folder");
        }
        std::fs::write(folder.path().join("etc/containerd/config.toml"), "version = 2\n").expect("a file");
        let host = HostRoot::open(folder.path()).expect("the root");
        Self { folder, host }
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    pub(crate) fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(path))
            .unwrap_or_else(|error| format!("{path}: {error}"))
    }

    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        walk(self.folder.path(), self.folder.path(), &mut tree);
        // The lock is no part of what a pass leaves.
        tree.retain(|path, _| !path.starts_with("run"));
        tree
    }

    pub(crate) fn pass(&self, pass: &Pass) -> Report {
        converge(&self.host, pass).expect("a pass")
    }
}

fn walk(top: &Path, folder: &Path, tree: &mut Tree) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(top).expect("beneath the top").to_owned();
        if path.is_symlink() {
            tree.insert(
                name,
                Some(
                    std::fs::read_link(&path)
                        .expect("a link")
                        .into_os_string()
                        .into_encoded_bytes(),
                ),
            );
        } else if path.is_dir() {
            tree.insert(name, None);
            walk(top, &path, tree);
        } else {
            tree.insert(name, Some(std::fs::read(&path).expect("a file")));
        }
    }
}

pub(crate) fn want(bundles: &[Bundle]) -> Pass {
    let bundles = bundles
        .iter()
        .map(|bundle| (bundle.host().clone(), bundle.clone().into()))
        .collect();
    Pass {
        installation: "roadstead-system/roadstead".into(),
        root: Some(ROOT.parse().expect("a path")),
        wanted: Wanted {
            bundles,
            refused: Vec::new(),
        },
        proofs: BTreeMap::new(),
    }
}

pub(crate) fn one() -> Pass {
    want(&[bundle(HOST, "10.96.0.1:5000")])
}

pub(crate) fn reasons(report: &Report) -> Vec<(ProblemReason, &str)> {
    report
        .problems
        .iter()
        .map(|problem| (problem.reason, problem.path.as_deref().unwrap_or_default()))
        .collect()
}
