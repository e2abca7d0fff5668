//! A disk that is full, one that cannot be written, and one that this process may not write.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::check::Reader as _;
use crate::client::{Client, Failure, Way};
use crate::images::{digest_of, image, noise};
use crate::mounts;
use crate::server::Server;

const NAME: &str = "team/app";
const CONFIG: &[u8] = b"{}";

struct Image {
    layer: Vec<u8>,
    manifest: Vec<u8>,
}

fn push(client: &Client, tag: &str) -> Image {
    let layer = tag.repeat(2000).into_bytes();
    client.push_blob(NAME, CONFIG, Way::Put).unwrap();
    client.push_blob(NAME, &layer, Way::Monolithic).unwrap();
    let manifest = image(CONFIG, std::slice::from_ref(&layer), None);
    client.put_manifest(NAME, tag, &manifest).unwrap();
    Image { layer, manifest }
}

fn assert_pulls(client: &Client, tag: &str, image: &Image) {
    assert_eq!(
        client.manifest(NAME, tag).unwrap().as_ref(),
        Some(&image.manifest)
    );
    let layer = digest_of(&image.layer);
    assert_eq!(client.blob(NAME, &layer).unwrap().as_ref(), Some(&image.layer));
    assert!(client.has_blob(NAME, &layer).unwrap());
}

/// Pushes something that refers to an image, and removes what the server knows of it, as after a push through registry:2.
fn push_referrer(client: &Client, folder: &Path, subject: &Image) -> String {
    client.push_blob(NAME, CONFIG, Way::Put).unwrap();
    let signature = image(CONFIG, &[], Some(&subject.manifest));
    client
        .put_manifest(NAME, &digest_of(&signature), &signature)
        .unwrap();
    fs::remove_dir_all(folder.join("roadstead/referrers")).unwrap();
    digest_of(&signature)
}

fn assert_referred_to(client: &Client, image: &Image, by: &str) {
    assert_eq!(client.referrers(NAME, &digest_of(&image.manifest)).unwrap(), [by]);
}

fn assert_refused<T: std::fmt::Debug>(result: Result<T, Failure>, status: &str) {
    match result {
        Err(Failure::Wrong(answer)) if answer.contains(status) && answer.contains("\"UNAVAILABLE\"") => {}
        other => panic!("not refused with {status}: {other:?}"),
    }
}

