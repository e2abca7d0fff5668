//! Uploads in chunks, cut off, taken up by others, abandoned.

use std::fs;
use std::time::Duration;

use super::*;
use crate::content::purge::Purged;

const NAME: &str = "team/app";

async fn finish(content: &Content, id: &UploadId, digest: &Digest) -> Result<Blob, Error> {
    content
        .uploads
        .finish(&repository(NAME), id, digest, None, no_body())
        .await
}

#[tokio::test]
async fn an_upload_in_chunks_becomes_one_blob_and_leaves_nothing_else() {
    let (registry, name) = (registry(), repository(NAME));
    let bytes = noise(700_000);
    let id = registry.uploads.start(&name, None).await.unwrap();
    assert_eq!(registry.uploads.status(&name, &id).await.unwrap(), 0);
    for (at, chunk) in [
        (0, &bytes[..100]),
        (100, &bytes[100..400_000]),
        (400_000, &bytes[400_000..600_000]),
    ] {
        let received = registry
            .uploads
            .append(&name, &id, Some(at), body(chunk.to_vec()))
            .await
            .unwrap();
        assert_eq!(received, at + chunk.len() as u64);
        assert_eq!(registry.uploads.status(&name, &id).await.unwrap(), received);
    }
    let digest = sha256(&bytes);
    let rest = body(bytes[600_000..].to_vec());
    registry
        .uploads
        .finish(&name, &id, &digest, Some(600_000), rest)
        .await
        .unwrap();
    assert!(registry.bytes_of(&name, &digest).await == bytes);
    assert!(matches!(
        registry.uploads.status(&name, &id).await,
        Err(Error::BlobUploadUnknown { .. })
    ));
    assert_eq!(
        registry.files().len(),
        4,
        "data, link, no uploads, no temporary files: {:?}",
        registry.files().keys()
    );
}

#[tokio::test]
async fn an_upload_goes_on_in_another_process_without_reading_it_again() {
    let (registry, name) = (registry(), repository(NAME));
    let id = registry.uploads.start(&name, None).await.unwrap();
    registry
        .uploads
        .append(&name, &id, None, body("hello "))
        .await
        .unwrap();
    let another = registry.another();
    assert_eq!(another.uploads.status(&name, &id).await.unwrap(), 6);
    another
        .uploads
        .append(&name, &id, Some(6), body("wor"))
        .await
        .unwrap();
    let third = registry.another();
    let digest = sha256(b"hello world");
    third
        .uploads
        .finish(&name, &id, &digest, Some(9), body("ld"))
        .await
        .unwrap();
    assert_eq!(registry.bytes_of(&name, &digest).await, b"hello world");
}

#[tokio::test]
async fn a_chunk_at_the_wrong_place_is_told_the_right_one() {
    let (registry, name) = (registry(), repository(NAME));
    let id = registry.uploads.start(&name, None).await.unwrap();
    registry
        .uploads
        .append(&name, &id, Some(0), body("hello"))
        .await
        .unwrap();
    for at in [0, 4, 6, u64::MAX] {
        let error = registry
            .uploads
            .append(&name, &id, Some(at), body("x"))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::RangeInvalid { received: 5 }), "{error}");
        let error = registry
            .uploads
            .finish(&name, &id, &sha256(b"x"), Some(at), body("x"))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::RangeInvalid { received: 5 }), "{error}");
    }
    let blob = finish(&registry, &id, &sha256(b"hello")).await.unwrap();
    assert_eq!((blob.digest, blob.size), (sha256(b"hello"), 5));
}

#[tokio::test]
async fn what_came_before_a_body_was_cut_off_counts() {
    let (registry, name) = (registry(), repository(NAME));
    let id = registry.uploads.start(&name, None).await.unwrap();
    let error = registry
        .uploads
        .append(&name, &id, None, cut_off("hel"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Body(_)), "{error}");
    assert_eq!(registry.uploads.status(&name, &id).await.unwrap(), 3);
    let digest = sha256(b"hello world");
    let error = registry
        .uploads
        .finish(&name, &id, &digest, Some(3), cut_off("lo"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Body(_)), "{error}");
    assert_eq!(registry.uploads.status(&name, &id).await.unwrap(), 5);
    registry
        .uploads
        .finish(&name, &id, &digest, Some(5), body(" world"))
        .await
        .unwrap();
    assert_eq!(registry.bytes_of(&name, &digest).await, b"hello world");
}

