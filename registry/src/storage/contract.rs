//! What every store promises, as tests. A backend runs them all with [`contract_tests`].

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::{Buffers, Error, Key, Storage, Version};

/// `$open` makes a fresh, empty store: `(Arc<dyn Storage>, guard)`.
macro_rules! contract_tests {
    ($open:expr) => {
        $crate::storage::contract::contract_tests!(@ $open =>
            an_object_reads_as_it_was_written,
            what_is_not_there_is_none,
            a_folder_is_no_object,
            reading_stops_at_the_limit,
            writing_again_replaces_and_renews_the_time,
            touching_renews_the_time_and_brings_nothing_back,
            flushing_changes_nothing,
            an_empty_object_is_an_object,
            of_many_creators_one_wins,
            the_last_of_many_writers_wins_whole,
            many_read_as_each_of_them_does,
            an_open_object_outlives_its_deletion,
            an_object_is_read_in_parts,
            a_writer_needs_its_folder,
            an_unfinished_object_vanishes,
            parts_are_joined_in_order_and_stay,
            one_part_published_twice_is_still_one_object,
            no_parts_make_an_empty_object,
            a_missing_part_publishes_nothing,
            a_listing_is_sorted_and_paged,
            a_missing_folder_lists_as_empty,
            deleting_is_idempotent_and_tidies_up,
            a_made_folder_stays_empty,
            delete_if_spares_another_value,
            delete_if_spares_the_same_value_written_again,
            a_value_written_during_delete_if_is_never_missed,
            writing_beats_tidying,
            deleting_a_folder_takes_all_below_it,
        );
    };
    (@ $open:expr => $($name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (storage, _guard) = $open;
                $crate::storage::contract::$name(storage).await;
            }
        )*
    };
}
pub(crate) use contract_tests;

type Store = Arc<dyn Storage>;

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

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
    let entries = storage.list(&key(folder), after, limit).await.unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}

async fn part(storage: &Store, at: &str, bytes: &'static str) {
    let at = key(at);
    let mut writer = storage.writer(&at).await.unwrap();
    for piece in bytes.as_bytes().chunks(3) {
        writer.write(Bytes::from_static(piece)).await.unwrap();
    }
    writer.finish().await.unwrap();
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
        assert!(storage.open(&key(missing)).await.unwrap().is_none(), "{missing}");
    }
}

pub(crate) async fn a_folder_is_no_object(storage: Store) {
    put(&storage, "a/b/c", "x").await;
    assert!(storage.stat(&key("a/b")).await.unwrap().is_none());
    assert!(storage.open(&key("a/b")).await.unwrap().is_none());
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
    tokio::time::sleep(Duration::from_millis(20)).await;
    put(&storage, "a", "same").await;
    let after = storage.stat(&key("a")).await.unwrap().unwrap().modified;
    assert!(after > before && after <= SystemTime::now() + Duration::from_secs(1));
    put(&storage, "a", "other").await;
    assert_eq!(get(&storage, "a").await.as_deref(), Some("other"));
}

pub(crate) async fn touching_renews_the_time_and_brings_nothing_back(storage: Store) {
    put(&storage, "a/b", "same").await;
    let before = storage.stat(&key("a/b")).await.unwrap().unwrap().modified;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(storage.touch(&key("a/b")).await.unwrap());
    let after = storage.stat(&key("a/b")).await.unwrap().unwrap().modified;
    assert!(after > before && after <= SystemTime::now() + Duration::from_secs(1));
    assert_eq!(get(&storage, "a/b").await.as_deref(), Some("same"));
    storage.delete(&key("a/b"), &key("a")).await.unwrap();
    assert!(!storage.touch(&key("a/b")).await.unwrap());
    assert_eq!(get(&storage, "a/b").await, None);
}

pub(crate) async fn flushing_changes_nothing(storage: Store) {
    put(&storage, "a/b", "same").await;
    let before = storage.stat(&key("a/b")).await.unwrap();
    assert!(storage.flush(&key("a/b")).await.unwrap());
    assert_eq!(storage.stat(&key("a/b")).await.unwrap(), before);
    assert!(!storage.flush(&key("a/c")).await.unwrap());
    assert!(!storage.flush(&key("nowhere/c")).await.unwrap());
}

