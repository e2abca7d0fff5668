//! What to do, from what is wanted, what lies on the disk and what is ours. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use roadstead_api::trust::{Problem, ProblemReason};

use crate::bundle::{Bundle, Host};
use crate::desired::Wanted;
use crate::foreign::foreign;
use crate::host::{HostPath, is_leftover};
use crate::layout::{self, HostFiles};
use crate::manifest::{Manifest, sha256};
use crate::observe::{Seen, Snapshot};

/// All that has to be done, in this order: `writes`, `removals`, `folders`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One for every host that can be written, also where nothing is left to do.
    pub writes: Vec<HostWrite>,
    pub removals: Vec<Removal>,
    /// Files in the record that are no longer there, or never became ours.
    pub forget: Vec<HostPath>,
    /// Folders that we made and that nothing needs any more, deepest first.
    pub folders: Vec<HostPath>,
    pub problems: Vec<Problem>,
}

/// The steps that bring one host into force.
#[derive(Debug, PartialEq, Eq)]
pub struct HostWrite {
    pub host: Host,
    pub content: String,
    pub steps: Vec<Step>,
    /// What is ours when the steps are done.
    pub files: Vec<(HostPath, String)>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    MakeFolder(HostPath),
    RemoveLeftover(HostPath),
    Write {
        path: HostPath,
        text: Arc<str>,
        why: Why,
    },
}

/// For the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    New,
    Changed,
    /// Someone else had altered or removed it.
    Repaired,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Removal {
    pub host: String,
    pub path: HostPath,
}

/// `manifest` is settled. The error is the one problem that stops everything: the node is another installation's.
pub fn plan(
    installation: &str,
    root: Option<&HostPath>,
    wanted: &Wanted,
    snapshot: &Snapshot,
    manifest: &Manifest,
) -> Result<Plan, Problem> {
    if !manifest.is_empty() && manifest.installation != installation {
        return Err(conflict(installation, manifest));
    }
    let mut plan = Plan::default();
    for refused in &wanted.refused {
        plan.problems.push(problem(
            &refused.host,
            ProblemReason::WriteFailed,
            None,
            refused.why.clone(),
        ));
    }
    let mut targets = BTreeSet::new();
    if let Some(root) = root {
        for bundle in wanted.bundles.values() {
            let folders = layout::host_files(installation, root, bundle);
            let files = folders.iter().flat_map(|folder| &folder.files);
            targets.extend(files.map(|(path, _)| path.clone()));
            let foreign = folders
                .iter()
                .flat_map(|folder| foreign(root, bundle.host(), folder, snapshot, manifest));
            let foreign: Vec<Problem> = foreign.collect();
            if foreign.is_empty() {
                plan.writes.push(host_write(bundle, folders, snapshot, manifest));
            }
            plan.problems.extend(foreign);
        }
    }
    let kept = plan_removals(&mut plan, root, wanted, &targets, snapshot, manifest);
    plan.folders = idle_folders(manifest, &targets, &kept);
    Ok(plan)
}

/// The record without the intents that were carried out before we could say so.
pub fn settle(manifest: &Manifest, snapshot: &Snapshot) -> Manifest {
    let mut settled = manifest.clone();
    for (path, file) in &mut settled.files {
        let done = matches!(snapshot.seen(path), Seen::File { sha256, .. } if *sha256 == file.sha256);
        file.intended = file.intended && !done;
    }
    settled
}

fn host_write(
    bundle: &Bundle,
    folders: Vec<HostFiles>,
    snapshot: &Snapshot,
    manifest: &Manifest,
) -> HostWrite {
    let mut write = HostWrite {
        host: bundle.host().clone(),
        content: bundle.content().to_owned(),
        steps: Vec::new(),
        files: Vec::new(),
    };
    for folder in folders {
        write_folder(&mut write, folder, snapshot, manifest);
    }
    write
}