#[tokio::test]
async fn a_wrong_digest_ends_the_upload_and_shows_nothing() {
    let (registry, name) = (registry(), repository(NAME));
    let id = registry.uploads.start(&name, None).await.unwrap();
    registry
        .uploads
        .append(&name, &id, None, body("hello"))
        .await
        .unwrap();
    let wrong = sha256(b"other");
    let error = finish(&registry, &id, &wrong).await.unwrap_err();
    assert!(matches!(error, Error::DigestInvalid { .. }), "{error}");
    assert!(matches!(
        registry.blobs.find(&name, &wrong).await,
        Err(Error::BlobUnknown { .. })
    ));
    assert!(matches!(
        finish(&registry, &id, &wrong).await,
        Err(Error::BlobUploadUnknown { .. })
    ));
}

#[tokio::test]
async fn an_empty_upload_is_an_empty_blob() {
    let (registry, name) = (registry(), repository(NAME));
    let id = registry.uploads.start(&name, None).await.unwrap();
    registry
        .uploads
        .append(&name, &id, Some(0), no_body())
        .await
        .unwrap();
    finish(&registry, &id, &sha256(b"")).await.unwrap();
    assert_eq!(registry.bytes_of(&name, &sha256(b"")).await, b"");
}

#[tokio::test]
async fn sha512_works_announced_or_not_and_also_if_announced_in_vain() {
    let (registry, name) = (registry(), repository(NAME));
    let announcements = [None, Some(Algorithm::Sha256), Some(Algorithm::Sha512)];
    for (round, announced) in announcements.into_iter().enumerate() {
        let bytes = noise(300_000 + round);
        for digest in [sha512(&bytes), sha256(&bytes)] {
            let id = registry.uploads.start(&name, announced).await.unwrap();
            registry
                .uploads
                .append(&name, &id, None, body(bytes[..1000].to_vec()))
                .await
                .unwrap();
            registry
                .uploads
                .append(&name, &id, None, body(bytes[1000..].to_vec()))
                .await
                .unwrap();
            finish(&registry, &id, &digest).await.unwrap();
            assert!(
                registry.bytes_of(&name, &digest).await == bytes,
                "{announced:?} {digest}"
            );
        }
    }
}

#[tokio::test]
async fn a_cancelled_upload_is_unknown() {
    let (registry, name) = (registry(), repository(NAME));
    let id = registry.uploads.start(&name, None).await.unwrap();
    registry
        .uploads
        .append(&name, &id, None, body("hello"))
        .await
        .unwrap();
    registry.uploads.cancel(&name, &id).await.unwrap();
    let results = [
        registry.uploads.status(&name, &id).await.map(|_| ()),
        registry
            .uploads
            .append(&name, &id, None, body("x"))
            .await
            .map(|_| ()),
        registry.uploads.cancel(&name, &id).await,
        finish(&registry, &id, &sha256(b"hello")).await.map(|_| ()),
    ];
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(Error::BlobUploadUnknown { .. }))),
        "{results:?}"
    );
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository() {
    let (registry, name) = (registry(), repository(NAME));
    let id = registry.uploads.start(&name, None).await.unwrap();
    let error = registry
        .uploads
        .append(&repository("other"), &id, None, body("x"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::BlobUploadUnknown { .. }), "{error}");
}

#[tokio::test]
async fn an_upload_that_registry_2_began_is_started_again() {
    let (registry, name) = (registry(), repository(NAME));
    let id = registry.uploads.start(&name, None).await.unwrap();
    fs::write(
        registry.path(&layout::upload(&name, &id)).join("data"),
        "hashed by somebody else",
    )
    .unwrap();
    assert!(matches!(
        registry.uploads.status(&name, &id).await,
        Err(Error::BlobUploadUnknown { .. })
    ));
}

#[tokio::test]
async fn a_damaged_upload_is_started_again() {
    for damage in ["state-0", "segment"] {
        let (registry, name) = (registry(), repository(NAME));
        let id = registry.uploads.start(&name, None).await.unwrap();
        registry
            .uploads
            .append(&name, &id, None, body("hello"))
            .await
            .unwrap();
        let folder = registry.path(&layout::upload(&name, &id));
        let damaged = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name == damage || (damage == "segment" && name.starts_with("seg-"))
            });
        fs::write(damaged.unwrap(), "").unwrap();
        let error = finish(&registry, &id, &sha256(b"hello")).await.unwrap_err();
        assert!(
            matches!(error, Error::BlobUploadUnknown { .. }),
            "{damage}: {error}"
        );
    }
}

