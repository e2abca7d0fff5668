//! What is there, by key.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::TryStreamExt;
use tokio::task::JoinSet;

use super::super::{Key, Opened, Removal, Stat, Version, Wanted};
use super::{Store, all_of, key};

async fn put(storage: &Store, at: &str, bytes: &'static str) {
    storage
        .write(&key(at), Bytes::from_static(bytes.as_bytes()))
        .await
        .unwrap();
}

async fn get(storage: &Store, at: &str) -> Option<String> {
    let bytes = storage.read(&key(at), 1 << 20).await.unwrap();
    bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

/// Of this value, if it is there.
async fn version(storage: &Store, at: &Key, value: &str) -> Option<Version> {
    let (bytes, version) = storage.read_version(at, 100).await.unwrap()?;
    (bytes == value).then_some(version)
}

async fn names(storage: &Store, folder: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let after = names.last().map(String::as_str).or(after);
        let page = storage
            .list(&key(folder), after, limit - names.len())
            .await
            .unwrap();
        let is_last = !page.more || page.entries.is_empty();
        names.extend(page.entries.into_iter().map(|entry| entry.name));
        if is_last || names.len() == limit {
            return names;
        }
    }
}

pub(crate) async fn an_object_reads_as_it_was_written(storage: Store) {
    put(&storage, "a/b/c", "hello").await;
    assert_eq!(get(&storage, "a/b/c").await.as_deref(), Some("hello"));
    assert_eq!(storage.stat(&key("a/b/c")).await.unwrap().unwrap().size, 5);
}

pub(crate) async fn what_is_not_there_is_none(storage: Store) {
    put(&storage, "a/file", "x").await;
    for missing in ["b", "a/b", "a/b/c", "a/file/below"] {
        assert_eq!(get(&storage, missing).await, None, "{missing}");
        assert!(storage.stat(&key(missing)).await.unwrap().is_none(), "{missing}");
        let opened = storage.open(&key(missing), Wanted::All).await.unwrap();
        assert!(matches!(opened, Opened::Missing), "{missing}");
    }
}

pub(crate) async fn a_folder_is_no_object(storage: Store) {
    put(&storage, "a/b/c", "x").await;
    assert!(storage.stat(&key("a/b")).await.unwrap().is_none());
    let opened = storage.open(&key("a/b"), Wanted::All).await.unwrap();
    assert!(matches!(opened, Opened::Missing), "{opened:?}");
}

pub(crate) async fn reading_stops_at_the_limit(storage: Store) {
    put(&storage, "a", "hello").await;
    let bytes = storage.read(&key("a"), 2).await.unwrap().unwrap();
    assert_eq!(&bytes[..], b"he");
}

pub(crate) async fn many_read_as_each_of_them_does(storage: Store) {
    let keys: Arc<[Key]> = (0..300).map(|i| key(&format!("many/{i}/link"))).collect();
    for at in keys.iter().step_by(3) {
        storage.write(at, at.to_string().into()).await.unwrap();
    }
    let read = storage.read_many(Arc::clone(&keys), 9).await.unwrap();
    for (i, (at, bytes)) in keys.iter().zip(read).enumerate() {
        let expected = (i % 3 == 0).then(|| &at.as_str().as_bytes()[..9]);
        assert_eq!(bytes.as_deref(), expected, "{at}");
    }
    assert!(storage.read_many([].into(), 9).await.unwrap().is_empty());
}

pub(crate) async fn writing_again_replaces_and_renews_the_time(storage: Store) {
    put(&storage, "a", "same").await;
    let before = storage.stat(&key("a")).await.unwrap().unwrap().modified;
    // Some stores date by whole seconds.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    put(&storage, "a", "same").await;
    let after = storage.stat(&key("a")).await.unwrap().unwrap().modified;
    assert!(after > before && after <= SystemTime::now() + Duration::from_secs(1));
    put(&storage, "a", "other").await;
    assert_eq!(get(&storage, "a").await.as_deref(), Some("other"));
}

pub(crate) async fn flushing_changes_nothing(storage: Store) {
    put(&storage, "a/b", "same").await;
    let before = storage.stat(&key("a/b")).await.unwrap();
    assert!(storage.confirm(&key("a/b")).await.unwrap());
    assert_eq!(storage.stat(&key("a/b")).await.unwrap(), before);
    assert!(!storage.confirm(&key("a/c")).await.unwrap());
    assert!(!storage.confirm(&key("nowhere/c")).await.unwrap());
}

pub(crate) async fn an_empty_object_is_an_object(storage: Store) {
    put(&storage, "a", "").await;
    assert_eq!(get(&storage, "a").await.as_deref(), Some(""));
    assert_eq!(storage.stat(&key("a")).await.unwrap().unwrap().size, 0);
}

pub(crate) async fn the_last_of_many_writers_wins_whole(storage: Store) {
    let mut tasks = JoinSet::new();
    for number in 0..16_u8 {
        let storage = Arc::clone(&storage);
        let bytes = Bytes::from(vec![b'a' + number; 10_000]);
        tasks.spawn(async move { storage.write(&key("race/one"), bytes).await.unwrap() });
    }
    tasks.join_all().await;
    let found = get(&storage, "race/one").await.unwrap();
    assert_eq!(found.len(), 10_000);
    assert!(found.bytes().all(|byte| byte == found.as_bytes()[0]));
}