/// What can be asked for, and what was left on the way there.
fn stored(folder: &Path) -> BTreeMap<String, u64> {
    fn walk(folder: &Path, files: &mut BTreeMap<String, u64>) {
        for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            let path = entry.path();
            match entry.metadata().unwrap() {
                found if found.is_dir() => walk(&path, files),
                found => drop(files.insert(path.display().to_string(), found.len())),
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(folder, &mut files);
    files.retain(|path, _| !path.contains("/_uploads/") && !path.contains("/filler"));
    files
}

fn fill(folder: &Path) {
    let mut filler = fs::File::create(folder.join("filler")).unwrap();
    for size in [64 << 10, 4096, 1] {
        while filler.write_all(&vec![1; size]).is_ok() {}
    }
    // Not even an empty file finds room.
    let folder = folder.join("fillers");
    fs::create_dir(&folder).unwrap();
    for number in 0.. {
        if fs::File::create(folder.join(number.to_string())).is_err() {
            break;
        }
    }
}

#[test]
#[ignore = "mounts a filesystem, which takes root: scripts/test.sh runs it"]
fn a_full_disk_serves_pulls_refuses_pushes_takes_deletes_and_recovers() {
    mounts::of_our_own();
    let folder = tempfile::tempdir().unwrap();
    mounts::small_disk(folder.path(), 4 << 20);
    let server = Server::start(folder.path());
    let client = Client::new(server.address());
    let (kept, deleted) = (push(&client, "kept"), push(&client, "deleted"));
    push(&client, "untagged");
    let signature = push_referrer(&client, folder.path(), &kept);
    // As after a roll-out: nobody has indexed these tags.
    fs::remove_dir_all(folder.path().join("roadstead/tags")).unwrap();
    let before = stored(folder.path());

    let too_large = noise(&mut fastrand::Rng::with_seed(1), 8 << 20);
    for way in Way::ALL {
        // On a connection of its own: the server may end it together with its answer.
        match Client::new(server.address()).push_blob(NAME, &too_large, way) {
            // Told while it was still sending, a client may miss the answer.
            Err(Failure::NoAnswer) => {}
            refused => assert_refused(refused, "507"),
        }
        // What was written in vain is removed after the answer.
        for _ in 0..500 {
            if stored(folder.path()) == before {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(stored(folder.path()), before, "{way:?}");
        assert_pulls(&client, "kept", &kept);
    }

    fill(folder.path());
    let another = image(CONFIG, &[], None);
    assert_refused(client.put_manifest(NAME, "new", &another), "507");
    assert_refused(client.put_manifest(NAME, "kept", &another), "507");
    assert_refused(client.push_blob(NAME, b"small", Way::Monolithic), "507");
    assert_pulls(&client, "kept", &kept);
    assert_referred_to(&client, &kept, &signature);
    let digest = digest_of(&deleted.manifest);
    for below in ["manifests/untagged".to_owned(), format!("manifests/{digest}")] {
        client.delete(NAME, &below).unwrap();
    }
    assert_eq!(client.manifest(NAME, "deleted").unwrap(), None);
    assert_eq!(client.manifest(NAME, "untagged").unwrap(), None);
    assert_pulls(&client, "kept", &kept);

    fs::remove_file(folder.path().join("filler")).unwrap();
    fs::remove_dir_all(folder.path().join("fillers")).unwrap();
    let new = push(&client, "new");
    assert_pulls(&client, "new", &new);
    assert_pulls(&client, "kept", &kept);
}

#[test]
#[ignore = "mounts a filesystem, which takes root: scripts/test.sh runs it"]
fn a_disk_that_cannot_be_written_serves_pulls_also_of_those_who_may_push() {
    mounts::of_our_own();
    let folder = tempfile::tempdir().unwrap();
    mounts::small_disk(folder.path(), 4 << 20);
    let server = Server::start(folder.path());
    let client = Client::new(server.address());
    let kept = push(&client, "kept");
    let signature = push_referrer(&client, folder.path(), &kept);
    server.kill();
    // Old enough that a HEAD would renew them.
    let long_ago = SystemTime::now() - Duration::from_secs(30 * 3600);
    for path in stored(folder.path()).keys() {
        fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
    }
    mounts::make_read_only(folder.path());
    let hook = "[{name: hook, url: 'http://127.0.0.1:9/'}]";
    let server = Server::start_with(folder.path(), &[("REGISTRY_NOTIFICATIONS_ENDPOINTS", hook)]);
    let client = Client::new(server.address());
    assert_pulls(&client, "kept", &kept);
    assert_refused(client.push_blob(NAME, b"new", Way::Monolithic), "503");
    assert_refused(client.start_upload(NAME), "503");
    assert_refused(client.put_manifest(NAME, "new", &kept.manifest), "503");
    assert_refused(client.delete(NAME, "manifests/kept"), "503");
    client.delete(NAME, "manifests/nothing").unwrap();
    assert_pulls(&client, "kept", &kept);
    assert_referred_to(&client, &kept, &signature);
}

/// As after a change of the pod's user, or on NFS with `root_squash`.
#[test]
#[ignore = "gives files to another user, which takes root: scripts/test.sh runs it"]
fn a_folder_of_another_user_serves_pulls_and_says_why_it_takes_no_pushes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let kept = push(&Client::new(server.address()), "kept");
    server.kill();
    let admin_address = format!("127.0.0.1:{}", free_port());
    let variables = [("REGISTRY_HTTP_DEBUG_ADDR", admin_address.as_str())];
    give_to(folder.path(), 1000);
    let server = Server::start_bound_by_modes(folder.path(), &variables);
    let client = Client::new(server.address());
    assert_pulls(&client, "kept", &kept);
    assert_refused(client.push_blob(NAME, b"new", Way::Monolithic), "503");
    assert_refused(client.start_upload(NAME), "503");
    assert_refused(client.put_manifest(NAME, "new", &kept.manifest), "503");
    assert_refused(client.delete(NAME, "manifests/kept"), "503");
    assert_pulls(&client, "kept", &kept);
    let url = format!("http://{admin_address}/readyz");
    let ready = || {
        ureq::get(&url)
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap()
    };
    let told = "ok\nstorage: not writable: the store refuses to write roadstead/probe: Permission denied";
    assert!(ready().starts_with(told), "{}", ready());
    server.kill();

    give_to(folder.path(), 0);
    let server = Server::start_bound_by_modes(folder.path(), &variables);
    push(&Client::new(server.address()), "new");
    assert_eq!(ready(), "ok\n");
}

fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

fn give_to(path: &Path, user: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_to(&entry.unwrap().path(), user);
        }
    }
}
