//! One pass from what is wanted to what is in force: load the record, observe, plan, act.

use std::collections::BTreeMap;
use std::io;

use roadstead_api::trust::{Problem, set_hash};

use crate::act::act;
use crate::bundle::Bundle;
use crate::desired::Wanted;
use crate::host::{Disk, HostPath, HostRoot};
use crate::manifest::{self, Manifest};
use crate::observe::observe;
use crate::plan::{plan, settle};

/// What one pass starts from.
#[derive(Debug, Clone)]
pub struct Pass {
    pub installation: String,
    /// The certs.d folder that the runtime reads; `None`: not known, what is there stays there.
    pub root: Option<HostPath>,
    pub wanted: Wanted,
    /// Hosts whose content a pull has proved: (content, start of the runtime).
    pub proofs: BTreeMap<String, (String, String)>,
}

/// What is true after it.
#[derive(Debug)]
pub struct Report {
    pub manifest: Manifest,
    /// The bundles that are wholly written and in nobody's way.
    pub in_force: Vec<Bundle>,
    pub problems: Vec<Problem>,
    /// Names all that is on the node, to the operator.
    pub set: String,
    /// Something failed that a later pass may mend.
    pub incomplete: bool,
}

pub fn converge(host: &HostRoot, pass: &Pass) -> io::Result<Report> {
    converge_with(host, host, pass)
}

/// Reads from `host` and writes to `disk`, which tests let fail.
pub(crate) fn converge_with(host: &HostRoot, disk: &dyn Disk, pass: &Pass) -> io::Result<Report> {
    let _lock = lock(host)?;
    let stored = Manifest::load(host)?;
    let root = pass.root.as_ref();
    let snapshot = observe(host, root, &pass.wanted, &stored)?;
    let mut settled = settle(&stored, &snapshot);
    let plan = match plan(&pass.installation, root, &pass.wanted, &snapshot, &settled) {
        Ok(plan) => plan,
        Err(conflict) => return Ok(conflicted(stored, conflict)),
    };
    settled.installation.clone_from(&pass.installation);
    settled.root = root.or(settled.root.as_ref()).cloned();
    record_proofs(&mut settled, &pass.proofs);
    manifest::sweep(host, disk)?;
    let outcome = act(plan, settled, &stored, disk);
    Ok(Report {
        in_force: in_force(pass, &outcome.manifest, &outcome.problems),
        set: set(&pass.wanted, &outcome.manifest),
        manifest: outcome.manifest,
        problems: outcome.problems,
        incomplete: outcome.incomplete,
    })
}

fn lock(host: &HostRoot) -> io::Result<impl Sized> {
    host.lock(&manifest::lock_folder())
        .map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                io::Error::new(error.kind(), "another Roadstead agent is at work on this node")
            }
            _ => error,
        })
}

fn conflicted(manifest: Manifest, conflict: Problem) -> Report {
    let nothing = set_hash::<&str, &str>([]);
    Report {
        manifest,
        in_force: Vec::new(),
        problems: vec![conflict],
        set: nothing,
        incomplete: false,
    }
}

fn record_proofs(manifest: &mut Manifest, proofs: &BTreeMap<String, (String, String)>) {
    for (host, written) in &mut manifest.hosts {
        if let Some((_, runtime)) = proofs
            .get(host)
            .filter(|(content, _)| *content == written.content)
        {
            written.proved_for = Some(runtime.clone());
        }
    }
}

fn in_force(pass: &Pass, manifest: &Manifest, problems: &[Problem]) -> Vec<Bundle> {
    let written = |bundle: &&Bundle| {
        let host = bundle.host().as_str();
        manifest
            .hosts
            .get(host)
            .is_some_and(|written| written.content == bundle.content())
            && problems.iter().all(|problem| problem.host != host)
    };
    pass.wanted.bundles.values().filter(written).cloned().collect()
}

/// All hosts that are wanted (problems name those that are not in force), and those that could not be removed.
fn set(wanted: &Wanted, manifest: &Manifest) -> String {
    let stuck = manifest.hosts.iter().filter(|(host, _)| !wanted.keeps(host));
    let stuck = stuck.map(|(host, written)| (host.as_str(), written.content.as_str()));
    set_hash(wanted.contents().chain(stuck))
}

#[cfg(test)]
#[path = "converge_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "crash_tests.rs"]
mod crash_tests;
