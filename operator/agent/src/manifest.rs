//! The record on the node of what is ours: the files that we wrote and the folders that we made.
//!
//! It is written before anything new is made (so that a crash leaves nothing that no one owns) and again after
//! (so that what was only intended is told from what was done).

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::host::{Disk, HostPath, HostRoot, Node, is_leftover};

const FOLDER: &str = "/var/lib/roadstead";
const FILE: &str = "/var/lib/roadstead/agent.json";
const ABOUT: &str =
    "What the Roadstead node agent wrote on this node. `roadstead-agent clean --host-root /` removes it.";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    about: String,
    /// Whose all this is.
    pub installation: String,
    /// The certs.d folder that was written to last.
    pub root: Option<HostPath>,
    /// The folders that we made, or were about to.
    pub folders: BTreeSet<HostPath>,
    pub files: BTreeMap<HostPath, OwnedFile>,
    /// The hosts that are wholly written.
    pub hosts: BTreeMap<String, WrittenHost>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedFile {
    pub host: String,
    pub sha256: String,
    /// About to be written for the first time: until it is there with this hash, it is not ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub intended: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenHost {
    /// The hash that names the content to the operator.
    pub content: String,
    /// The start of the runtime for which a pull has proved this content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved_for: Option<String>,
}

impl Manifest {
    /// Reads the record; none there is an empty one.
    pub fn load(host: &HostRoot) -> io::Result<Self> {
        let path = file();
        if host.node(&path)? == Node::Missing {
            return Ok(Self::default());
        }
        // Whoever can write there could have us remove what is not ours.
        if !host.is_guarded(&folder())? {
            return Err(invalid("others than root can write to its folder"));
        }
        let bytes = host.read(&path)?.ok_or_else(|| invalid("it is not a file"))?;
        serde_json::from_slice(&bytes).map_err(|error| invalid(&error.to_string()))
    }

    /// Writes the record, or removes it with its folder when nothing is ours any more.
    pub fn store(&self, disk: &dyn Disk) -> io::Result<()> {
        if self.is_empty() {
            disk.remove_file(&file())?;
            disk.remove_folder(&folder())?;
            return Ok(());
        }
        disk.make_folder(&folder())?;
        let mut record = self.clone();
        record.about = ABOUT.to_owned();
        let mut text = serde_json::to_vec_pretty(&record)?;
        text.push(b'\n');
        disk.write(&file(), &text)
    }

    /// Whether nothing on the node is ours.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.folders.is_empty()
    }

    /// Forgets hosts of which no file is left.
    pub fn forget_bare_hosts(&mut self) {
        let files = &self.files;
        self.hosts
            .retain(|host, _| files.values().any(|file| file.host == *host));
    }

    /// Whether two records say the same.
    pub fn says_the_same(&self, other: &Self) -> bool {
        if self.is_empty() && other.is_empty() {
            return true;
        }
        let Self {
            about: _,
            installation,
            root,
            folders,
            files,
            hosts,
        } = self;
        (installation, root, folders, files, hosts)
            == (
                &other.installation,
                &other.root,
                &other.folders,
                &other.files,
                &other.hosts,
            )
    }
}

/// Removes what passes that were cut off have left beside the record, and its folder if that is all there was.
pub fn sweep(host: &HostRoot, disk: &dyn Disk) -> io::Result<()> {
    let folder = folder();
    for leftover in leftovers(host, &folder)? {
        disk.remove_file(&leftover)?;
    }
    if host.node(&file())? == Node::Missing && host.node(&folder)? == Node::Folder {
        disk.remove_folder(&folder)?;
    }
    Ok(())
}

fn leftovers(host: &HostRoot, folder: &HostPath) -> io::Result<Vec<HostPath>> {
    Ok(host
        .list(folder)?
        .iter()
        .filter(|name| is_leftover(name))
        .map(|name| folder.join(name))
        .collect())
}

pub fn sha256(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}

pub fn file() -> HostPath {
    FILE.parse().expect("a constant path")
}

fn folder() -> HostPath {
    FOLDER.parse().expect("a constant path")
}

fn invalid(why: &str) -> io::Error {
    let text = format!(
        "the record of what is ours cannot be read: {why}; nothing is changed until {FILE} is moved away"
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}