fn write_folder(write: &mut HostWrite, files: HostFiles, snapshot: &Snapshot, manifest: &Manifest) {
    let missing = files.folder.from_top().into_iter();
    let missing = missing.filter(|folder| *snapshot.seen(folder) == Seen::Missing);
    for folder in missing.map(Step::MakeFolder) {
        // Two folders of one host have the same above them.
        if !write.steps.contains(&folder) {
            write.steps.push(folder);
        }
    }
    let leftovers = snapshot
        .names(&files.folder)
        .iter()
        .filter(|name| is_leftover(name));
    let leftovers = leftovers.map(|name| Step::RemoveLeftover(files.folder.join(name)));
    write.steps.extend(leftovers);
    for (path, text) in files.files {
        let hash = sha256(text.as_bytes());
        if !matches!(snapshot.seen(&path), Seen::File { sha256, .. } if *sha256 == hash) {
            let why = match manifest.files.get(&path) {
                None => Why::New,
                Some(file) if file.intended => Why::New,
                Some(file) if file.sha256 == hash => Why::Repaired,
                Some(_) => Why::Changed,
            };
            write.steps.push(Step::Write {
                path: path.clone(),
                text,
                why,
            });
        }
        write.files.push((path, hash));
    }
}

/// Removes what is ours and no longer wanted; gives what stays.
fn plan_removals(
    plan: &mut Plan,
    root: Option<&HostPath>,
    wanted: &Wanted,
    targets: &BTreeSet<HostPath>,
    snapshot: &Snapshot,
    manifest: &Manifest,
) -> BTreeSet<HostPath> {
    let mut kept = BTreeSet::new();
    // hosts.toml before ca.crt: a CA that is missing fails every pull, a hosts.toml that is missing does not.
    for (path, file) in manifest.files.iter().rev() {
        // Without a root it is not known where wanted files belong: they stay where they are. A refused bundle's too.
        let refused = wanted.refused.iter().any(|refused| refused.host == file.host);
        let stays = if root.is_some() {
            targets.contains(path) || refused
        } else {
            wanted.keeps(&file.host)
        };
        if stays {
            kept.insert(path.clone());
            continue;
        }
        let gone = match snapshot.seen(path) {
            Seen::Missing | Seen::Folder | Seen::Open => true,
            // Someone was faster than our first write.
            Seen::File { .. } | Seen::Other => file.intended,
        };
        if gone {
            plan.forget.push(path.clone());
        } else {
            plan.removals.push(Removal {
                host: file.host.clone(),
                path: path.clone(),
            });
        }
        if let Some(folder) = path.parent() {
            remove_leftovers(plan, &file.host, &folder, snapshot);
        }
    }
    kept
}

fn remove_leftovers(plan: &mut Plan, host: &str, folder: &HostPath, snapshot: &Snapshot) {
    for name in snapshot.names(folder).iter().filter(|name| is_leftover(name)) {
        let removal = Removal {
            host: host.to_owned(),
            path: folder.join(name),
        };
        if !plan.removals.contains(&removal) {
            plan.removals.push(removal);
        }
    }
}

fn idle_folders(
    manifest: &Manifest,
    targets: &BTreeSet<HostPath>,
    kept: &BTreeSet<HostPath>,
) -> Vec<HostPath> {
    let needed = |folder: &HostPath| targets.iter().chain(kept).any(|path| path.is_beneath(folder));
    manifest
        .folders
        .iter()
        .rev()
        .filter(|folder| !needed(folder))
        .cloned()
        .collect()
}

fn conflict(installation: &str, manifest: &Manifest) -> Problem {
    let message = format!(
        "this node belongs to the Roadstead installation {}, not to {installation}: nothing is changed; if that one is gone, run `roadstead-agent clean --host-root /` on the node",
        manifest.installation
    );
    problem(
        "",
        ProblemReason::InstallationConflict,
        Some(crate::manifest::file()),
        message,
    )
}

fn problem(host: &str, reason: ProblemReason, path: Option<HostPath>, message: String) -> Problem {
    Problem {
        host: host.to_owned(),
        reason,
        path: path.map(String::from),
        message,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
