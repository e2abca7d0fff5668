//! Each flush and each rename of the storage is left out of a record in turn: then what a power cut leaves must show it.
//! README.md has the table of them.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use tokio::runtime::Runtime;

use super::disk::Change;
use super::omission::{purposes, without};
use super::power_cut::memory_folder;
use super::recorder::Recorder;
use super::reopened::Reopened;
use super::replay::{Kept, after_power_cut};
use super::whole::check_whole;
use crate::check::check;
use crate::client::Client;
use crate::ledger::Ledger;
use crate::server::Server;
use crate::settings;
use crate::workload::workers;

const TABLE: &str = include_str!("../README.md");
const CLIENTS: usize = 3;
const LARGEST_LAYER: usize = 20_000;
/// Another process goes on with what the one before left.
const LIVES: usize = 3;
const REQUESTS: usize = 14;
/// Most are caught by one of the first few, in each record.
const STATES: usize = 400;
/// In one record it may be without harm: another is tried.
const MISSES: usize = 5;
/// So many changes after what was left out, its request has been answered.
const SOON: usize = 80;
/// A row that did not come up in so many records comes up no more.
const RECORDS: usize = 100;

/// What was recorded, and what each change of it was for.
struct Record {
    log: Vec<Change>,
    ledger: Ledger,
    purposes: Vec<Vec<String>>,
}

#[test]
#[ignore = "mounts a filesystem, which takes root: scripts/test.sh runs it"]
fn what_is_left_out_of_the_storage_is_caught_by_a_power_cut() {
    let (seed, mut chance) = settings::chance();
    let runtime = Runtime::new().unwrap();
    let table = rows();
    let mut left: Vec<&str> = table
        .iter()
        .filter(|(_, caught)| !caught.starts_with("no:"))
        .map(|(purpose, _)| *purpose)
        .collect();
    chance.shuffle(&mut left);
    let mut tries = settings::number("ROADSTEAD_OMISSIONS", 10) as usize;
    let all = tries >= left.len();
    let mut misses: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..RECORDS {
        let record = Record::make(&mut chance);
        record.check_known(&table);
        left.retain(|purpose| {
            if tries == 0 {
                return true;
            }
            let Some(tried) = record.catch(purpose, &runtime, &mut chance) else {
                return true;
            };
            let Some((tried, finding)) = tried else {
                let misses = misses.entry(*purpose).or_default();
                *misses += 1;
                assert!(
                    *misses < MISSES,
                    "ROADSTEAD_SEED={seed}: nobody notices {purpose} to be left out"
                );
                return true;
            };
            println!("without {purpose}, after {tried} power cuts: {finding}");
            tries -= 1;
            false
        });
        if left.is_empty() || tries == 0 {
            break;
        }
    }
    assert!(
        left.is_empty() || !all,
        "ROADSTEAD_SEED={seed}: the workload does nothing of this any more: {left:#?}"
    );
}

/// What is left out, and what catches it or why nothing has to.
fn rows() -> BTreeMap<&'static str, &'static str> {
    TABLE
        .lines()
        .filter_map(|line| {
            let (purpose, caught) = line.strip_prefix("| `")?.split_once("` | ")?;
            Some((purpose, caught.trim_end_matches(" |")))
        })
        .collect()
}

impl Record {
    fn make(chance: &mut Rng) -> Self {
        let mount = tempfile::tempdir().unwrap();
        let recorder = Recorder::mount(mount.path());
        let (notes, mut workers) = workers(CLIENTS, LARGEST_LAYER, chance, recorder.moments());
        for _ in 0..LIVES {
            let server = Server::start(mount.path());
            let client = Client::new(server.address());
            std::thread::scope(|scope| {
                for worker in &mut workers {
                    let client = client.clone();
                    scope.spawn(move || worker.work(&client, REQUESTS).expect("the right answers"));
                }
            });
            server.kill();
        }
        drop(workers);
        let log = recorder.log();
        drop(recorder);
        Record {
            purposes: purposes(&log),
            ledger: notes.into_ledger(),
            log,
        }
    }

    /// Which folders are flushed after a deletion depends on what else is in them; and below `roadstead` nothing is the truth.
    fn check_known(&self, table: &BTreeMap<&str, &str>) {
        let purposes = self.purposes.iter().flatten().map(String::as_str);
        let unknown: BTreeSet<&str> = purposes
            .filter(|purpose| !purpose.ends_with("after a deletion") && !purpose.contains(" roadstead/"))
            .filter(|purpose| !table.contains_key(purpose))
            .collect();
        assert!(
            unknown.is_empty(),
            "README.md's table of what is left out lacks these: {unknown:#?}"
        );
    }

    /// After how many power cuts it showed that this was left out, and what showed; `Some(None)`: not at all. `None`: the
    /// record has nothing of the kind.
    fn catch(&self, purpose: &str, runtime: &Runtime, chance: &mut Rng) -> Option<Option<(usize, String)>> {
        let is_left_out = |at: &usize| self.purposes[*at].iter().any(|its| its == purpose);
        let places: Vec<usize> = (0..self.log.len()).filter(is_left_out).collect();
        if places.is_empty() {
            return None;
        }
        let findings = (1..=STATES).find_map(|tried| {
            let at = *chance.choice(&places)?;
            // While a file is written in its place, or some time later.
            let later = if chance.bool() { 1 } else { chance.usize(1..SOON) };
            let cut = (at + later).min(self.log.len());
            let finding = self.cut(cut, purpose, runtime, chance).err()?;
            Some((tried, finding))
        });
        Some(findings)
    }

    fn cut(&self, at: usize, purpose: &str, runtime: &Runtime, chance: &mut Rng) -> Result<(), String> {
        let log = without(&self.log[..at], &self.purposes[..at], purpose);
        let disk = after_power_cut(&log, Kept::any(chance), chance);
        check_whole(&disk)?;
        let folder = memory_folder();
        disk.write_to(folder.path()).unwrap();
        check(&Reopened::open(folder.path(), runtime)?, &self.ledger, at as u64).map(drop)
    }
}
