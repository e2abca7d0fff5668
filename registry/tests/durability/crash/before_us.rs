//! What was on the volume before, or is not on every volume.

use std::fs;
use std::path::Path;

use fastrand::Rng;
use tempfile::TempDir;

use super::recorder::Recorder;
use super::reopened::Reopened;
use super::replay::{Kept, after_power_cut};
use crate::check::{Reader as _, check};
use crate::client::{Client, Way};
use crate::images::{digest_of, image};
use crate::server::Server;
use crate::workload::workers;

const NAME: &str = "team/app";

/// Another program wrote an image and died before it, or the kernel, had flushed anything. A client sees that all of it
/// is there, sends only the manifest, and hears that it is stored.
#[test]
#[ignore = "mounts a filesystem, which takes root: scripts/test.sh runs it"]
fn what_nobody_flushed_is_durable_once_a_push_relies_on_it() {
    let (config, layer) = (b"{}".to_vec(), b"layer".to_vec());
    let manifest = image(&config, std::slice::from_ref(&layer), None);
    for missing in ["reject", "allow"] {
        let mount = tempfile::tempdir().unwrap();
        let recorder = Recorder::mount(mount.path());
        for blob in [&config, &layer, &manifest] {
            write_as_registry_2(mount.path(), blob);
        }
        let settings = [("REGISTRY_VALIDATION_MANIFESTS_MISSING", missing)];
        let server = Server::start_with(mount.path(), &settings);
        let client = Client::new(server.address());
        for blob in [&config, &layer] {
            assert!(client.has_blob(NAME, &digest_of(blob)).unwrap());
        }
        client.put_manifest(NAME, "v1", &manifest).unwrap();
        server.kill();
        let folder = what_was_flushed(recorder);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let reopened = Reopened::open(folder.path(), &runtime).unwrap();
        assert_eq!(
            reopened.manifest(NAME, "v1").unwrap().as_ref(),
            Some(&manifest),
            "{missing}"
        );
        for blob in [&config, &layer] {
            let found = reopened.blob(NAME, &digest_of(blob)).unwrap();
            assert_eq!(found.as_ref(), Some(blob), "{missing}");
        }
    }
}

/// A server died in a delete, before it had flushed anything. Whoever deletes again hears 404, and believes it.
#[test]
#[ignore = "mounts a filesystem, which takes root: scripts/test.sh runs it"]
fn what_a_delete_does_not_find_stays_away() {
    let (config, layer) = (b"{}".to_vec(), b"layer".to_vec());
    let manifest = image(&config, std::slice::from_ref(&layer), None);
    let (of_manifest, of_layer) = (digest_of(&manifest), digest_of(&layer));
    let folder_of = |digest: &str| digest.replace(':', "/");
    let revision = format!("_manifests/revisions/{}", folder_of(&of_manifest));
    let link = format!("_layers/{}", folder_of(&of_layer));
    let (by_digest, blob) = (format!("manifests/{of_manifest}"), format!("blobs/{of_layer}"));
    let cases = [
        ("_manifests/tags/v1/current", "manifests/v1"),
        (&revision, "manifests/v1"),
        (&revision, &by_digest),
        (&link, &blob),
    ];
    for (taken_away, deleted) in cases {
        let mount = tempfile::tempdir().unwrap();
        let recorder = Recorder::mount(mount.path());
        let server = Server::start(mount.path());
        let client = Client::new(server.address());
        for blob in [&config, &layer] {
            client.push_blob(NAME, blob, Way::Put).unwrap();
        }
        client.put_manifest(NAME, "v1", &manifest).unwrap();
        server.kill();
        let repository = mount.path().join("docker/registry/v2/repositories").join(NAME);
        fs::remove_dir_all(repository.join(taken_away)).unwrap();
        let server = Server::start(mount.path());
        Client::new(server.address()).delete(NAME, deleted).unwrap();
        server.kill();
        let folder = what_was_flushed(recorder);
        let server = Server::start(folder.path());
        let (status, _) = Client::new(server.address())
            .get(&format!("/v2/{NAME}/{deleted}"))
            .unwrap();
        assert_eq!(status, 404, "{deleted}, after {taken_away} was taken away");
    }
}

/// The volume after a power cut that took everything else.
fn what_was_flushed(recorder: Recorder) -> TempDir {
    let nothing_else = Kept { names: 0, pages: 0 };
    let disk = after_power_cut(&recorder.log(), nothing_else, &mut Rng::with_seed(1));
    drop(recorder);
    let folder = tempfile::tempdir().unwrap();
    disk.write_to(folder.path()).unwrap();
    folder
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
    let (notes, mut workers) = workers(3, 20_000, &mut Rng::with_seed(0), recorder.moments());
    std::thread::scope(|scope| {
        for worker in &mut workers {
            let client = client.clone();
            scope.spawn(move || worker.work(&client, 60).unwrap());
        }
    });
    let ledger = notes.ledger.lock().unwrap();
    let found = check(&client, &ledger, (notes.now)()).unwrap();
    assert!(ledger.acknowledged() > 100 && found.certain > 50, "{found:?}");
}
