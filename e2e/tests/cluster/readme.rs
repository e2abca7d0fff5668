//! The README's walk, its commands as they stand there.

use std::os::unix::fs::symlink;

use roadstead_e2e::{Cluster, checkout, commands};

/// What this cluster has in place of what the first steps begin with: the images are built, no kind is there, and Roadstead
/// is installed already, with values that other tests need. What can be looked at is: the archives, and helm's line.
const BEFORE: &str = r#"
make() { test "$1" = images; }
kind() { test -s "$3"; }
helm() { command helm "$@" --dry-run=server --reuse-values > "helm-$1" && test -s "helm-$1"; }
"#;

/// The steps of using it in a cluster, in a folder that looks like the checkout after `make demo`.
#[test]
fn the_readmes_walk_ends_with_a_pod_that_runs_what_was_pushed() {
    let cluster = Cluster::installed();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let link = |from: &std::path::Path, to: &str| {
        symlink(from, folder.path().join(to)).expect("the temporary folder can be written");
    };
    std::fs::create_dir_all(folder.path().join("target/cluster"))
        .expect("the temporary folder can be written");
    for name in ["charts", "examples", "target/images"] {
        link(&checkout().join(name), name);
    }
    link(cluster.state(), "target/cluster/state");

    let steps = |from, to| commands("README.md", from, to);
    let first = steps("**1. Images.**", "**3. Make").replace("helm install", "helm upgrade --install");
    let rest = steps("**3. Make", "## Use it without Kubernetes");
    let printed = cluster
        .run(&format!(
            "cd {}; export HOME=$PWD\n{BEFORE}\n{first}\n{rest}\ntest ! -e .docker",
            folder.path().display()
        ))
        .ok();
    assert!(printed.contains("pod/busybox condition met"), "{printed}");
    cluster
        .kubectl(&["-n", "registry", "delete", "pod", "busybox", "--wait=false"])
        .ok();
}
