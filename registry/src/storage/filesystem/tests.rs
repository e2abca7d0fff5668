//! The contract, and what only a folder can show.

use std::fs;
use std::sync::Arc;

use futures::TryStreamExt;
use rustix::io::Errno;
use tempfile::TempDir;

use super::*;
use crate::storage::contract::contract_tests;
use crate::storage::{Storage, Uploads as _};

fn fresh() -> (Arc<dyn Storage>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(FilesystemStorage::open(folder.path()).unwrap()), folder)
}

contract_tests!(fresh());

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// What is there now.
async fn delete_seen(storage: &dyn Storage, at: &Key) {
    let (_, version) = storage.read_version(at, 100).await.unwrap().unwrap();
    let removal = storage.delete_if_same(at, &version).await.unwrap();
    assert_eq!(removal, Removal::Deleted);
}

#[tokio::test]
async fn a_value_left_aside_by_a_crash_is_still_read_and_can_be_deleted() {
    let (storage, folder) = fresh();
    let link = key("tags/v1/current/link");
    storage.write(&link, Bytes::from_static(b"value")).await.unwrap();
    let current = folder.path().join("tags/v1/current");
    let aside = current.join(format!("{}link~0123", removal::SET_ASIDE));
    fs::rename(current.join("link"), &aside).unwrap();
    assert_eq!(
        storage.read(&link, 100).await.unwrap().as_deref(),
        Some(&b"value"[..])
    );
    storage.delete(&link).await.unwrap();
    assert_eq!(storage.read(&link, 100).await.unwrap(), None);
    assert!(!folder.path().join("tags").exists());
}

#[tokio::test]
async fn a_value_left_aside_by_a_crash_does_not_hide_a_newer_one() {
    let (storage, folder) = fresh();
    let link = key("tags/v1/current/link");
    storage.write(&link, Bytes::from_static(b"new")).await.unwrap();
    let aside = folder
        .path()
        .join("tags/v1/current")
        .join(format!("{}link~0123", removal::SET_ASIDE));
    fs::write(aside, "old").unwrap();
    assert_eq!(
        storage.read(&link, 100).await.unwrap().as_deref(),
        Some(&b"new"[..])
    );
    storage.delete(&link).await.unwrap();
    assert_eq!(storage.read(&link, 100).await.unwrap(), None);
}

/// A crash left the first value aside, the second one came later and is deleted: the first one stays away.
#[tokio::test]
async fn a_value_left_aside_by_a_crash_does_not_come_back_when_a_newer_one_is_deleted() {
    let (storage, folder) = fresh();
    let link = key("tags/v1/current/link");
    storage.write(&link, Bytes::from_static(b"old")).await.unwrap();
    let current = folder.path().join("tags/v1/current");
    let aside = current.join(format!("{}link~0123", removal::SET_ASIDE));
    fs::rename(current.join("link"), &aside).unwrap();
    storage.write(&link, Bytes::from_static(b"new")).await.unwrap();
    delete_seen(&*storage, &link).await;
    assert_eq!(storage.read(&link, 100).await.unwrap(), None);
    assert!(!current.exists());
}

#[tokio::test]
async fn of_two_values_left_aside_the_newer_one_counts() {
    let (storage, folder) = fresh();
    let link = key("tags/v1/current/link");
    let current = folder.path().join("tags/v1/current");
    storage.write(&link, Bytes::from_static(b"old")).await.unwrap();
    let (_, old) = storage.read_version(&link, 100).await.unwrap().unwrap();
    for (value, number) in [("old", 2), ("new", 1)] {
        if value == "new" {
            storage.write(&link, Bytes::from_static(b"new")).await.unwrap();
        }
        let aside = current.join(format!("{}link~{number}", removal::SET_ASIDE));
        fs::rename(current.join("link"), &aside).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(
        storage.read(&link, 100).await.unwrap().as_deref(),
        Some(&b"new"[..])
    );
    let removal = storage.delete_if_same(&link, &old).await.unwrap();
    assert_eq!(removal, Removal::Moved);
    assert_eq!(
        storage.read(&link, 100).await.unwrap().as_deref(),
        Some(&b"new"[..])
    );
    delete_seen(&*storage, &link).await;
    assert_eq!(storage.read(&link, 100).await.unwrap(), None);
}

/// As registry:2 writes it, and at once: within one tick of the clock of files.
#[tokio::test]
async fn a_value_that_is_written_in_place_is_another_one_however_soon() {
    let (storage, folder) = fresh();
    let link = key("tags/v1/current/link");
    let path = folder.path().join(link.as_str());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    for round in 0..50 {
        fs::write(&path, "same").unwrap();
        let (_, seen) = storage.read_version(&link, 100).await.unwrap().unwrap();
        fs::write(&path, "same").unwrap();
        let removal = storage.delete_if_same(&link, &seen).await.unwrap();
        assert_eq!(removal, Removal::Moved);
        assert_eq!(fs::read(&path).unwrap(), b"same", "round {round}");
    }
}

#[tokio::test]
async fn the_temporary_folder_may_be_removed_below_a_running_server() {
    let (storage, folder) = fresh();
    storage
        .write(&key("a"), Bytes::from_static(b"before"))
        .await
        .unwrap();
    fs::remove_dir_all(folder.path().join("roadstead")).unwrap();
    storage.write(&key("a"), Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"x");
}

#[tokio::test]
async fn a_torn_write_is_never_seen_under_its_name() {
    let (storage, folder) = fresh();
    let link = key("a/link");
    storage.write(&link, Bytes::from_static(b"whole")).await.unwrap();
    fs::write(folder.path().join("roadstead/tmp/left-by-a-crash"), "ha").unwrap();
    assert_eq!(
        storage.read(&link, 100).await.unwrap().as_deref(),
        Some(&b"whole"[..])
    );
}

#[test]
fn a_full_disk_is_told_apart_from_one_that_refuses_writes_and_from_a_broken_one() {
    let error = |action, kind: io::ErrorKind| Error::new(action, &key("a"), kind.into());
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        assert!(matches!(error("write", kind), Error::Full { .. }), "{kind}");
    }
    for action in ["write", "create", "publish", "make folder", "delete", "renew"] {
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
            let refused = error(action, kind);
            assert!(matches!(refused, Error::ReadOnly { .. }), "{refused}: {kind}");
        }
    }
    for action in ["read", "open", "list", "look at"] {
        let broken = error(action, io::ErrorKind::PermissionDenied);
        assert!(matches!(broken, Error::Failed { .. }), "{broken}: pulls fail too");
    }
    for errno in [Errno::MFILE, Errno::NFILE, Errno::TIMEDOUT] {
        let busy = Error::new("open", &key("a"), errno.into());
        assert!(matches!(busy, Error::Busy { .. }), "{busy}: {errno}");
    }
}