pub(crate) async fn an_object_is_read_in_parts(storage: Store) {
    put(&storage, "a", "hello").await;
    for (wanted, range, expected) in [
        (Wanted::All, 0..5, "hello"),
        (Wanted::From(3), 3..5, "lo"),
        (Wanted::Between(1, 3), 1..4, "ell"),
        (Wanted::Between(4, 500), 4..5, "o"),
        (Wanted::Last(2), 3..5, "lo"),
        (Wanted::Last(500), 0..5, "hello"),
    ] {
        let Opened::Found(reading) = storage.open(&key("a"), wanted).await.unwrap() else {
            panic!("{wanted:?} is not found");
        };
        assert_eq!((reading.stat.size, reading.range), (5, range), "{wanted:?}");
        assert_eq!(all_of(reading.pieces).await, expected.as_bytes(), "{wanted:?}");
    }
    for wanted in [Wanted::From(5), Wanted::Between(5, 5), Wanted::Last(0)] {
        let opened = storage.open(&key("a"), wanted).await.unwrap();
        assert!(matches!(opened, Opened::Unsatisfiable { size: 5 }), "{opened:?}");
    }
}

pub(crate) async fn what_is_written_lazily_is_seen_at_once(storage: Store) {
    for value in ["", "other"] {
        storage.write_lazily(&key("a/b"), value.into()).await.unwrap();
        assert_eq!(get(&storage, "a/b").await.as_deref(), Some(value));
    }
}

pub(crate) async fn a_listing_is_sorted_and_paged(storage: Store) {
    for name in ["b", "a-b", "a", "c", "B"] {
        put(&storage, &format!("list/{name}"), "x").await;
    }
    put(&storage, "list/folder/x", "x").await;
    assert_eq!(
        names(&storage, "list", None, 100).await,
        ["B", "a", "a-b", "b", "c", "folder"]
    );
    assert_eq!(names(&storage, "list", None, 2).await, ["B", "a"]);
    assert_eq!(names(&storage, "list", Some("a"), 2).await, ["a-b", "b"]);
    assert_eq!(names(&storage, "list", Some("aa"), 1).await, ["b"]);
    assert_eq!(names(&storage, "list", None, 0).await, [""; 0]);
    let page = storage.list(&key("list"), Some("c"), 9).await.unwrap();
    assert!(page.entries.len() == 1 && page.entries[0].is_folder && !page.more);
    let page = storage.list(&key("list"), None, 1).await.unwrap();
    assert!(page.entries.len() == 1 && page.more);
}

pub(crate) async fn a_missing_folder_lists_as_empty(storage: Store) {
    assert_eq!(names(&storage, "nowhere", None, 10).await, [""; 0]);
}

pub(crate) async fn deleting_is_idempotent_and_tidies_up(storage: Store) {
    put(&storage, "keep/a/b/c", "x").await;
    put(&storage, "keep/a/other", "x").await;
    for _ in 0..2 {
        storage.delete(&key("keep/a/b/c")).await.unwrap();
        assert_eq!(names(&storage, "keep/a", None, 10).await, ["other"]);
    }
    storage.delete(&key("keep/a/other")).await.unwrap();
    assert_eq!(names(&storage, "keep", None, 10).await, [""; 0]);
    storage.delete(&key("never/was/there")).await.unwrap();
}

pub(crate) async fn of_many_that_are_deleted_each_has_an_answer(storage: Store) {
    let keys: Arc<[Key]> = (0..30).map(|i| key(&format!("many/{i}/link"))).collect();
    for at in keys.iter().step_by(2) {
        storage.write(at, Bytes::new()).await.unwrap();
    }
    put(&storage, "many/stays", "x").await;
    let answers = storage.delete_many(Arc::clone(&keys)).await.unwrap();
    assert!(
        answers.len() == keys.len() && answers.iter().all(Result::is_ok),
        "{answers:?}"
    );
    assert_eq!(names(&storage, "many", None, 10).await, ["stays"]);
    assert!(storage.delete_many([].into()).await.unwrap().is_empty());
}

pub(crate) async fn delete_if_same_spares_another_value(storage: Store) {
    let at = key("tag/link");
    put(&storage, "tag/link", "old").await;
    let old = version(&storage, &at, "old").await.unwrap();
    put(&storage, "tag/link", "new").await;
    let removal = storage.delete_if_same(&at, &old).await.unwrap();
    assert!(matches!(removal, Removal::Moved | Removal::Unsure), "{removal:?}");
    assert_eq!(get(&storage, "tag/link").await.as_deref(), Some("new"));
    let new = version(&storage, &at, "new").await.unwrap();
    for _ in 0..2 {
        let removal = storage.delete_if_same(&at, &new).await.unwrap();
        assert_eq!(removal == Removal::Deleted, storage.can_delete_if_same());
        let is_there = match removal {
            Removal::Deleted => None,
            Removal::Unsure => Some("new"),
            Removal::Moved => panic!("nobody moved it"),
        };
        assert_eq!(get(&storage, "tag/link").await.as_deref(), is_there);
    }
}

