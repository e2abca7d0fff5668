//! What is on its way.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::json;

use super::super::{Error, Kept, Opened, Resumed, Sealed, Wanted, Writer};
use super::{Store, all_of, key};

const AT: &str = "up/one";
const TO: &str = "data/whole";

async fn begun(storage: &Store) {
    storage.begin(&key(AT), None).await.unwrap();
}

async fn load(storage: &Store) -> Option<Resumed> {
    storage.load(&key(AT)).await.unwrap()
}

async fn received(storage: &Store) -> Option<u64> {
    load(storage).await.map(|resumed| resumed.received)
}

async fn put(writer: &mut dyn Writer, bytes: &[u8]) {
    let mut rest = Bytes::copy_from_slice(bytes);
    while !rest.is_empty() {
        let mut piece = writer.piece().await.unwrap();
        piece.fill_from(&mut rest);
        writer.put(piece.freeze()).await.unwrap();
    }
}

async fn writer_with(storage: &Store, bytes: &str) -> Box<dyn Writer> {
    let mut writer = load(storage).await.unwrap().writer;
    put(&mut *writer, bytes.as_bytes()).await;
    writer
}

async fn get(storage: &Store) -> Option<Vec<u8>> {
    match storage.open(&key(TO), Wanted::All).await.unwrap() {
        Opened::Found(reading) => Some(all_of(reading.pieces).await),
        Opened::Missing => None,
        Opened::Unsatisfiable { .. } => panic!("all of it is always there"),
    }
}

async fn sealed_as(storage: &Store, bytes: &str) -> Box<dyn Sealed> {
    begun(storage).await;
    writer_with(storage, bytes).await.seal().await.unwrap()
}

pub(crate) async fn what_came_in_several_requests_is_one_object(storage: Store) {
    begun(&storage).await;
    let mut end = 0;
    for piece in ["hello", " ", "wor"] {
        let resumed = load(&storage).await.unwrap();
        assert_eq!(resumed.received, end);
        assert_eq!(resumed.saved, (end > 0).then(|| json!({ "end": end })));
        let writer = writer_with(&storage, piece).await;
        end += piece.len() as u64;
        let kept = writer.keep(json!({ "end": end })).await.unwrap();
        assert_eq!(kept, Kept::Counts { received: end });
    }
    let sealed = writer_with(&storage, "ld").await.seal().await.unwrap();
    sealed.publish(&key(TO)).await.unwrap();
    sealed.forget().await.unwrap();
    assert_eq!(get(&storage).await.unwrap(), b"hello world");
    assert!(load(&storage).await.is_none());
}

pub(crate) async fn what_was_sealed_is_read_before_anybody_sees_it(storage: Store) {
    let sealed = sealed_as(&storage, "hello").await;
    assert_eq!(all_of(sealed.read()).await, b"hello");
    assert_eq!(get(&storage).await, None);
}

pub(crate) async fn an_upload_that_nobody_began_is_not_there(storage: Store) {
    assert!(load(&storage).await.is_none());
    storage.abandon(&key(AT)).await.unwrap();
}

pub(crate) async fn a_note_is_given_back(storage: Store) {
    storage.begin(&key(AT), Some("word")).await.unwrap();
    for _ in 0..2 {
        assert_eq!(load(&storage).await.unwrap().note.as_deref(), Some("word"));
        writer_with(&storage, "x").await.keep(json!(1)).await.unwrap();
    }
    storage.begin(&key("up/two"), None).await.unwrap();
    assert_eq!(storage.load(&key("up/two")).await.unwrap().unwrap().note, None);
}

pub(crate) async fn a_request_that_is_given_up_does_not_count(storage: Store) {
    begun(&storage).await;
    writer_with(&storage, "hello").await.keep(json!(5)).await.unwrap();
    drop(writer_with(&storage, "never").await);
    assert_eq!(received(&storage).await, Some(5));
    let sealed = load(&storage).await.unwrap().writer.seal().await.unwrap();
    assert_eq!(all_of(sealed.read()).await, b"hello");
}

