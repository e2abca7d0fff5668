//! One volume, written in turn by registry:2, registry:3 and Roadstead: nobody may lose what another wrote.

mod bucket;
mod documents;
mod interleaving;
mod model;
mod schema1;
mod sha512;

use std::path::Path;
use std::rc::Rc;

use fastrand::Rng;
use roadstead_e2e::{Api, Server, Software, stock_config};

use documents::{Blob, Document};
use model::{Model, Writer};
use tempfile::TempDir;

const REPOSITORIES: [&str; 8] = [
    "app",
    "base",
    "library/debian",
    "library/nginx",
    "team/a/api",
    "team/a/web",
    "team/b/job",
    "x",
];
const IMAGES_EACH: usize = 32;

/// registry:2 knows a repository by its folder of layers; one that has none must not lose its manifests.
#[test]
fn a_repository_without_any_blob_outlives_their_collection() {
    for peer in [Software::Registry2, Software::Registry3] {
        let folder = volume();
        let mut model = Model::default();
        let empty = documents::index(&mut seeded("bare"), Vec::new());
        serve(Software::Roadstead, folder.path(), &mut model, |ours| {
            ours.push("bare", Some("latest"), &empty);
        });
        peer.garbage_collect(&stock_config(folder.path()));
        for software in [peer, Software::Roadstead] {
            serve(software, folder.path(), &mut model, |server| {
                server.model.check(server.api, software);
            });
        }
    }
}

#[test]
fn a_volume_of_registry_2_is_served_changed_and_given_back() {
    there_and_back(Software::Registry2);
}

#[test]
fn a_volume_of_registry_3_is_served_changed_and_given_back() {
    there_and_back(Software::Registry3);
}

fn there_and_back(peer: Software) {
    let mut rng = seeded("sharing");
    let folder = volume();
    let mut model = Model::default();

    serve(peer, folder.path(), &mut model, |theirs| {
        fill(theirs, &mut rng, IMAGES_EACH)
    });
    println!("{peer:?} wrote {}", model.figures());
    let ours = Software::Roadstead;
    serve(ours, folder.path(), &mut model, |ours| {
        ours.model.check(ours.api, Software::Roadstead);
        change(ours, &mut rng);
    });
    println!("Roadstead made of it {}", model.figures());
    serve(peer, folder.path(), &mut model, |theirs| {
        theirs.model.check(theirs.api, peer)
    });

    let printed = peer.garbage_collect(&stock_config(folder.path()));
    assert!(
        printed.contains("blob eligible for deletion"),
        "nothing was collected, though images were deleted: {printed}"
    );
    model.collected();
    for software in [peer, ours] {
        serve(software, folder.path(), &mut model, |server| {
            server.model.check(server.api, software);
        });
    }
}

/// Everything is flushed to the disk by everyone, which takes two thirds of the time there and shows nothing here: what
/// survives a power cut is another test's concern. So the volume is in memory where the machine has such a folder.
fn volume() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a temporary folder")
}

/// Runs one of the registries on the folder for as long as `work` takes.
fn serve(software: Software, folder: &Path, model: &mut Model, work: impl FnOnce(&mut Writer<'_>)) {
    serve_as(software, &stock_config(folder), model, work);
}

fn serve_as(software: Software, config: &str, model: &mut Model, work: impl FnOnce(&mut Writer<'_>)) {
    let server = Server::of(software, config);
    let api = Api::of(&server);
    work(&mut Writer { api: &api, model });
    // A connection that is kept open would keep the server for a while.
    drop(api);
    server.stop();
}

/// Images that share layers, with several tags; indexes; referrers; in the formats of OCI and of Docker.
fn fill(writer: &mut Writer<'_>, rng: &mut Rng, images_each: usize) {
    let layers: Vec<_> = (0..24)
        .map(|number| Blob::random(rng, if number == 0 { 1 << 20 } else { 32 << 10 }))
        .collect();
    for name in REPOSITORIES {
        let mut images: Vec<Rc<Document>> = Vec::new();
        for number in 0..images_each {
            let picked = rng.choose_multiple(layers.iter().cloned(), 3);
            let image = documents::image(rng, picked);
            writer.push(name, Some(&format!("v{number}")), &image);
            if number % 8 == 0 {
                writer.push(name, Some("latest"), &image);
            }
            if number % 4 == 0 {
                writer.push(name, None, &documents::referrer(rng, &image));
            }
            images.push(image);
        }
        for (number, some) in images.chunks(8).enumerate() {
            let index = documents::index(rng, some[..2].to_vec());
            writer.push(name, Some(&format!("multi{number}")), &index);
            writer.push(name, None, &documents::referrer(rng, &index));
        }
    }
}

/// New content beside the old, of which it uses some; a tag moved, one deleted; a manifest of each kind deleted.
fn change(writer: &mut Writer<'_>, rng: &mut Rng) {
    for (name, other) in REPOSITORIES
        .into_iter()
        .zip(REPOSITORIES.into_iter().cycle().skip(1))
    {
        let from_there = Rc::clone(any(rng, writer.model.repositories[other].blobs.values()));
        writer.mount(name, &from_there, other);
        let from_here = Rc::clone(any(rng, writer.model.repositories[name].blobs.values()));
        let image = documents::image(rng, vec![from_there, from_here]);
        let layer = Blob::random(rng, 64 << 10);
        let plain = documents::image(rng, vec![layer]);
        let index = documents::index(rng, vec![Rc::clone(&image), plain]);
        writer.push(name, Some("new"), &index);
        writer.push(name, Some("latest"), &image);

        let old = &writer.model.repositories[name];
        let tagged = |tag: &str| Rc::clone(&old.manifests[&old.tags[tag]]);
        // v4 has a referrer, v1 is in an index, v2 is in nothing; multi0 has both children and a referrer.
        let (subject, child, lone, multi) = (tagged("v4"), tagged("v1"), tagged("v2"), tagged("multi0"));
        let signature = old
            .manifests
            .values()
            .find(|document| document.subject.as_ref() == Some(&multi.digest));
        let signature = signature.expect("each index has one").digest.clone();
        writer.push(name, None, &documents::referrer(rng, &child));
        writer.push(name, Some("v3"), &child);
        writer.delete_tag(name, "v5");
        for digest in [&subject.digest, &lone.digest, &multi.digest, &signature] {
            writer.delete_manifest(name, digest);
        }
    }
}

fn any<T>(rng: &mut Rng, from: impl ExactSizeIterator<Item = T>) -> T {
    rng.choice(from).expect("there are some")
}

/// A generator whose seed is printed, and taken from `ROADSTEAD_SEED` to repeat a run.
fn seeded(what: &str) -> Rng {
    let seed = std::env::var("ROADSTEAD_SEED").map_or_else(
        |_| fastrand::u64(..),
        |seed| seed.parse().expect("ROADSTEAD_SEED is a number"),
    );
    println!("{what}: ROADSTEAD_SEED={seed}");
    Rng::with_seed(seed)
}
