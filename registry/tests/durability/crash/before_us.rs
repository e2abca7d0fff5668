//! What was on the volume before, or is not on every volume.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use fastrand::Rng;

use super::recorder::Recorder;
use super::reopened::Reopened;
use super::replay::{Kept, after_power_cut};
use crate::check::{Reader as _, check};
use crate::client::Client;
use crate::images::{digest_of, image};
use crate::ledger::Ledger;
use crate::server::Server;
use crate::workload::{Notes, Worker};

const NAME: &str = "team/app";

/// Another program wrote an image and died before it, or the kernel, had flushed anything. A client sees that all of it
/// is there, sends only the manifest, and hears that it is stored.
#[test]
#[ignore = "mounts a filesystem, which takes root: scripts/test.sh runs it"]
fn what_nobody_flushed_is_durable_once_a_push_relies_on_it() {
    let mount = tempfile::tempdir().unwrap();
    let recorder = Recorder::mount(mount.path());
    let (config, layer) = (b"{}".to_vec(), b"layer".to_vec());
    let manifest = image(&config, std::slice::from_ref(&layer), None);
    for blob in [&config, &layer, &manifest] {
        write_as_registry_2(mount.path(), blob);
    }
    let server = Server::start(mount.path());
    let client = Client::new(server.address());
    for blob in [&config, &layer] {
        assert!(client.has_blob(NAME, &digest_of(blob)).unwrap());
    }
    client.put_manifest(NAME, "v1", &manifest).unwrap();
    server.kill();
    let nothing_else = Kept { names: 0, pages: 0 };
    let disk = after_power_cut(&recorder.log(), nothing_else, &mut Rng::with_seed(1));
    drop(recorder);
    let folder = tempfile::tempdir().unwrap();
    disk.write_to(folder.path()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let reopened = Reopened::open(folder.path(), &runtime).unwrap();
    assert_eq!(reopened.manifest(NAME, "v1").unwrap(), Some(manifest));
    for blob in [config, layer] {
        assert_eq!(reopened.blob(NAME, &digest_of(&blob)).unwrap(), Some(blob));
    }
}

/// The bytes and the link that makes them a blob of the repository, unflushed.
fn write_as_registry_2(root: &Path, bytes: &[u8]) {
    let digest = digest_of(bytes);
    let hex = digest.strip_prefix("sha256:").unwrap();
    let root = root.join("docker/registry/v2");
    let data = root.join(format!("blobs/sha256/{}/{hex}/data", &hex[..2]));
    let link = root.join(format!("repositories/{NAME}/_layers/sha256/{hex}/link"));
    for (path, bytes) in [(data, bytes), (link, digest.as_bytes())] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
#[ignore = "mounts a filesystem, which takes root: scripts/test.sh runs it"]
fn a_volume_without_hard_links_takes_every_kind_of_push_and_delete() {
    let mount = tempfile::tempdir().unwrap();
    let recorder = Recorder::mount_without_links(mount.path());
    let server = Server::start(mount.path());
    let client = Client::new(server.address());
    let notes = Arc::new(Notes {
        ledger: Mutex::new(Ledger::default()),
        now: Box::new(recorder.moments()),
    });
    std::thread::scope(|scope| {
        for number in 0..3 {
            let (client, notes) = (client.clone(), Arc::clone(&notes));
            let worker =
                move || Worker::new(notes, Rng::with_seed(number as u64), number, 20_000).work(&client, 60);
            scope.spawn(move || worker().unwrap());
        }
    });
    let ledger = notes.ledger.lock().unwrap();
    let found = check(&client, &ledger, (notes.now)()).unwrap();
    assert!(ledger.acknowledged() > 100 && found.certain > 50, "{found:?}");
}