pub(crate) async fn a_request_without_bytes_changes_nothing(storage: Store) {
    begun(&storage).await;
    for _ in 0..2 {
        let kept = load(&storage).await.unwrap().writer.keep(json!(0)).await.unwrap();
        assert_eq!(kept, Kept::Counts { received: 0 });
    }
    assert_eq!(load(&storage).await.unwrap().saved, None);
}

pub(crate) async fn of_those_who_go_on_at_the_same_place_none_spoils_what_another_was_told(storage: Store) {
    begun(&storage).await;
    writer_with(&storage, "a").await.keep(json!("a")).await.unwrap();
    let mut writers = Vec::new();
    for bytes in ["bb", "ccc", "dddd"] {
        writers.push((bytes, writer_with(&storage, bytes).await));
    }
    let mut acknowledged = 1;
    for (bytes, writer) in writers {
        match writer.keep(json!(format!("a{bytes}"))).await.unwrap() {
            Kept::Counts { received } => {
                assert_eq!(received, 1 + bytes.len() as u64);
                acknowledged = acknowledged.max(received);
            }
            Kept::Overtaken { received } => assert!(received > 1),
        }
    }
    let resumed = load(&storage).await.unwrap();
    assert!(resumed.received >= acknowledged, "{resumed:?}");
    let sealed = resumed.writer.seal().await.unwrap();
    assert_eq!(
        json!(String::from_utf8(all_of(sealed.read()).await).unwrap()),
        resumed.saved.unwrap()
    );
}

pub(crate) async fn publishing_again_and_over_another_object_is_the_same(storage: Store) {
    storage
        .write(&key(TO), Bytes::from_static(b"damaged"))
        .await
        .unwrap();
    let sealed = sealed_as(&storage, "hello").await;
    for _ in 0..2 {
        sealed.publish(&key(TO)).await.unwrap();
        assert_eq!(get(&storage).await.unwrap(), b"hello");
    }
    storage.delete(&key(TO)).await.unwrap();
    sealed.publish(&key(TO)).await.unwrap();
    sealed.forget().await.unwrap();
    assert_eq!(get(&storage).await.unwrap(), b"hello");
}

pub(crate) async fn what_is_not_forgotten_goes_on(storage: Store) {
    begun(&storage).await;
    writer_with(&storage, "hello").await.keep(json!(5)).await.unwrap();
    drop(writer_with(&storage, " wrong").await.seal().await.unwrap());
    assert_eq!(received(&storage).await, Some(5));
    let sealed = writer_with(&storage, " world").await.seal().await.unwrap();
    assert_eq!(all_of(sealed.read()).await, b"hello world");
}

pub(crate) async fn an_upload_that_was_abandoned_makes_no_object(storage: Store) {
    begun(&storage).await;
    writer_with(&storage, "hello").await.keep(json!(5)).await.unwrap();
    let mut writer = load(&storage).await.unwrap().writer;
    for _ in 0..2 {
        storage.abandon(&key(AT)).await.unwrap();
        assert!(load(&storage).await.is_none());
    }
    let outcome = async {
        writer.put(Bytes::from_static(b"x")).await?;
        writer.seal().await?.publish(&key(TO)).await
    };
    let error = outcome.await.unwrap_err();
    assert!(matches!(error, Error::Missing(_)), "{error}");
    assert_eq!(get(&storage).await, None);
}

