//! What a push, a pull and the move of a tag cost: system calls on files, in a table that a change keeps or explains.

mod tracer;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use tracer::{Counts, Tracer};

use crate::client::{Client, Way};
use crate::images::{common, image, noise};
use crate::server::Server;

const TABLE: &str = "tests/durability/costs/table.txt";
const REPOSITORY: &str = "team/app";
/// What was written this moment may change unseen, so it is not remembered. And threads come to rest.
const REST: Duration = Duration::from_millis(500);

#[test]
fn a_push_a_pull_and_the_move_of_a_tag_cost_what_the_table_says() {
    let found = measure();
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    if std::env::var_os("ROADSTEAD_UPDATE_GOLDEN").is_some() {
        std::fs::write(&table, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&table).unwrap_or_default();
    assert!(
        found == expected,
        "{TABLE} says\n{expected}\nbut found was\n{found}\nIf that is meant, run 'make golden' and say in the commit why."
    );
}

fn measure() -> String {
    // Everywhere the same kind of filesystem: memory, where calls cost the same, however long a disk takes.
    let store = tempfile::tempdir_in("/dev/shm").unwrap();
    // Whether the disk still works is asked now and then, which is no part of a push.
    let server = Server::start_with(
        store.path(),
        &[("REGISTRY_HEALTH_STORAGEDRIVER_ENABLED", "false")],
    );
    let client = Client::new(server.address());
    let tracer = Tracer::follow(server.pid(), &store.path().to_string_lossy());
    let mut chance = fastrand::Rng::with_seed(1);
    let (config, small) = (common(1), common(2));
    let large = noise(&mut chance, 16 << 20);
    let (first, second) = (
        image(&config, std::slice::from_ref(&small), None),
        image(&config, std::slice::from_ref(&large), None),
    );
    let push = |blobs: &[&[u8]], manifest: &[u8]| {
        for blob in blobs {
            client.push_blob(REPOSITORY, blob, Way::Streamed).unwrap();
        }
        client.put_manifest(REPOSITORY, "latest", manifest).unwrap();
    };
    let pull = |blobs: &[&[u8]]| {
        let get = |path: &str| client.get(&format!("/v2/{REPOSITORY}/{path}")).unwrap();
        assert_eq!(get("manifests/latest").0, 200);
        for blob in blobs {
            let path = format!("blobs/{}", crate::images::digest_of(blob));
            assert!(get(&path) == (200, blob.to_vec()));
        }
    };
    // What the first push makes for all that follow, several of its threads make at once: its figures differ.
    push(&[&common(3)], &image(&common(3), &[], None));
    let mut table = String::new();
    let mut measured = |what: &str, action: &dyn Fn()| {
        std::thread::sleep(REST);
        tracer.take();
        action();
        std::thread::sleep(REST);
        add(&mut table, what, &tracer.take());
    };
    measured("a push of a small image", &|| push(&[&config, &small], &first));
    measured("a push of one large layer", &|| push(&[&large], &second));
    measured("the move of a tag", &|| push(&[], &first));
    measured("the same push once more", &|| push(&[], &first));
    measured("a pull", &|| pull(&[&config, &small]));
    measured("the same pull once more", &|| pull(&[&config, &small]));
    table
}

fn add(table: &mut String, what: &str, counts: &Counts) {
    writeln!(table, "{what}").unwrap();
    for (call, count) in counts {
        writeln!(table, "  {call:10}{count:5}").unwrap();
    }
}
