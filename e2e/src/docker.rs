//! A machine with docker on it, where nothing is the real machine's but its programs and its kernel.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::command::Finished;
use crate::parts::part;
use crate::server::checkout;

/// Where a machine finds the folder of its files.
const PRELUDE: &str = include_str!("docker.sh");

/// The cgroups and folders of such machines are called so, with the process of the test and something random.
const PREFIX: &str = "roadstead-docker-";

/// Folders `/opt` and `/etc` of its own, and no network but loopback. A dockerd runs for as long as a script does.
#[derive(Debug)]
pub struct DockerHost {
    folder: TempDir,
}

impl DockerHost {
    /// An empty machine, whose own name is `name`.
    pub fn named(name: &str) -> Self {
        sweep();
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
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
        for root in hierarchies() {
            remove_cgroup(&root.join(self.cgroup()));
        }
    }
}

/// Removes what tests left that were killed.
fn sweep() {
    for folder in hierarchies().into_iter().chain([std::env::temp_dir()]) {
        for entry in std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
        {
            if entry.file_name().to_str().is_none_or(is_in_use) {
                continue;
            }
            if folder.starts_with(CGROUPS) {
                remove_cgroup(&entry.path());
            } else {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Whether something of this name is not a machine's, or its test still runs.
fn is_in_use(name: &str) -> bool {
    let process = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('-'))
        .and_then(|(process, _)| process.parse::<u32>().ok());
    process.is_none_or(|process| Path::new("/proc").join(process.to_string()).exists())
}

const CGROUPS: &str = "/sys/fs/cgroup";

/// The folders in which a cgroup of a machine may lie.
fn hierarchies() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(CGROUPS).into_iter().flatten();
    let each = entries.filter_map(Result::ok).map(|entry| entry.path());
    each.chain([PathBuf::from(CGROUPS)]).collect()
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

#[cfg(test)]
mod tests {
    use super::{PREFIX, is_in_use};

    #[test]
    fn only_what_a_dead_test_left_is_swept() {
        assert!(is_in_use(&format!("{PREFIX}{}-Ab3dEf", std::process::id())));
        assert!(is_in_use("roadstead-9f9dd467"));
        assert!(is_in_use(&format!("{PREFIX}notes")));
        assert!(!is_in_use(&format!("{PREFIX}4294967294-Ab3dEf")));
    }
}
