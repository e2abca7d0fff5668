//! The program is killed at random moments while clients push, delete and move tags, and started again.

use std::path::Path;
use std::time::Duration;

use crate::check::check;
use crate::client::Client;
use crate::ledger::Register;
use crate::server::Server;
use crate::settings;
use crate::workload::{Worker, counting, workers};

const CLIENTS: usize = 4;
/// After so many kills a new store is begun: everything that was ever pushed to one is checked after each kill.
const KILLS_PER_STORE: u64 = 10;
const LARGEST_LAYER: usize = 400_000;

#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    acknowledged: usize,
    checked: usize,
    certain: usize,
}

#[test]
fn what_was_acknowledged_outlives_a_kill_at_any_moment() {
    let kills = settings::number("ROADSTEAD_KILLS", 20);
    let (seed, mut chance) = settings::chance();
    let mut figures = Figures::default();
    while figures.kills < kills {
        let store = tempfile::tempdir().unwrap();
        let rounds = KILLS_PER_STORE.min(kills - figures.kills);
        if let Err(finding) = one_store(store.path(), rounds, &mut chance, &mut figures) {
            let kept = store.keep();
            panic!(
                "ROADSTEAD_SEED={seed}: after kill {} {finding}; the store is kept in {}",
                figures.kills,
                kept.display()
            );
        }
    }
    println!(
        "kills: {} (ROADSTEAD_SEED={seed}), {CLIENTS} clients, {} requests acknowledged, {} answers checked, {} of them certain",
        figures.kills, figures.acknowledged, figures.checked, figures.certain
    );
}

fn one_store(
    folder: &Path,
    kills: u64,
    chance: &mut fastrand::Rng,
    figures: &mut Figures,
) -> Result<(), String> {
    let (notes, mut workers) = workers(CLIENTS, LARGEST_LAYER, chance, counting());
    let mut server = Server::start(folder);
    for _ in 0..kills {
        let pause = Duration::from_millis(chance.u64(1..400));
        work_until_killed(server, &mut workers, pause)?;
        figures.kills += 1;
        let mut ledger = notes.ledger.lock().unwrap();
        ledger.end_all((notes.now)());
        server = Server::start(folder);
        let found = check(&Client::new(server.address()), &ledger, (notes.now)())?;
        figures.checked += found.values.len();
        figures.certain += found.certain;
        for (register, value) in found.values {
            // A push that came as far as the link, and not to the data, may still show its blob, which it had verified: once
            // somebody else pushes the same bytes. So that it is not there now settles nothing.
            if matches!(register, Register::Blob { .. }) && value.is_none() {
                continue;
            }
            ledger.found((notes.now)(), &register, value);
        }
    }
    figures.acknowledged += notes.ledger.lock().unwrap().acknowledged();
    Ok(())
}

fn work_until_killed(server: Server, workers: &mut [Worker], pause: Duration) -> Result<(), String> {
    let address = server.address();
    std::thread::scope(|scope| {
        let works: Vec<_> = workers
            .iter_mut()
            .map(|worker| {
                let client = Client::new(address.clone());
                scope.spawn(move || worker.work(&client, usize::MAX))
            })
            .collect();
        std::thread::sleep(pause);
        server.kill();
        works.into_iter().try_for_each(|work| work.join().unwrap())
    })
}
