//! Doing what a plan says, and keeping the record true at every step.

use std::io;

use roadstead_api::trust::{Problem, ProblemReason};
use tracing::{info, warn};

use crate::host::{Disk, HostPath};
use crate::manifest::{Manifest, OwnedFile, WrittenHost};
use crate::plan::{HostWrite, Plan, Step, Why};

/// What came of a plan.
#[derive(Debug)]
pub struct Outcome {
    /// What is ours now.
    pub manifest: Manifest,
    pub problems: Vec<Problem>,
    /// Something failed that a later attempt may mend.
    pub incomplete: bool,
}

/// Carries out `plan`. `settled` is the record that it was made from, `stored` the one that lies on the disk.
pub fn act(plan: Plan, settled: Manifest, stored: &Manifest, disk: &dyn Disk) -> Outcome {
    let mut outcome = Outcome {
        manifest: settled,
        problems: plan.problems,
        incomplete: false,
    };
    let record = &mut outcome.manifest;
    for path in &plan.forget {
        record.files.remove(path);
    }
    // First of all the intent: whatever is made from here on has an owner, whenever we are killed.
    intend(record, &plan.writes);
    let intended = record.clone();
    let recorded = if intended.says_the_same(stored) {
        Ok(())
    } else {
        intended.store(disk)
    };
    for write in &plan.writes {
        let written = match &recorded {
            Ok(()) => write_host(write, record, disk),
            Err(_) if write.steps.is_empty() => Ok(()),
            Err(error) => Err((
                crate::manifest::file(),
                io::Error::new(error.kind(), error.to_string()),
            )),
        };
        if let Err((path, error)) = written {
            outcome.incomplete = true;
            outcome
                .problems
                .push(write_failed(write.host.as_str(), &path, &error));
        }
    }
    for removal in &plan.removals {
        if let Err(error) = disk.remove_file(&removal.path) {
            outcome.incomplete = true;
            outcome
                .problems
                .push(write_failed(&removal.host, &removal.path, &error));
            continue;
        }
        info!("removed {}", removal.path);
        record.files.remove(&removal.path);
    }
    remove_folders(&plan.folders, record, disk);
    record.forget_bare_hosts();
    if !record.says_the_same(&intended)
        && let Err(error) = record.store(disk)
    {
        // What lies on the disk is right and the record names at least all of it: trying again is enough.
        warn!(
            "the record {} could not be written: {error}",
            crate::manifest::file()
        );
        outcome.incomplete = true;
    }
    outcome
}

fn intend(record: &mut Manifest, writes: &[HostWrite]) {
    for write in writes {
        for step in &write.steps {
            if let Step::MakeFolder(path) = step {
                record.folders.insert(path.clone());
            }
        }
        for (path, sha256) in &write.files {
            let intended = || OwnedFile {
                host: write.host.to_string(),
                sha256: sha256.clone(),
                intended: true,
            };
            let file = record.files.entry(path.clone()).or_insert_with(intended);
            if file.intended {
                file.sha256.clone_from(sha256);
            }
        }
    }
}

fn write_host(
    write: &HostWrite,
    record: &mut Manifest,
    disk: &dyn Disk,
) -> Result<(), (HostPath, io::Error)> {
    for step in &write.steps {
        take(step, disk).map_err(|error| (step.path().clone(), error))?;
    }
    let host = write.host.to_string();
    for (path, sha256) in &write.files {
        let file = OwnedFile {
            host: host.clone(),
            sha256: sha256.clone(),
            intended: false,
        };
        record.files.insert(path.clone(), file);
    }
    let known = record
        .hosts
        .get(&host)
        .filter(|known| known.content == write.content);
    let proved_for = known.and_then(|known| known.proved_for.clone());
    record.hosts.insert(
        host,
        WrittenHost {
            content: write.content.clone(),
            proved_for,
        },
    );
    Ok(())
}

fn take(step: &Step, disk: &dyn Disk) -> io::Result<()> {
    match step {
        Step::MakeFolder(path) => disk.make_folder(path)?,
        Step::RemoveLeftover(path) => disk.remove_file(path)?,
        Step::Write { path, text, why } => {
            disk.write(path, text.as_bytes())?;
            match why {
                Why::New => info!("wrote {path}"),
                Why::Changed => info!("updated {path}"),
                Why::Repaired => warn!("repaired {path}: something else had altered or removed it"),
            }
        }
    }
    Ok(())
}

fn remove_folders(folders: &[HostPath], record: &mut Manifest, disk: &dyn Disk) {
    for folder in folders {
        // A file of ours that could not be removed keeps its folder in the record.
        if record.files.keys().any(|path| path.is_beneath(folder)) {
            continue;
        }
        match disk.remove_folder(folder) {
            Ok(true) => {
                info!("removed the folder {folder}");
                record.folders.remove(folder);
            }
            Ok(false) => {
                info!("the folder {folder} holds what is not Roadstead's: it stays");
                record.folders.remove(folder);
            }
            Err(error) => warn!("the folder {folder} could not be removed: {error}"),
        }
    }
}

fn write_failed(host: &str, path: &HostPath, error: &io::Error) -> Problem {
    Problem {
        host: host.to_owned(),
        reason: ProblemReason::WriteFailed,
        path: Some(path.to_string()),
        message: format!("{path} could not be changed: {error}; it is tried again"),
    }
}

impl Step {
    fn path(&self) -> &HostPath {
        match self {
            Self::MakeFolder(path) | Self::RemoveLeftover(path) | Self::Write { path, .. } => path,
        }
    }
}
