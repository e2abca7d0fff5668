//! What of others stands where a host's files would be: reported, never touched. Pure.

use roadstead_api::trust::{Problem, ProblemReason};

use crate::bundle::Host;
use crate::host::{HostPath, is_leftover};
use crate::layout::{self, HostFiles};
use crate::manifest::{Manifest, sha256};
use crate::observe::{Seen, Snapshot};

/// The problems that keep `host` from being written; none: the place is free or ours.
pub(crate) fn foreign(
    root: &HostPath,
    host: &Host,
    files: &HostFiles,
    snapshot: &Snapshot,
    manifest: &Manifest,
) -> Vec<Problem> {
    let above = files.folder.from_top();
    if let Some(path) = above.iter().find(|above| *snapshot.seen(above) == Seen::Open) {
        let why = "others than root can write there: chmod go-w";
        return vec![in_the_way(host, path, why)];
    }
    if let Some(path) = above.iter().find(|above| *snapshot.seen(above) == Seen::Other) {
        return vec![in_the_way(host, path, "a folder is needed there")];
    }
    let shadow = files.spelling.shadow().map(|name| root.join(&name));
    if let Some(shadow) = shadow.filter(|shadow| *snapshot.seen(shadow) != Seen::Missing) {
        let why = "containerd looks there first and would not see what Roadstead writes";
        let mut problems = vec![in_the_way(host, &shadow, why)];
        problems.extend(insecure_override(host, &shadow.join(layout::HOSTS), snapshot));
        return problems;
    }
    let strangers = strangers(files, snapshot, manifest);
    let first = strangers
        .first()
        .map(|path| in_the_way(host, path, "it was there before Roadstead"));
    let overrides = strangers
        .iter()
        .filter_map(|path| insecure_override(host, path, snapshot));
    first.into_iter().chain(overrides).collect()
}

fn strangers(files: &HostFiles, snapshot: &Snapshot, manifest: &Manifest) -> Vec<HostPath> {
    let ours = ours(files, snapshot, manifest);
    let paths = files.files.iter().map(|(path, _)| path);
    let taken = paths.zip(ours).filter(|(path, ours)| match snapshot.seen(path) {
        Seen::Missing => false,
        Seen::Folder | Seen::Open => true,
        Seen::File { .. } | Seen::Other => !ours,
    });
    let mut strangers: Vec<HostPath> = taken.map(|(path, _)| path.clone()).collect();
    if ours == [false, false] {
        // A folder that others filled before us would mean something else with our files in it.
        let names = snapshot.names(&files.folder).iter();
        let others = names
            .filter(|name| !is_leftover(name) && *name != layout::CA && *name != layout::HOSTS)
            .map(|name| files.folder.join(name));
        strangers.extend(others);
    }
    strangers
}

/// Which of the two files are ours: what the record names, or, should it be lost, what stands beside a hosts.toml
/// that is to the byte what we would write.
fn ours(files: &HostFiles, snapshot: &Snapshot, manifest: &Manifest) -> [bool; 2] {
    let [recorded_ca, recorded_hosts] = files.files.each_ref().map(|(path, _)| {
        let file = manifest.files.get(path);
        file.is_some_and(|file| !file.intended)
    });
    let [same_ca, same_hosts] = files.files.each_ref().map(|(path, bytes)| {
        matches!(snapshot.seen(path), Seen::File { sha256: on_disk, .. } if *on_disk == sha256(bytes.as_bytes()))
    });
    let hosts = recorded_hosts || same_hosts;
    [recorded_ca || (same_ca && hosts), hosts]
}

fn insecure_override(host: &Host, path: &HostPath, snapshot: &Snapshot) -> Option<Problem> {
    let Seen::File {
        skips_verification: true,
        ..
    } = snapshot.seen(path)
    else {
        return None;
    };
    Some(Problem {
        host: host.to_string(),
        reason: ProblemReason::InsecureOverride,
        path: Some(path.to_string()),
        message: format!("{path} sets skip_verify = true: pulls from {host} are not verified on this node"),
    })
}

fn in_the_way(host: &Host, path: &HostPath, why: &str) -> Problem {
    Problem {
        host: host.to_string(),
        reason: ProblemReason::ForeignFile,
        path: Some(path.to_string()),
        message: format!(
            "{path} is not Roadstead's and is left as it is: {why}; move it away to let this host be managed"
        ),
    }
}
