//! Against a real server. `make test` runs these; `make check` has none.

mod server;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::json;

use super::super::contract::contract_tests;
use super::super::{Error, Kept, Key, Objects, Opened, Storage, Uploads, Wanted, Writer};
use super::S3Storage;
use super::settings::{Copying, LEAST_PART, Settings};

async fn fresh() -> (Arc<dyn Storage>, ()) {
    (Arc::new(S3Storage::open(server::settings()).await.unwrap()), ())
}

contract_tests!(fresh().await, #[ignore = "versitygw comes with make setup"]);

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// With parts that tests can afford.
async fn in_small_parts() -> (S3Storage, Settings) {
    let settings = Settings {
        part: LEAST_PART,
        copy: Copying {
            threshold: 8 << 20,
            part: 5 << 20,
            at_once: 3,
        },
        ..server::settings()
    };
    (S3Storage::open(settings.clone()).await.unwrap(), settings)
}

fn some_bytes(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect()
}

async fn put(writer: &mut dyn Writer, mut bytes: Bytes) {
    while !bytes.is_empty() {
        let mut piece = writer.piece().await.unwrap();
        piece.fill_from(&mut bytes);
        writer.put(piece.freeze()).await.unwrap();
    }
}

async fn writer(storage: &S3Storage, at: &Key) -> Box<dyn Writer> {
    storage.load(at).await.unwrap().unwrap().writer
}

async fn get(storage: &S3Storage, at: &Key) -> Vec<u8> {
    match storage.open(at, Wanted::All).await.unwrap() {
        Opened::Found(reading) => super::super::contract::all_of(reading.pieces).await,
        other => panic!("{other:?}"),
    }
}

/// How many requests of each operation a call took.
fn since(storage: &S3Storage, before: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
    let before: std::collections::BTreeMap<_, _> = before.iter().copied().collect();
    let now = storage.bucket.answers.requests().into_iter();
    let more = now.map(|(name, count)| (name, count - before.get(name).copied().unwrap_or(0)));
    more.filter(|(_, count)| *count > 0).collect()
}

fn so_far(storage: &S3Storage) -> Vec<(&'static str, u64)> {
    storage.bucket.answers.requests().into_iter().collect()
}

#[tokio::test]
#[ignore = "versitygw comes with make setup"]
async fn what_fits_a_part_and_stays_here_is_one_object_and_no_copy() {
    let storage = S3Storage::open(server::settings()).await.unwrap();
    let (at, to) = (key("up/one"), key("data/one"));
    let before = so_far(&storage);
    storage.begin(&at, None).await.unwrap();
    let mut patch = writer(&storage, &at).await;
    put(&mut *patch, some_bytes(3 << 20)).await;
    patch.keep(json!(1)).await.unwrap();
    let sealed = writer(&storage, &at).await.seal().await.unwrap();
    sealed.publish(&to).await.unwrap();
    sealed.forget().await.unwrap();
    let requests = [("DeleteObject", 1), ("ListObjectsV2", 1), ("PutObject", 2)];
    assert_eq!(since(&storage, &before), requests);
    assert!(get(&storage, &to).await == some_bytes(3 << 20));
}

#[tokio::test]
#[ignore = "versitygw comes with make setup"]
async fn what_goes_straight_to_its_place_is_seen_when_it_is_published() {
    let (storage, _) = in_small_parts().await;
    let to = key("data/one");
    let before = so_far(&storage);
    let mut direct = storage.direct(&to);
    put(&mut *direct, some_bytes(12 << 20)).await;
    let sealed = direct.seal().await.unwrap();
    assert_eq!(storage.stat(&to).await.unwrap(), None);
    for _ in 0..2 {
        sealed.publish(&to).await.unwrap();
    }
    sealed.forget().await.unwrap();
    assert!(get(&storage, &to).await == some_bytes(12 << 20));
    let requests = since(&storage, &before);
    for expected in [
        ("CreateMultipartUpload", 1),
        ("UploadPart", 3),
        ("CompleteMultipartUpload", 1),
    ] {
        assert!(requests.contains(&expected), "{requests:?}");
    }
    assert!(
        requests.iter().all(|(name, _)| !name.contains("Copy")),
        "{requests:?}"
    );
}

#[tokio::test]
#[ignore = "versitygw comes with make setup"]
async fn an_upload_goes_on_at_another_replica_and_is_copied_to_its_place() {
    let (storage, settings) = in_small_parts().await;
    let other = S3Storage::open(settings).await.unwrap();
    let (at, to) = (key("up/one"), key("data/a+b ~c"));
    let bytes = some_bytes(17 << 20);
    storage.begin(&at, None).await.unwrap();
    let mut end = 0;
    for (number, length) in [6 << 20, 100, 4 << 20, 3 << 20].into_iter().enumerate() {
        let here = [&storage, &other][number % 2];
        let resumed = eventually(here, &at, end as u64).await;
        let mut patch = resumed;
        put(&mut *patch, bytes.slice(end..end + length)).await;
        end += length;
        let kept = patch.keep(json!(end)).await.unwrap();
        assert_eq!(kept, Kept::Counts { received: end as u64 });
    }
    let mut last = eventually(&storage, &at, end as u64).await;
    put(&mut *last, bytes.slice(end..)).await;
    let sealed = last.seal().await.unwrap();
    assert!(super::super::contract::all_of(sealed.read()).await == bytes);
    for _ in 0..2 {
        sealed.publish(&to).await.unwrap();
    }
    sealed.forget().await.unwrap();
    assert!(get(&storage, &to).await == bytes);
    assert!(
        storage
            .list(&key("up"), None, 9)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
}

/// Once what came before has reached the store.
async fn eventually(storage: &S3Storage, at: &Key, received: u64) -> Box<dyn Writer> {
    for _ in 0..400 {
        let resumed = storage.load(at).await.unwrap().unwrap();
        if resumed.received == received {
            return resumed.writer;
        }
        drop(resumed);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nobody wrote down that {received} bytes have come");
}

#[tokio::test]
#[ignore = "versitygw comes with make setup"]
async fn parts_that_nobody_finishes_are_removed() {
    let (storage, _) = in_small_parts().await;
    let to = key("docker/data");
    let (_, guard) = storage.bucket.begin_parts(&to).await.unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(storage.purge_remains(SystemTime::now() - hour).await.unwrap(), 0);
    assert_eq!(storage.purge_remains(SystemTime::now() + hour).await.unwrap(), 1);
    guard.disarm();
    assert_eq!(storage.purge_remains(SystemTime::now() + hour).await.unwrap(), 0);
    let mut given_up = storage.direct(&to);
    put(&mut *given_up, some_bytes(6 << 20)).await;
    drop(given_up);
    for _ in 0..400 {
        if so_far(&storage).contains(&("AbortMultipartUpload", 2)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("an upload that was given up stays: {:?}", so_far(&storage));
}

#[tokio::test]
#[ignore = "versitygw comes with make setup"]
async fn names_are_in_order_on_each_page_though_folders_are_sorted_with_their_slash() {
    let storage = S3Storage::open(server::settings()).await.unwrap();
    let mut names = ["1", "v1", "v1-alpine", "v1.2", "v1.2-alpine", "v10", "v1_a", "w"];
    for name in names {
        let at = key(&format!("tags/{name}/current/link"));
        storage.write(&at, Bytes::from_static(b"x")).await.unwrap();
    }
    names.sort_unstable();
    for limit in 1..=names.len() + 1 {
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().map(String::as_str);
            let page = storage.list(&key("tags"), after, limit).await.unwrap();
            let is_last = !page.more;
            assert!(page.entries.len() <= limit && page.entries.iter().all(|entry| entry.is_folder));
            found.extend(page.entries.into_iter().map(|entry| entry.name));
            if is_last {
                break;
            }
        }
        assert_eq!(found, names, "{limit} at a time");
    }
}

#[tokio::test]
#[ignore = "versitygw comes with make setup"]
async fn nothing_is_missing_from_a_bucket_that_is_not_there() {
    let settings = Settings {
        bucket: "no-such-bucket".to_owned(),
        ..server::settings()
    };
    let storage = S3Storage::open(settings).await.unwrap();
    let at = key("a");
    let failed = |error: Error| assert!(matches!(error, Error::Failed { .. }), "{error}");
    failed(storage.stat(&at).await.unwrap_err());
    failed(storage.read(&at, 9).await.unwrap_err());
    failed(storage.open(&at, Wanted::All).await.unwrap_err());
    failed(storage.list(&at, None, 9).await.unwrap_err());
    failed(storage.write(&at, Bytes::new()).await.unwrap_err());
}

#[tokio::test]
#[ignore = "versitygw comes with make setup"]
async fn a_wrong_key_is_refused_and_no_object_is_missing() {
    let mut settings = server::settings();
    if let Some(credentials) = &mut settings.credentials {
        credentials.secret_key = "another".to_owned();
    }
    let storage = S3Storage::open(settings).await.unwrap();
    let error = storage.stat(&key("a")).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    let error = storage.read(&key("a"), 9).await.unwrap_err();
    assert!(!format!("{error:?}").contains("another"), "{error:?}");
}

#[tokio::test]
#[ignore = "versitygw comes with make setup"]
async fn an_address_is_signed_for_some_time() {
    let storage = S3Storage::open(server::settings()).await.unwrap();
    let link = storage
        .link_to(&key("a"), Duration::from_secs(90))
        .await
        .unwrap()
        .unwrap();
    assert!(
        link.contains("X-Amz-Expires=90") && link.contains("X-Amz-Signature="),
        "{link}"
    );
}
