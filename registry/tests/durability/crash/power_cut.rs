//! The harness: a workload on the recorder, then crash states of it, each opened and checked.

use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use tokio::runtime::Runtime;

use super::disk::Change;
use super::recorder::Recorder;
use super::reopened::Reopened;
use super::replay::{Kept, after_power_cut};
use super::whole::check_whole;
use crate::check::check;
use crate::client::Client;
use crate::images::{common, image};
use crate::ledger::Ledger;
use crate::server::Server;
use crate::settings;
use crate::workload::workers;

const CLIENTS: usize = 3;
const LARGEST_LAYER: usize = 30_000;
/// How long a workload runs before the server is killed and another one goes on with what it left.
const LIVES: u64 = 5;
const LIFE: Duration = Duration::from_millis(250);
/// Of so many states one is opened by the program itself too.
const PER_PROGRAM: u64 = 100;

#[derive(Debug, Default)]
struct Figures {
    states: u64,
    programs: u64,
    changes: usize,
    flushes: usize,
    acknowledged: usize,
    certain: usize,
}

#[test]
#[ignore = "mounts a filesystem, which takes root: scripts/test.sh runs it"]
fn what_was_acknowledged_outlives_a_power_cut_at_any_moment() {
    let states = settings::number("ROADSTEAD_CRASH_STATES", 300);
    let per_recording = settings::number("ROADSTEAD_CRASH_STATES_PER_RECORDING", 60);
    let (seed, mut chance) = settings::chance();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let mut figures = Figures::default();
    while figures.states < states {
        let (log, ledger) = record(&mut chance);
        figures.changes += log.len();
        figures.flushes += log.iter().filter(|change| is_flush(change)).count();
        figures.acknowledged += ledger.acknowledged();
        for _ in 0..per_recording.min(states - figures.states) {
            let prefix = chance.usize(..=log.len());
            let kept = Kept::any(&mut chance);
            if let Err(finding) =
                one_state(&log[..prefix], kept, &ledger, &runtime, &mut chance, &mut figures)
            {
                panic!(
                    "ROADSTEAD_SEED={seed}: power cut after change {prefix} of {}, {kept:?}: {finding}\nlast changes:\n{}",
                    log.len(),
                    last_changes(&log[..prefix])
                );
            }
        }
    }
    println!(
        "power cuts: {} (ROADSTEAD_SEED={seed}), {} of them opened by the program, out of {} recorded changes with {} \
         flushes and {} requests acknowledged; {} answers were certain",
        figures.states,
        figures.programs,
        figures.changes,
        figures.flushes,
        figures.acknowledged,
        figures.certain
    );
}

/// A workload, on servers that are killed one after the other, each going on with what the one before left unflushed.
fn record(chance: &mut Rng) -> (Vec<Change>, Ledger) {
    let mount = tempfile::tempdir().unwrap();
    let recorder = Recorder::mount(mount.path());
    let (notes, mut workers) = workers(CLIENTS, LARGEST_LAYER, chance, recorder.moments());
    for _ in 0..LIVES {
        let server = Server::start(mount.path());
        let client = Client::new(server.address());
        std::thread::scope(|scope| {
            for worker in &mut workers {
                let client = client.clone();
                scope.spawn(move || worker.work(&client, usize::MAX).expect("the right answers"));
            }
            std::thread::sleep(LIFE);
            server.kill();
        });
        notes.ledger.lock().unwrap().end_all((notes.now)());
    }
    drop(workers);
    let log = recorder.log();
    drop(recorder);
    (log, notes.into_ledger())
}

fn one_state(
    log: &[Change],
    kept: Kept,
    ledger: &Ledger,
    runtime: &Runtime,
    chance: &mut Rng,
    figures: &mut Figures,
) -> Result<(), String> {
    let folder = memory_folder();
    let disk = after_power_cut(log, kept, chance);
    disk.write_to(folder.path())
        .map_err(|error| format!("cannot make the state: {error}"))?;
    check_whole(&disk)?;
    let now = log.len() as u64;
    let reopened = Reopened::open(folder.path(), runtime)?;
    figures.certain += check(&reopened, ledger, now)?.certain;
    if figures.states.is_multiple_of(PER_PROGRAM) {
        let server = Server::start(folder.path());
        check(&Client::new(server.address()), ledger, now)?;
        figures.programs += 1;
    }
    let layers: Vec<Vec<u8>> = (0..3).map(|_| common(chance.u64(..40))).collect();
    let config = b"{}".to_vec();
    let manifest = image(&config, &layers, None);
    reopened.push("team/shared", &[layers, vec![config]].concat(), &manifest)?;
    figures.states += 1;
    Ok(())
}

/// States are small and many: in memory if there is such a place.
pub(crate) fn memory_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = tempfile::Builder::new()
        .prefix("roadstead-state")
        .tempdir_in(memory);
    folder.or_else(|_| tempfile::tempdir()).unwrap()
}

fn is_flush(change: &Change) -> bool {
    matches!(change, Change::FlushFile(_) | Change::FlushFolder(_))
}

fn last_changes(log: &[Change]) -> String {
    let lines = log.iter().rev().take(40).rev().map(|change| match change {
        Change::Write { file, offset, bytes } => {
            format!("write {} bytes at {offset} of file {file}", bytes.len())
        }
        other => format!("{other:?}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}
