//! The record of a storage that leaves something out: a flush, or a rename. Made from the record of one that does not, so
//! that the program needs no code for it.

use std::collections::{HashMap, HashSet};

use super::disk::{Change, Inode, Link, ROOT};

const TEMPORARY: &str = "roadstead/tmp/";

/// What each change of a record is for, in the words of README.md's table. Most are for nothing that can be left out.
pub(crate) fn purposes(log: &[Change]) -> Vec<Vec<String>> {
    let destinations = destinations(log);
    let mut names = Names::default();
    log.iter()
        .map(|change| {
            let purposes = names.purposes(change, &destinations);
            names.apply(change);
            purposes
        })
        .collect()
}

/// The record without what is for this purpose. A rename that is left out is a file that is written in its place.
pub(crate) fn without(log: &[Change], purposes: &[Vec<String>], purpose: &str) -> Vec<Change> {
    let is_left_out = |at: usize| purposes[at].iter().any(|its| its == purpose);
    let renamed: Vec<Inode> = (0..log.len())
        .filter(|at| is_left_out(*at))
        .filter_map(|at| match &log[at] {
            Change::Rename { link, .. } => Some(link.inode),
            _ => None,
        })
        .collect();
    let mut rest = Vec::new();
    let mut held: HashMap<Inode, Vec<Change>> = HashMap::new();
    for (at, change) in log.iter().enumerate() {
        match change {
            Change::FlushFile(_) | Change::FlushFolder(_) if is_left_out(at) => {}
            Change::Write { file, .. } | Change::Resize { file, .. } | Change::FlushFile(file)
                if renamed.contains(file) =>
            {
                held.entry(*file).or_default().push(change.clone());
            }
            Change::Rename { from, to, link } if is_left_out(at) => {
                rest.push(name(from, None));
                rest.push(name(to, Some(*link)));
                let mut contents = held.remove(&link.inode).unwrap_or_default();
                if at + 1 == log.len() {
                    contents.retain(|change| !matches!(change, Change::FlushFile(_)));
                }
                rest.extend(contents);
            }
            _ => rest.push(change.clone()),
        }
    }
    rest
}

fn name(place: &(Inode, String), to: Option<Link>) -> Change {
    Change::Name {
        folder: place.0,
        name: place.1.clone(),
        to,
    }
}

/// Where each temporary file is renamed to, in the end.
fn destinations(log: &[Change]) -> HashMap<Inode, String> {
    let mut names = Names::default();
    let mut destinations = HashMap::new();
    for change in log {
        if let Change::Rename { to, link, .. } = change {
            let mut place = place(&names.path(to.0, &to.1));
            if place.ends_with("/data") && names.is_manifest.get(&link.inode) == Some(&true) {
                place.push_str(" of a manifest");
            }
            // It may be set aside later.
            destinations.entry(link.inode).or_insert(place);
        }
        names.apply(change);
    }
    destinations
}

/// Which names there are, and what of them and of their bytes nobody has flushed.
#[derive(Default)]
struct Names {
    parents: HashMap<Inode, (Inode, String)>,
    written: HashSet<Inode>,
    made: HashSet<Inode>,
    gone: HashSet<Inode>,
    is_manifest: HashMap<Inode, bool>,
}

impl Names {
    fn purposes(&self, change: &Change, destinations: &HashMap<Inode, String>) -> Vec<String> {
        match change {
            Change::FlushFile(file) if self.written.contains(file) => {
                let path = self.path_of(*file);
                match destinations.get(file) {
                    Some(to) if path.starts_with(TEMPORARY) => {
                        vec![format!("fsync of {to} before its rename")]
                    }
                    _ if path.starts_with(TEMPORARY) => Vec::new(),
                    _ => vec![format!("fsync of {}", place(&path))],
                }
            }
            Change::FlushFolder(folder) => {
                let place = place(&self.path_of(*folder));
                let gone = self.gone.contains(folder);
                // Also where this process does not know that another one has flushed them.
                let made = self.made.contains(folder) || !gone;
                let made = made.then(|| format!("fsync of {place}/ after a new name"));
                let gone = gone.then(|| format!("fsync of {place}/ after a deletion"));
                made.into_iter().chain(gone).collect()
            }
            Change::Rename { from, link, .. } if self.path(from.0, &from.1).starts_with(TEMPORARY) => {
                let to = destinations.get(&link.inode);
                to.map(|to| format!("rename to {to}")).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Name { folder, name, to } => {
                let Some(link) = to else {
                    self.gone.insert(*folder);
                    return;
                };
                self.parents.insert(link.inode, (*folder, name.clone()));
                self.made.insert(*folder);
            }
            Change::Rename { to, link, .. } => {
                self.parents.insert(link.inode, to.clone());
                self.made.insert(to.0);
            }
            Change::FlushFolder(folder) => {
                self.made.remove(folder);
                self.gone.remove(folder);
            }
            Change::Write { file, offset, bytes } => {
                self.written.insert(*file);
                if *offset == 0 {
                    self.is_manifest.insert(*file, bytes.starts_with(b"{\""));
                }
            }
            Change::Resize { file, .. } => {
                self.written.insert(*file);
            }
            Change::FlushFile(file) => {
                self.written.remove(file);
            }
        }
    }

    fn path_of(&self, inode: Inode) -> String {
        match self.parents.get(&inode) {
            _ if inode == ROOT => String::new(),
            Some((folder, name)) => self.path(*folder, name),
            None => "?".to_owned(),
        }
    }

    fn path(&self, folder: Inode, name: &str) -> String {
        match folder {
            ROOT => name.to_owned(),
            _ => format!("{}/{name}", self.path_of(folder)),
        }
    }
}

/// A path with what differs from one object to the next left out.
fn place(path: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut in_name = false;
    for word in path.split('/') {
        let last = words.last().copied().unwrap_or_default();
        in_name = (in_name || matches!(last, "repositories" | "referrers") || words == ["roadstead", "tags"])
            && !word.starts_with('_');
        let word = match word {
            _ if in_name && last == "<name>" => continue,
            _ if in_name => "<name>",
            _ if last == "tags" => "<tag>",
            _ if word.starts_with(".roadstead-aside-") => "<aside>",
            _ if word.starts_with("sha256-") => "<referrer>",
            _ if word.starts_with("seg-") => "<segment>",
            _ if word.starts_with("state-") => "<state>",
            "sha256" | "sha512" => "<alg>",
            _ if last == "<alg>" && word.len() == 2 => "<hh>",
            _ if last == "<alg>" || last == "<hh>" => "<hex>",
            _ if last == "<hex>" && words.contains(&"_digests") => "<tag>",
            _ if last == "_uploads" || words == ["roadstead", "tmp"] => "<uuid>",
            _ => word,
        };
        words.push(word);
    }
    let path = words.join("/");
    let path = path.strip_prefix("docker/registry/v2/").unwrap_or(&path);
    let path = path.strip_prefix("repositories/<name>/").unwrap_or(path);
    if path.is_empty() { "." } else { path }.to_owned()
}
