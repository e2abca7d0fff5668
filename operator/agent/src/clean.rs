//! Takes everything that the record names off this node: for a node that missed the uninstall.

use std::collections::BTreeMap;
use std::io;

use crate::converge::{Pass, converge};
use crate::desired::Wanted;
use crate::host::HostRoot;
use crate::manifest::Manifest;

/// What was taken away, and what could not be.
#[derive(Debug, PartialEq, Eq)]
pub struct Cleaned {
    pub removed: Vec<String>,
    pub problems: Vec<String>,
}

pub fn clean(host: &HostRoot) -> io::Result<Cleaned> {
    let before = Manifest::load(host)?;
    let pass = Pass {
        installation: before.installation.clone(),
        root: None,
        wanted: Wanted::default(),
        proofs: BTreeMap::new(),
    };
    let report = converge(host, &pass)?;
    let removed = before
        .files
        .keys()
        .filter(|path| !report.manifest.files.contains_key(path));
    Ok(Cleaned {
        removed: removed.map(ToString::to_string).collect(),
        problems: report
            .problems
            .into_iter()
            .map(|problem| problem.message)
            .collect(),
    })
}
