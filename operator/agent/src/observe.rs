//! Looking at every place on the node that a plan could concern. Changes nothing, decides nothing.

use std::collections::BTreeMap;
use std::io;

use crate::bundle::Host;
use crate::desired::Wanted;
use crate::host::{HostPath, HostRoot, Node};
use crate::layout;
use crate::manifest::{Manifest, sha256};

/// What lies where, as far as a plan may ask.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(crate) seen: BTreeMap<HostPath, Seen>,
    pub(crate) names: BTreeMap<HostPath, Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Missing,
    File {
        sha256: String,
        skips_verification: bool,
    },
    Folder,
    /// A folder that others than root can write to.
    Open,
    Other,
}

impl Snapshot {
    /// What lies at a path that was looked at.
    pub fn seen(&self, path: &HostPath) -> &Seen {
        self.seen.get(path).unwrap_or(&Seen::Missing)
    }

    /// The names in a folder that was looked at.
    pub fn names(&self, folder: &HostPath) -> &[String] {
        self.names.get(folder).map_or(&[], Vec::as_slice)
    }
}

pub fn observe(
    host: &HostRoot,
    root: Option<&HostPath>,
    wanted: &Wanted,
    manifest: &Manifest,
) -> io::Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    for path in manifest.files.keys() {
        look_at_file(host, path, &mut snapshot)?;
        list_folder_of(host, path, &mut snapshot)?;
    }
    let Some(root) = root else { return Ok(snapshot) };
    for spelling in wanted.bundles.keys().flat_map(Host::spellings) {
        let folder = root.join(spelling.as_str());
        for above in folder.from_top() {
            look_at_folder(host, &above, &mut snapshot)?;
        }
        for name in [layout::CA, layout::HOSTS] {
            look_at_file(host, &folder.join(name), &mut snapshot)?;
            list_folder_of(host, &folder.join(name), &mut snapshot)?;
        }
        if let Some(shadow) = spelling.shadow() {
            look_at_folder(host, &root.join(&shadow), &mut snapshot)?;
            look_at_file(host, &root.join(&shadow).join(layout::HOSTS), &mut snapshot)?;
        }
    }
    Ok(snapshot)
}

fn look_at_file(host: &HostRoot, path: &HostPath, snapshot: &mut Snapshot) -> io::Result<()> {
    let seen = match host.node(path)? {
        Node::Missing => Seen::Missing,
        Node::Folder => Seen::Folder,
        Node::Other => Seen::Other,
        // It may be gone by now, or something else.
        Node::File => host.read(path)?.map_or(Seen::Other, |bytes| Seen::File {
            skips_verification: skips_verification(&String::from_utf8_lossy(&bytes)),
            sha256: sha256(&bytes),
        }),
    };
    snapshot.seen.insert(path.clone(), seen);
    Ok(())
}

/// A folder may well be a symlink to one: `/etc/containerd` often is.
fn look_at_folder(host: &HostRoot, path: &HostPath, snapshot: &mut Snapshot) -> io::Result<()> {
    let seen = match host.node_behind_links(path)? {
        Node::Folder if host.is_guarded(path)? => Seen::Folder,
        Node::Folder => Seen::Open,
        Node::File | Node::Other => Seen::Other,
        // A symlink that leads nowhere stands in the way all the same.
        Node::Missing if host.node(path)? == Node::Missing => Seen::Missing,
        Node::Missing => Seen::Other,
    };
    snapshot.seen.insert(path.clone(), seen);
    Ok(())
}

fn list_folder_of(host: &HostRoot, path: &HostPath, snapshot: &mut Snapshot) -> io::Result<()> {
    if let Some(folder) = path.parent()
        && !snapshot.names.contains_key(&folder)
    {
        let names = host.list(&folder)?;
        snapshot.names.insert(folder, names);
    }
    Ok(())
}

fn skips_verification(toml: &str) -> bool {
    toml.lines().any(|line| {
        let setting = line.split('#').next().unwrap_or_default();
        setting
            .split_once('=')
            .is_some_and(|(key, value)| key.trim() == "skip_verify" && value.trim() == "true")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_setting_that_is_in_force_skips_verification() {
        assert!(skips_verification(
            "[host.\"https://a\"]\n  skip_verify = true # for now\n"
        ));
        for text in ["# skip_verify = true", "skip_verify = false", "", "skip_verify"] {
            assert!(!skips_verification(text), "{text}");
        }
    }
}