pub(crate) async fn delete_if_same_spares_the_same_value_written_again(storage: Store) {
    let at = key("tag/link");
    for round in 0..20 {
        put(&storage, "tag/link", "same").await;
        let seen = version(&storage, &at, "same").await.unwrap();
        put(&storage, "tag/link", "same").await;
        let removal = storage.delete_if_same(&at, &seen).await.unwrap();
        assert_ne!(removal, Removal::Deleted, "round {round}");
        let found = get(&storage, "tag/link").await;
        assert_eq!(found.as_deref(), Some("same"), "round {round}");
    }
}

pub(crate) async fn what_was_written_has_the_version_that_is_read(storage: Store) {
    let written = storage
        .write(&key("a"), Bytes::from_static(b"one"))
        .await
        .unwrap();
    assert_eq!(version(&storage, &key("a"), "one").await, Some(written.clone()));
    let other = storage
        .write(&key("a"), Bytes::from_static(b"other"))
        .await
        .unwrap();
    assert_ne!(written, other);
}

pub(crate) async fn a_walk_meets_all_objects_in_the_order_of_their_keys(storage: Store) {
    let mut keys: Vec<String> = (0..1500).map(|i| format!("w/{}/{i:04}/data", i % 7)).collect();
    keys.extend(["w/a-b/c", "w/a/c", "w/a.b", "w/a0", "w/z"].map(str::to_owned));
    for at in keys.iter().rev() {
        storage.write_lazily(&key(at), at.clone().into()).await.unwrap();
    }
    put(&storage, "w-not/below", "x").await;
    keys.sort();
    let found: Vec<(Key, Stat)> = storage.walk(&key("w")).try_concat().await.unwrap();
    let names: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(names, keys);
    assert!(
        found
            .iter()
            .all(|(key, stat)| stat.size == key.as_str().len() as u64)
    );
    for nothing in ["nowhere", "w/z"] {
        let found: Vec<(Key, Stat)> = storage.walk(&key(nothing)).try_concat().await.unwrap();
        assert!(found.is_empty(), "{found:?} below {nothing}");
    }
}

pub(crate) async fn its_clock_is_the_one_that_dates_objects(storage: Store) {
    put(&storage, "a", "x").await;
    let clock = storage.clock();
    let found = storage.stat(&key("a")).await.unwrap().unwrap();
    assert!(clock.uncertainty < Duration::from_secs(60), "{clock:?}");
    assert!(
        clock.is_younger(found.modified, Duration::from_secs(120)),
        "{clock:?}"
    );
    assert!(
        !clock.is_older(found.modified, Duration::from_secs(60)),
        "{clock:?}"
    );
}

/// One deletes the value `old` again and again, others move it to `new` values and read: once `new` is there, no
/// read may find nothing.
pub(crate) async fn a_value_written_during_delete_if_same_is_never_missed(storage: Store) {
    let at = key("tags/v1/link");
    for round in 0..60 {
        storage.write(&at, Bytes::from_static(b"old")).await.unwrap();
        let old = version(&storage, &at, "old").await.unwrap();
        let deletions: JoinSet<()> = (0..2)
            .map(|_| {
                let (storage, at, old) = (Arc::clone(&storage), at.clone(), old.clone());
                async move {
                    storage.delete_if_same(&at, &old).await.unwrap();
                }
            })
            .collect();
        storage.write(&at, Bytes::from_static(b"new")).await.unwrap();
        for _ in 0..20 {
            assert_eq!(
                get(&storage, at.as_str()).await.as_deref(),
                Some("new"),
                "round {round}"
            );
        }
        deletions.join_all().await;
        assert_eq!(
            get(&storage, at.as_str()).await.as_deref(),
            Some("new"),
            "round {round}"
        );
        assert_eq!(names(&storage, "tags/v1", None, 10).await, ["link"]);
    }
}

pub(crate) async fn writing_beats_tidying(storage: Store) {
    for _ in 0..40 {
        let removal = {
            let storage = Arc::clone(&storage);
            tokio::spawn(async move { storage.delete(&key("t/v1/index/one/link")).await.unwrap() })
        };
        put(&storage, "t/v1/current/link", "x").await;
        removal.await.unwrap();
        assert_eq!(get(&storage, "t/v1/current/link").await.as_deref(), Some("x"));
        storage.delete(&key("t/v1/current/link")).await.unwrap();
        put(&storage, "t/v1/index/one/link", "y").await;
    }
}

pub(crate) async fn deleting_a_folder_takes_all_below_it(storage: Store) {
    put(&storage, "keep/a/b/c", "x").await;
    put(&storage, "keep/a/d", "x").await;
    for _ in 0..2 {
        storage.delete_folder(&key("keep/a")).await.unwrap();
        assert_eq!(names(&storage, "keep", None, 10).await, [""; 0]);
    }
}
