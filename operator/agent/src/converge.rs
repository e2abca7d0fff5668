//! One pass from what is wanted to what is in force: load the record, observe, plan, act.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

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
    pub in_force: Vec<Arc<Bundle>>,
    pub problems: Vec<Problem>,
    /// Names all that is on the node, to the operator.
    pub set: String,
    /// The hosts of the set, in alphabetical order.
    pub hosts: Vec<String>,
    /// Something failed that a later pass may mend.
    pub incomplete: bool,
}

pub fn converge(host: &HostRoot, pass: &Pass) -> io::Result<Report> {
    converge_with(host, host, pass)
}

/// Reads from `host` and writes to `disk`, which tests let fail.
pub(crate) fn converge_with(host: &HostRoot, disk: &dyn Disk, pass: &Pass) -> io::Result<Report> {
    let lock = host.lock(&format!(
        "the Roadstead agent of installation {}",
        pass.installation
    ))?;
    let report = locked(host, disk, pass)?;
    if report.manifest.is_empty() && Manifest::load(host)?.is_empty() {
        lock.remove()?;
    }
    Ok(report)
}

fn locked(host: &HostRoot, disk: &dyn Disk, pass: &Pass) -> io::Result<Report> {
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
    let set: Vec<(&str, &str)> = set(&pass.wanted, &outcome.manifest);
    Ok(Report {
        in_force: in_force(pass, &outcome.manifest, &outcome.problems),
        set: set_hash(set.iter().copied()),
        hosts: set.into_iter().map(|(host, _)| host.to_owned()).collect(),
        manifest: outcome.manifest,
        problems: outcome.problems,
        incomplete: outcome.incomplete,
    })
}

fn conflicted(manifest: Manifest, conflict: Problem) -> Report {
    let nothing = set_hash::<&str, &str>([]);
    Report {
        manifest,
        in_force: Vec::new(),
        problems: vec![conflict],
        set: nothing,
        hosts: Vec::new(),
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

fn in_force(pass: &Pass, manifest: &Manifest, problems: &[Problem]) -> Vec<Arc<Bundle>> {
    let hindered: BTreeSet<&str> = problems.iter().map(|problem| problem.host.as_str()).collect();
    let written = |bundle: &&Arc<Bundle>| {
        let host = bundle.host().as_str();
        manifest
            .hosts
            .get(host)
            .is_some_and(|written| written.content == bundle.content())
            && !hindered.contains(host)
    };
    pass.wanted.bundles.values().filter(written).cloned().collect()
}

/// All hosts that are wanted (problems name those that are not in force), and those that could not be removed.
fn set<'a>(wanted: &'a Wanted, manifest: &'a Manifest) -> Vec<(&'a str, &'a str)> {
    let contents: BTreeMap<&str, &str> = wanted.contents().collect();
    let stuck = manifest
        .hosts
        .iter()
        .filter(|(host, _)| !contents.contains_key(host.as_str()));
    let stuck: Vec<_> = stuck
        .map(|(host, written)| (host.as_str(), written.content.as_str()))
        .collect();
    let mut all: Vec<_> = contents.into_iter().chain(stuck).collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
#[path = "converge_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "crash_tests.rs"]
mod crash_tests;