pub(crate) async fn an_empty_object_is_an_object(storage: Store) {
    put(&storage, "a", "").await;
    assert_eq!(get(&storage, "a").await.as_deref(), Some(""));
    assert_eq!(storage.stat(&key("a")).await.unwrap().unwrap().size, 0);
}

pub(crate) async fn of_many_creators_one_wins(storage: Store) {
    let mut tasks = JoinSet::new();
    for number in 0..16 {
        let storage = Arc::clone(&storage);
        tasks.spawn(async move {
            let won = storage
                .create(&key("race/one"), Bytes::from(format!("{number}")))
                .await
                .unwrap();
            won.then_some(number)
        });
    }
    let winners: Vec<u32> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(get(&storage, "race/one").await, Some(winners[0].to_string()));
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

pub(crate) async fn an_open_object_outlives_its_deletion(storage: Store) {
    put(&storage, "a/b", "hello").await;
    let object = storage.open(&key("a/b")).await.unwrap().unwrap();
    storage.delete(&key("a/b"), &key("a")).await.unwrap();
    let buffer = object
        .read_at(0, Buffers::new(1).transfer().buffer_for(1))
        .await
        .unwrap();
    assert_eq!(buffer.filled(), b"hello");
}

pub(crate) async fn an_object_is_read_in_parts(storage: Store) {
    put(&storage, "a", "hello").await;
    let object = storage.open(&key("a")).await.unwrap().unwrap();
    assert_eq!(object.size(), 5);
    let transfer = Buffers::new(1).transfer();
    assert_eq!(
        object
            .read_at(3, transfer.buffer_for(u64::MAX))
            .await
            .unwrap()
            .filled(),
        b"lo"
    );
    assert!(
        object
            .read_at(5, transfer.buffer_for(u64::MAX))
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        object
            .read_at(500, transfer.buffer_for(u64::MAX))
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn a_writer_needs_its_folder(storage: Store) {
    let error = storage.writer(&key("nowhere/part")).await.unwrap_err();
    assert!(matches!(error, Error::Missing(_)), "{error}");
}

pub(crate) async fn an_unfinished_object_vanishes(storage: Store) {
    put(&storage, "a/other", "x").await;
    let mut writer = storage.writer(&key("a/part")).await.unwrap();
    writer.write(Bytes::from_static(b"half")).await.unwrap();
    drop(writer);
    for _ in 0..100 {
        if storage.stat(&key("a/part")).await.unwrap().is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the unfinished object is still there after a second");
}

pub(crate) async fn parts_are_joined_in_order_and_stay(storage: Store) {
    put(&storage, "up/started", "x").await;
    part(&storage, "up/one", "hello ").await;
    part(&storage, "up/two", "world").await;
    storage
        .publish(&[key("up/one"), key("up/two")], &key("data/whole"))
        .await
        .unwrap();
    assert_eq!(get(&storage, "data/whole").await.as_deref(), Some("hello world"));
    assert_eq!(get(&storage, "up/one").await.as_deref(), Some("hello "));
}

pub(crate) async fn one_part_published_twice_is_still_one_object(storage: Store) {
    put(&storage, "up/started", "x").await;
    part(&storage, "up/one", "hello").await;
    for _ in 0..2 {
        storage
            .publish(&[key("up/one")], &key("data/whole"))
            .await
            .unwrap();
        assert_eq!(get(&storage, "data/whole").await.as_deref(), Some("hello"));
    }
    storage.delete_folder(&key("up"), &key("up")).await.unwrap();
    assert_eq!(get(&storage, "data/whole").await.as_deref(), Some("hello"));
    assert_eq!(
        names(&storage, super::FilesystemStorage::TEMPORARY, None, 10).await,
        [""; 0]
    );
}

pub(crate) async fn no_parts_make_an_empty_object(storage: Store) {
    storage.publish(&[], &key("data/empty")).await.unwrap();
    assert_eq!(get(&storage, "data/empty").await.as_deref(), Some(""));
}

pub(crate) async fn a_missing_part_publishes_nothing(storage: Store) {
    put(&storage, "up/started", "x").await;
    part(&storage, "up/one", "hello").await;
    for parts in [vec![key("up/two")], vec![key("up/one"), key("up/two")]] {
        let error = storage.publish(&parts, &key("data/whole")).await.unwrap_err();
        assert!(matches!(error, Error::Missing(_)), "{error}");
        assert_eq!(get(&storage, "data/whole").await, None);
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
    let entries = storage.list(&key("list"), Some("c"), 9).await.unwrap();
    assert!(entries.len() == 1 && entries[0].is_folder);
}

pub(crate) async fn a_missing_folder_lists_as_empty(storage: Store) {
    assert_eq!(names(&storage, "nowhere", None, 10).await, [""; 0]);
}

pub(crate) async fn deleting_is_idempotent_and_tidies_up(storage: Store) {
    put(&storage, "keep/a/b/c", "x").await;
    put(&storage, "keep/a/other", "x").await;
    for _ in 0..2 {
        storage.delete(&key("keep/a/b/c"), &key("keep")).await.unwrap();
        assert_eq!(names(&storage, "keep/a", None, 10).await, ["other"]);
    }
    storage.delete(&key("keep/a/other"), &key("keep")).await.unwrap();
    assert_eq!(names(&storage, "keep", None, 10).await, [""; 0]);
    storage
        .delete(&key("never/was/there"), &key("never"))
        .await
        .unwrap();
}

pub(crate) async fn a_made_folder_stays_empty(storage: Store) {
    storage.make_folder(&key("a/empty")).await.unwrap();
    storage.make_folder(&key("a/empty")).await.unwrap();
    put(&storage, "a/empty/x/y", "x").await;
    storage
        .delete(&key("a/empty/x/y"), &key("a/empty"))
        .await
        .unwrap();
    assert_eq!(names(&storage, "a", None, 10).await, ["empty"]);
}

pub(crate) async fn delete_if_spares_another_value(storage: Store) {
    let (at, within) = (key("tag/link"), key("tag"));
    put(&storage, "tag/link", "old").await;
    let old = version(&storage, &at, "old").await.unwrap();
    put(&storage, "tag/link", "new").await;
    storage.delete_if(&at, &within, &old).await.unwrap();
    assert_eq!(get(&storage, "tag/link").await.as_deref(), Some("new"));
    let new = version(&storage, &at, "new").await.unwrap();
    for _ in 0..2 {
        storage.delete_if(&at, &within, &new).await.unwrap();
        assert_eq!(get(&storage, "tag/link").await, None);
        assert_eq!(version(&storage, &at, "new").await, None);
    }
}

pub(crate) async fn delete_if_spares_the_same_value_written_again(storage: Store) {
    let (at, within) = (key("tag/link"), key("tag"));
    for round in 0..20 {
        put(&storage, "tag/link", "same").await;
        let seen = version(&storage, &at, "same").await.unwrap();
        put(&storage, "tag/link", "same").await;
        storage.delete_if(&at, &within, &seen).await.unwrap();
        let found = get(&storage, "tag/link").await;
        assert_eq!(found.as_deref(), Some("same"), "round {round}");
    }
}

/// One deletes the value `old` again and again, others move it to `new` values and read: once `new` is there, no
/// read may find nothing.
pub(crate) async fn a_value_written_during_delete_if_is_never_missed(storage: Store) {
    let (at, within) = (key("tags/v1/link"), key("tags"));
    for round in 0..60 {
        storage.write(&at, Bytes::from_static(b"old")).await.unwrap();
        let old = version(&storage, &at, "old").await.unwrap();
        let deletions: JoinSet<()> = (0..2)
            .map(|_| {
                let (storage, at, within) = (Arc::clone(&storage), at.clone(), within.clone());
                let old = old.clone();
                async move { storage.delete_if(&at, &within, &old).await.unwrap() }
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
            tokio::spawn(async move {
                storage
                    .delete(&key("t/v1/index/one/link"), &key("t"))
                    .await
                    .unwrap()
            })
        };
        put(&storage, "t/v1/current/link", "x").await;
        removal.await.unwrap();
        assert_eq!(get(&storage, "t/v1/current/link").await.as_deref(), Some("x"));
        storage
            .delete(&key("t/v1/current/link"), &key("t"))
            .await
            .unwrap();
        put(&storage, "t/v1/index/one/link", "y").await;
    }
}

pub(crate) async fn deleting_a_folder_takes_all_below_it(storage: Store) {
    put(&storage, "keep/a/b/c", "x").await;
    put(&storage, "keep/a/d", "x").await;
    for _ in 0..2 {
        storage.delete_folder(&key("keep/a"), &key("keep")).await.unwrap();
        assert_eq!(names(&storage, "keep", None, 10).await, [""; 0]);
    }
}
