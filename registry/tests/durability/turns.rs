//! Another version of the program and this one take turns on one volume, also in the middle of an upload.

use std::path::Path;

use fastrand::Rng;

use crate::check::{Reader as _, check};
use crate::client::{Client, Failure};
use crate::images::{digest_of, noise};
use crate::server::Server;
use crate::settings;
use crate::workload::{Worker, counting, workers};

const CLIENTS: usize = 3;
const REQUESTS: usize = 25;
const LARGEST_LAYER: usize = 100_000;
const REPOSITORY: &str = "team/carried-over";

/// An upload that one program has begun, and how much of it.
struct Begun {
    at: String,
    bytes: Vec<u8>,
    sent: usize,
}

/// `ROADSTEAD_PREVIOUS` names the other program: scripts/soak.sh builds it. Without it two of this one take turns.
#[test]
fn this_program_and_the_previous_one_take_turns_on_one_volume() {
    let previous = std::env::var("ROADSTEAD_PREVIOUS").ok();
    let turns = settings::number("ROADSTEAD_TURNS", 6);
    let (seed, mut chance) = settings::chance();
    let store = tempfile::tempdir().unwrap();
    let (notes, mut workers) = workers(CLIENTS, LARGEST_LAYER, &mut chance, counting());
    let (mut begun, mut finished): (Vec<Begun>, usize) = (Vec::new(), 0);
    for turn in 0..turns {
        let server = match &previous {
            Some(program) if turn % 2 == 0 => Server::start_other(Path::new(program), store.path()),
            _ => Server::start(store.path()),
        };
        let client = Client::new(server.address());
        let found = check(&client, &notes.ledger.lock().unwrap(), (notes.now)()).map(drop);
        let outcome = found
            .and_then(|()| work(&mut workers, &client))
            .and_then(|()| carry_over(&client, &mut begun, &mut chance));
        finished += outcome.unwrap_or_else(|finding| panic!("ROADSTEAD_SEED={seed}: turn {turn}: {finding}"));
        server.kill();
    }
    println!(
        "turns: {turns} (ROADSTEAD_SEED={seed}), {} acknowledged, {finished} uploads begun by one and finished by the other ({})",
        notes.ledger.lock().unwrap().acknowledged(),
        previous.as_deref().unwrap_or("two of this program")
    );
}

fn work(workers: &mut [Worker], client: &Client) -> Result<(), String> {
    std::thread::scope(|scope| {
        let works: Vec<_> = workers
            .iter_mut()
            .map(|worker| scope.spawn(move || worker.work(client, REQUESTS)))
            .collect();
        works.into_iter().try_for_each(|work| work.join().unwrap())
    })
}

/// Ends the uploads that the one before has begun, or goes on with them, and begins others. How many it ended.
fn carry_over(client: &Client, begun: &mut Vec<Begun>, chance: &mut Rng) -> Result<usize, String> {
    let wrong = |failure: Failure| format!("an upload that the other program began: {failure:?}");
    let mut finished = 0;
    for mut upload in std::mem::take(begun) {
        let part = upload.bytes.len() / 3;
        if upload.sent < part * 2 && chance.bool() {
            upload.send(client, part).map_err(wrong)?;
            begun.push(upload);
            continue;
        }
        let rest = upload.bytes.len() - upload.sent;
        upload.send(client, rest).map_err(wrong)?;
        let digest = digest_of(&upload.bytes);
        client.finish_upload(&upload.at, &digest).map_err(wrong)?;
        if client.blob(REPOSITORY, &digest)? != Some(upload.bytes) {
            return Err(format!(
                "{digest}, which two programs took in, is not what was sent"
            ));
        }
        finished += 1;
    }
    for _ in 0..3 {
        let mut upload = Begun {
            at: client.start_upload(REPOSITORY).map_err(wrong)?,
            bytes: noise(chance, LARGEST_LAYER),
            sent: 0,
        };
        // One of them has nothing yet.
        let part = chance.choice([0, LARGEST_LAYER / 3]).unwrap_or_default();
        upload.send(client, part).map_err(wrong)?;
        begun.push(upload);
    }
    Ok(finished)
}

impl Begun {
    fn send(&mut self, client: &Client, bytes: usize) -> Result<(), Failure> {
        let end = self.sent + bytes;
        if bytes > 0 {
            self.at = client.append(&self.at, self.sent, &self.bytes[self.sent..end])?;
        }
        self.sent = end;
        Ok(())
    }
}