/// Requests that were under way when it ended bring nothing back: neither what they send counts, nor does it become a
/// part of what another of them has the hash of.
pub(crate) async fn nothing_takes_the_place_of_the_bytes_of_an_upload_that_ended(storage: Store) {
    begun(&storage).await;
    let mut late = load(&storage).await.unwrap().writer;
    writer_with(&storage, "hello").await.keep(json!(5)).await.unwrap();
    let more = writer_with(&storage, " world").await;
    let verified = load(&storage).await.unwrap().writer;
    storage.abandon(&key(AT)).await.unwrap();
    let kept = more.keep(json!(11)).await;
    assert!(matches!(kept, Err(Error::Missing(_))), "{kept:?}");
    let kept = async {
        late.put(Bytes::from_static(b"WRONG")).await?;
        late.keep(json!(5)).await
    };
    let kept = kept.await;
    assert!(matches!(kept, Err(Error::Missing(_))), "{kept:?}");
    let published = async { verified.seal().await?.publish(&key(TO)).await };
    let published = published.await;
    assert!(matches!(published, Err(Error::Missing(_))), "{published:?}");
    assert!(load(&storage).await.is_none());
    assert_eq!(get(&storage).await, None);
}

pub(crate) async fn an_object_in_one_request_needs_no_upload(storage: Store) {
    let mut writer = storage.direct(&key(TO));
    put(&mut *writer, b"hello").await;
    assert_eq!(get(&storage).await, None);
    let sealed = writer.seal().await.unwrap();
    assert_eq!(get(&storage).await, None);
    sealed.publish(&key(TO)).await.unwrap();
    sealed.forget().await.unwrap();
    assert_eq!(get(&storage).await.unwrap(), b"hello");
    let mut given_up = storage.direct(&key(TO));
    put(&mut *given_up, b"never").await;
    assert_eq!(
        given_up.keep(json!(5)).await.unwrap(),
        Kept::Counts { received: 0 }
    );
    assert_eq!(get(&storage).await.unwrap(), b"hello");
}

pub(crate) async fn an_object_may_be_empty(storage: Store) {
    begun(&storage).await;
    for writer in [storage.direct(&key(TO)), load(&storage).await.unwrap().writer] {
        let sealed = writer.seal().await.unwrap();
        assert!(all_of(sealed.read()).await.is_empty());
        sealed.publish(&key(TO)).await.unwrap();
        sealed.forget().await.unwrap();
        assert_eq!(get(&storage).await.unwrap(), b"");
        storage.delete(&key(TO)).await.unwrap();
    }
}

pub(crate) async fn a_large_object_is_whole(storage: Store) {
    let bytes: Vec<u8> = (0_u32..5 << 20).map(|at| (at % 251) as u8).collect();
    begun(&storage).await;
    let (first, second) = bytes.split_at(3_000_001);
    let mut writer = load(&storage).await.unwrap().writer;
    put(&mut *writer, first).await;
    writer.keep(json!(1)).await.unwrap();
    let mut writer = load(&storage).await.unwrap().writer;
    put(&mut *writer, second).await;
    let sealed = writer.seal().await.unwrap();
    sealed.publish(&key(TO)).await.unwrap();
    sealed.forget().await.unwrap();
    assert!(get(&storage).await.unwrap() == bytes);
    let wanted = Wanted::Between(2_999_990, 3_000_010);
    let Opened::Found(reading) = storage.open(&key(TO), wanted).await.unwrap() else {
        panic!("the part is not found");
    };
    assert!(all_of(reading.pieces).await == bytes[2_999_990..=3_000_010]);
}

pub(crate) async fn old_uploads_are_purged_and_young_ones_kept(storage: Store) {
    begun(&storage).await;
    writer_with(&storage, "hello").await.keep(json!(5)).await.unwrap();
    let hour = Duration::from_secs(3600);
    let purged = storage.purge(&key("up"), SystemTime::now() - hour).await.unwrap();
    assert_eq!((purged, received(&storage).await), (0, Some(5)));
    let purged = storage.purge(&key("up"), SystemTime::now() + hour).await.unwrap();
    assert_eq!((purged, received(&storage).await), (1, None));
    assert_eq!(storage.purge_remains(SystemTime::now() - hour).await.unwrap(), 0);
}
