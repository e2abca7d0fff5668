//! A machine with docker on it, where nothing is the real machine's but its programs and its kernel.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::command::Finished;
use crate::parts::part;
use crate::server::checkout;

/// Where a machine finds the folder of its files.
const PRELUDE: &str = include_str!("docker.sh");

/// Folders `/opt` and `/etc` of its own, and no network but loopback. A dockerd runs for as long as a script does.
#[derive(Debug)]
pub struct DockerHost {
    folder: TempDir,
}

impl DockerHost {
    /// An empty machine, whose own name is `name`.
    pub fn named(name: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("roadstead-docker-")
            .tempdir()
            .expect("a temporary folder");
        let host = Self { folder };
        host.write("name", name);
        for empty in ["opt", "etc"] {
            std::fs::create_dir(host.path(empty)).expect("the temporary folder can be written");
        }
        host
    }

    /// Writes a file: `opt/…` and `etc/…` are what the machine has there.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        let parent = path.parent().expect("a file is in a folder");
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Runs a shell script on it, as root, beside a dockerd of Debian's that has the image `$IMAGE` of the registry.
    pub fn run(&self, script: &str) -> Finished {
        self.write("script", script);
        let image = checkout().join("target/images/registry.tar");
        assert!(
            image.is_file(),
            "{} is not there: run make images",
            image.display()
        );
        // Uppermost first. The programs need the libraries beside them, so they are laid over /usr.
        let programs =
            ["peers", "clients", "debian"].map(|name| part(name).join("usr").display().to_string());
        let mut command = Command::new("timeout");
        command
            // A daemon that hangs must not hold up the tests.
            .args(["--kill-after=5", "300", "unshare"])
            // All processes, mounts and interfaces end with the script, however it ends.
            .args(["--mount", "--net", "--uts", "--ipc", "--pid"])
            .args(["--fork", "--kill-child", "--mount-proc"])
            .args(["bash", "-euo", "pipefail", "-c", PRELUDE])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("FOLDER", self.folder.path())
            .env("CGROUP", self.cgroup())
            .env("PROGRAMS", programs.join(":"))
            .env("ARCHIVE", image)
            .env("IMAGE", "localhost/roadstead/registry:dev");
        Finished::run(&mut command, "")
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn cgroup(&self) -> &str {
        let name = self.folder.path().file_name().and_then(|name| name.to_str());
        name.expect("the temporary folder has a name of letters")
    }
}

impl Drop for DockerHost {
    /// Cgroups are all that outlives the namespaces: one of this name in each hierarchy, or in the only one.
    fn drop(&mut self) {
        let root = Path::new("/sys/fs/cgroup");
        let hierarchies = std::fs::read_dir(root)
            .into_iter()
            .flatten()
            .filter_map(Result::ok);
        let each = hierarchies.map(|entry| entry.path().join(self.cgroup()));
        each.chain([root.join(self.cgroup())])
            .for_each(|cgroup| remove_cgroup(&cgroup));
    }
}

/// Its files belong to the kernel and go with it; only the folders are removed, the inner ones first.
fn remove_cgroup(cgroup: &Path) {
    for entry in std::fs::read_dir(cgroup)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
    {
        if entry.path().is_dir() {
            remove_cgroup(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(cgroup);
}