#[tokio::test]
async fn of_many_chunks_at_the_same_place_one_counts() {
    let (registry, name) = (registry(), repository(NAME));
    let id = registry.uploads.start(&name, None).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8_u8 {
        let (content, name, id) = (registry.another(), name.clone(), id.clone());
        tasks.spawn(async move {
            let bytes = vec![number; 50_000 + usize::from(number)];
            content
                .uploads
                .append(&name, &id, Some(0), body(bytes))
                .await
                .map(|_| number)
        });
    }
    let results = tasks.join_all().await;
    let winners: Vec<u8> = results
        .iter()
        .filter_map(|result| result.as_ref().ok().copied())
        .collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    let length = 50_000 + u64::from(winners[0]);
    for error in results.into_iter().filter_map(Result::err) {
        assert!(
            matches!(error, Error::RangeInvalid { received } if received == length),
            "{error}"
        );
    }
    finish(&registry, &id, &sha256(&vec![winners[0]; length as usize]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_an_upload_that_can_go_on() {
    let (registry, name) = (registry(), repository(NAME));
    let id = registry.uploads.start(&name, None).await.unwrap();
    registry
        .uploads
        .append(&name, &id, None, body("hello "))
        .await
        .unwrap();
    let endless = Box::pin(futures::StreamExt::chain(body(noise(600_000)), stream::pending()));
    let append = registry.uploads.append(&name, &id, None, endless);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), append)
            .await
            .is_err()
    );
    assert_eq!(registry.uploads.status(&name, &id).await.unwrap(), 6);
    registry
        .uploads
        .finish(&name, &id, &sha256(b"hello world"), Some(6), body("world"))
        .await
        .unwrap();
}

#[tokio::test]
async fn old_uploads_and_temporary_objects_are_purged_and_young_ones_kept() {
    let (registry, name) = (registry(), repository(NAME));
    let old = registry.uploads.start(&name, None).await.unwrap();
    registry
        .uploads
        .append(&name, &old, None, body("hello"))
        .await
        .unwrap();
    let started = registry.path(&layout::upload(&name, &old)).join("startedat");
    fs::write(started, "2020-02-02T02:02:02Z").unwrap();
    let foreign = registry
        .path(&layout::repository("nested/team/app"))
        .join(layout::UPLOADS)
        .join(UploadId::random().to_string());
    fs::create_dir_all(&foreign).unwrap();
    fs::write(foreign.join("startedat"), "2020-02-02T02:02:02Z").unwrap();
    fs::write(foreign.join("data"), "of registry:2").unwrap();
    let temporary = registry.path(&Place::Temporary(uuid::Uuid::new_v4()).key());
    fs::write(&temporary, "left by a crash").unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::open(&temporary)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    let young = registry.uploads.start(&name, None).await.unwrap();

    let purged = registry
        .purge_uploads(Duration::from_secs(168 * 3600))
        .await
        .unwrap();
    assert_eq!(
        purged,
        Purged {
            uploads: 2,
            temporary_objects: 1
        }
    );
    assert!(registry.uploads.status(&name, &young).await.is_ok());
    assert!(matches!(
        registry.uploads.status(&name, &old).await,
        Err(Error::BlobUploadUnknown { .. })
    ));
    assert!(!foreign.exists() && !temporary.exists());
}

#[tokio::test]
async fn what_is_left_of_an_upload_is_purged_when_nothing_in_it_is_young() {
    let (registry, name) = (registry(), repository(NAME));
    let uploads = registry
        .path(&layout::repository(name.as_str()))
        .join(layout::UPLOADS);
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for (upload, modified) in [("old", long_ago), ("young", std::time::SystemTime::now())] {
        fs::create_dir_all(uploads.join(upload)).unwrap();
        let segment = uploads.join(upload).join("seg-0-0");
        fs::write(&segment, "x").unwrap();
        fs::File::options()
            .write(true)
            .open(segment)
            .unwrap()
            .set_modified(modified)
            .unwrap();
    }
    let purged = registry.purge_uploads(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(purged.uploads, 1);
    assert!(!uploads.join("old").exists() && uploads.join("young").exists());
}
