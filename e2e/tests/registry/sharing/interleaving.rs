//! Registries take random turns on one volume.

use std::path::Path;
use std::rc::Rc;

use fastrand::Rng;
use roadstead_e2e::{Api, Server, Software, stock_config};

use super::documents::{self, Blob, Document};
use super::model::{Model, Writer};
use super::{seeded, volume};

const PEERS: [Software; 2] = [Software::Registry2, Software::Registry3];
const REPOSITORIES: [&str; 3] = ["one", "two/deep", "three"];
const TAGS: [&str; 4] = ["a", "b", "c", "latest"];
/// Turns of a round, and what is done in each.
const TURNS: usize = 8;
const STEPS: usize = 12;

#[test]
fn random_turns_of_three_registries_lose_nothing() {
    let rounds = std::env::var("ROADSTEAD_SOAK_ROUNDS").map_or(2, |rounds| {
        rounds.parse().expect("ROADSTEAD_SOAK_ROUNDS is a number")
    });
    let mut rng = seeded("interleaving");
    for round in 1..=rounds {
        let folder = volume();
        let mut model = Model::default();
        let mut history = Vec::new();
        for _ in 0..TURNS {
            history.push(turn(&mut rng, folder.path(), &mut model));
        }
        println!("round {round}: {}; {}", history.join(", "), model.figures());
    }
}

/// One registry is started, shows that everything is there, is worked with, and ends, gently or not. Sometimes one of
/// the peers collects before the next turn.
fn turn(rng: &mut Rng, folder: &Path, model: &mut Model) -> String {
    let config = stock_config(folder);
    let peer = *rng.choice(&PEERS).expect("there are two");
    let software = if rng.bool() { Software::Roadstead } else { peer };
    let server = Server::of(software, &config);
    let api = Api::of(&server);
    model.check(&api, software);
    for _ in 0..STEPS {
        step(rng, software, &mut Writer { api: &api, model });
    }
    model.check(&api, software);
    drop(api);
    if rng.bool() {
        server.stop()
    } else {
        server.kill()
    }
    // registry:3 cannot collect where nobody has pushed yet.
    if rng.u8(..3) > 0 || model.repositories.is_empty() {
        return format!("{software:?}");
    }
    let collector = *rng.choice(&PEERS).expect("there are two");
    collector.garbage_collect(&config);
    model.collected();
    format!("{software:?}, collection by {collector:?}")
}

fn step(rng: &mut Rng, software: Software, writer: &mut Writer<'_>) {
    let name = *rng.choice(&REPOSITORIES).expect("there are some");
    let tag = *rng.choice(&TAGS).expect("there are some");
    match rng.u8(..12) {
        0..=2 => {
            let image = new_image(rng, writer, name);
            let tag = rng.bool().then_some(tag);
            writer.push(name, tag, &image);
        }
        3 => {
            let known = some(rng, writer, name, |document| document.children.is_empty());
            let children = known.into_iter().chain([new_image(rng, writer, name)]).collect();
            let index = documents::index(rng, children);
            writer.push(name, Some(tag), &index);
        }
        4 | 5 => {
            if let Some(subject) = some(rng, writer, name, |_| true) {
                let referrer = documents::referrer(rng, &subject);
                writer.push(name, None, &referrer);
            }
        }
        6 => {
            if let Some(document) = some(rng, writer, name, |_| true)
                && writer.model.repositories[name].is_whole(&document)
            {
                writer.push(name, Some(tag), &document);
            }
        }
        7 => {
            let from = *rng.choice(&REPOSITORIES).expect("there are some");
            let there = writer.model.repositories.get(from);
            let blob = there.and_then(|there| rng.choice(there.blobs.values()).cloned());
            if let Some(blob) = blob.filter(|_| from != name) {
                writer.mount(name, &blob, from);
            }
        }
        8 => {
            // Nothing that is only on its way may disturb those who come after.
            let begun = writer.api.begin_upload(name);
            let start = Blob::random(rng, 4096);
            writer
                .api
                .continue_upload(&begun, &start.bytes)
                .expect(202, "the start of an upload");
        }
        9 => {
            if let Some(unused) = unused_blob(rng, writer, name) {
                writer.delete_blob(name, &unused);
            }
        }
        10 => {
            let is_there = writer
                .model
                .repositories
                .get(name)
                .is_some_and(|here| here.tags.contains_key(tag));
            // registry:2 deletes by digest only.
            if is_there && software != Software::Registry2 {
                writer.delete_tag(name, tag);
            }
        }
        _ => {
            if let Some(document) = some(rng, writer, name, |_| true) {
                writer.delete_manifest(name, &document.digest);
            }
        }
    }
}

/// A blob that no manifest of the repository refers to.
fn unused_blob(rng: &mut Rng, writer: &Writer<'_>, name: &str) -> Option<String> {
    let here = writer.model.repositories.get(name)?;
    let mut unused: Vec<&String> = here.blobs.keys().collect();
    unused.retain(|digest| {
        let mut used = here.manifests.values().flat_map(|document| &document.blobs);
        used.all(|blob| blob.digest != **digest)
    });
    rng.choice(unused).cloned()
}

/// An image of a layer that the repository has, if it has any, and of a new one.
fn new_image(rng: &mut Rng, writer: &Writer<'_>, name: &str) -> Rc<Document> {
    let here = writer.model.repositories.get(name);
    let known = here.and_then(|here| rng.choice(here.blobs.values()).cloned());
    let layers = known.into_iter().chain([Blob::random(rng, 16 << 10)]).collect();
    documents::image(rng, layers)
}

fn some(
    rng: &mut Rng,
    writer: &Writer<'_>,
    name: &str,
    fits: impl Fn(&Document) -> bool,
) -> Option<Rc<Document>> {
    let here = writer.model.repositories.get(name)?;
    let fitting: Vec<_> = here
        .manifests
        .values()
        .filter(|document| fits(document))
        .collect();
    rng.choice(fitting).cloned()
}