/// A pull goes on with what it began with.
#[tokio::test]
async fn an_open_object_outlives_its_deletion() {
    let (storage, _folder) = fresh();
    storage
        .write(&key("a/b"), Bytes::from_static(b"hello"))
        .await
        .unwrap();
    let Opened::Found(reading) = storage.open(&key("a/b"), Wanted::All).await.unwrap() else {
        panic!("not found");
    };
    storage.delete(&key("a/b")).await.unwrap();
    assert_eq!(
        reading.pieces.try_collect::<Vec<_>>().await.unwrap().concat(),
        b"hello"
    );
}

/// A crash may have left the only name of a tag aside.
#[tokio::test]
async fn a_walk_meets_what_lies_aside_under_its_own_name_and_once() {
    let (storage, folder) = fresh();
    let link = key("tags/v1/current/link");
    storage.write(&link, Bytes::from_static(b"value")).await.unwrap();
    let current = folder.path().join("tags/v1/current");
    for number in 0..2 {
        fs::copy(
            current.join("link"),
            current.join(format!("{}link~{number}", removal::SET_ASIDE)),
        )
        .unwrap();
    }
    for _ in 0..2 {
        let found: Vec<(Key, Stat)> = storage.walk(&key("tags")).try_concat().await.unwrap();
        assert!(
            matches!(&found[..], [(found, stat)] if *found == link && stat.size == 5),
            "{found:?}"
        );
        let _ = fs::remove_file(current.join("link"));
    }
}

/// By itself, or when nobody wants it any more.
#[tokio::test]
async fn the_bytes_of_an_upload_go_with_whoever_brought_them() {
    let (storage, folder) = fresh();
    let names = |at: &str| {
        let names = fs::read_dir(folder.path().join(at)).unwrap();
        names
            .map(|name| name.unwrap().file_name().into_string().unwrap())
            .collect::<Vec<_>>()
    };
    storage.begin(&key("up/one"), None).await.unwrap();
    for (at, mut writer) in [
        (
            "up/one",
            storage.load(&key("up/one")).await.unwrap().unwrap().writer,
        ),
        ("roadstead/tmp", storage.direct(&key("a"))),
    ] {
        let before = names(at);
        writer.put(Bytes::from_static(b"half")).await.unwrap();
        assert_eq!(names(at).len(), before.len() + 1);
        drop(writer);
        for _ in 0..500 {
            if names(at) == before {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(names(at), before);
    }
    let mut writer = storage.direct(&key("a"));
    writer.put(Bytes::from_static(b"whole")).await.unwrap();
    let sealed = writer.seal().await.unwrap();
    sealed.publish(&key("a")).await.unwrap();
    sealed.forget().await.unwrap();
    assert_eq!(names("roadstead/tmp"), [""; 0]);
}

#[tokio::test]
async fn opening_and_reading_write_nothing() {
    let (storage, folder) = fresh();
    assert_eq!(storage.read(&key("a"), 100).await.unwrap(), None);
    assert_eq!(storage.list(&key("a"), None, 10).await.unwrap(), Page::default());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Depending on the kernel, tmpfs refuses to be read and written past its page cache, which is all that it has.
#[tokio::test]
async fn where_memory_is_the_disk_large_objects_go_through_it() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    for direct_io in [DirectIo::Auto, DirectIo::On, DirectIo::Off] {
        let storage = FilesystemStorage::open_with(folder.path(), direct_io).unwrap();
        let mut writer = storage.direct(&key("layer"));
        let mut bytes = Vec::new();
        while bytes.len() < 5 << 20 {
            let mut piece = writer.piece().await.unwrap();
            let number = u8::try_from(bytes.len() >> 16).unwrap();
            piece.fill_from(&mut vec![number; piece.capacity()].into());
            bytes.extend_from_slice(piece.filled());
            writer.put(piece.freeze()).await.unwrap();
        }
        writer.seal().await.unwrap().publish(&key("layer")).await.unwrap();
        for _ in 0..2 {
            let Opened::Found(mut reading) = storage.open(&key("layer"), Wanted::All).await.unwrap() else {
                panic!("not found");
            };
            let mut read = Vec::new();
            while let Some(piece) = reading.pieces.try_next().await.unwrap() {
                read.extend_from_slice(&piece);
            }
            assert!(read == bytes, "{direct_io:?}");
        }
    }
}
