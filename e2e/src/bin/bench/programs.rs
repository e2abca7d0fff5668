//! The programs that set-up unpacked from Debian packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use roadstead_e2e::part;

/// A program that is unpacked in the cache folder and not installed.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    libraries: PathBuf,
}

impl Program {
    /// One of the programs of the benchmark's part.
    pub(crate) fn find(name: &str) -> Self {
        let root = part("bench");
        Self {
            // It has links to all of them.
            path: root.join("bin").join(name),
            libraries: root.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH)),
        }
    }

    /// A command of it that finds the libraries that came with it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.env("LD_LIBRARY_PATH", &self.libraries);
        command
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
