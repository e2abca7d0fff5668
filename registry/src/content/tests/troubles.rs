//! Whatever a store answers, at whichever of its calls: what the caller hears, and that nothing acknowledged is lost.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::*;
use crate::storage::Storage;
use crate::storage::faulty::{Befalls, Call, Fault, Faulty, Trouble};
use crate::storage::memory::MemoryStorage;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Pull,
    Head,
    HeadForPush,
    Tags,
    Catalog,
    Referrers,
    PushBlob,
    PushInChunks,
    Mount,
    PushManifest,
    PushReferrer,
    DeleteTag,
    DeleteManifest,
    DeleteBlob,
    Purge,
}

const ACTS: [Act; 15] = [
    Act::Pull,
    Act::Head,
    Act::HeadForPush,
    Act::Tags,
    Act::Catalog,
    Act::Referrers,
    Act::PushBlob,
    Act::PushInChunks,
    Act::Mount,
    Act::PushManifest,
    Act::PushReferrer,
    Act::DeleteTag,
    Act::DeleteManifest,
    Act::DeleteBlob,
    Act::Purge,
];

fn base() -> Image {
    image().layer("layer")
}

fn signature() -> Image {
    image().subject(&base().manifest())
}

fn unused() -> Image {
    image().layer("unused")
}

fn new() -> Image {
    image().layer("layer").with("annotations", json!({"new": "yes"}))
}

fn content(storage: impl Storage) -> Content {
    Content::new(Arc::new(storage), options())
}

/// A store in use.
async fn in_use() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let content = content(storage.clone());
    for tag in ["v1", "v2", "v3"] {
        base().push(&content, "app", tag).await;
    }
    signature().push_untagged(&content, "app").await;
    unused().push(&content, "app", "unused").await;
    for name in ["one", "two", "app/below"] {
        image().push(&content, name, "latest").await;
    }
    storage
}

/// What the client gets; nothing in it differs from time to time.
async fn perform(act: Act, content: &Content) -> Result<String, Error> {
    let (app, one) = (repository("app"), repository("one"));
    let layer = sha256(b"layer");
    Ok(match act {
        Act::Pull => {
            let manifest = content.manifests.get(&app, &by_tag("v1")).await?;
            let reading = content.blobs.read(&app, &layer, Wanted::All).await?;
            format!(
                "{} {:?}",
                manifest.digest,
                whole(reading.part.unwrap().1).await.unwrap()
            )
        }
        Act::Head => content.blobs.find(&app, &layer).await?.size.to_string(),
        Act::HeadForPush => {
            let manifest = content.manifests.get_for_push(&app, &by_tag("v1")).await?;
            let blob = content.blobs.find_for_push(&app, &layer).await?;
            format!("{} {}", manifest.digest, blob.size)
        }
        Act::Tags => format!("{:?}", content.tags.list(&app, None, None).await?.items),
        Act::Catalog => format!(
            "{:?}",
            content.repositories.list(None, None, |_| true).await?.items
        ),
        Act::Referrers => {
            let digest = base().digest();
            let page = content.referrers.list(&app, &digest, None, None, None).await?;
            format!("{:?}", page.items.iter().map(|it| it.digest).collect::<Vec<_>>())
        }
        Act::PushBlob => {
            content
                .uploads
                .push(&one, &sha256(b"pushed"), body("pushed"))
                .await?;
            String::new()
        }
        Act::PushInChunks => {
            let id = content.uploads.start(&one, None).await?;
            let received = content.uploads.append(&one, &id, Some(0), body("chun")).await?;
            assert_eq!(content.uploads.status(&one, &id).await?, received);
            let digest = sha256(b"chunks");
            content
                .uploads
                .finish(&one, &id, &digest, Some(4), body("ks"))
                .await?;
            received.to_string()
        }
        Act::Mount => content
            .blobs
            .mount(&one, &layer, &app)
            .await?
            .is_some()
            .to_string(),
        Act::PushManifest => put(content, &app, "v2", new().manifest())
            .await?
            .digest
            .to_string(),
        Act::PushReferrer => {
            let more = signature().with("annotations", json!({"more": "yes"}));
            let pushed = put(content, &app, &more.digest().to_string(), more.manifest()).await?;
            format!("{:?}", pushed.manifest.subject().map(|it| it.digest))
        }
        Act::DeleteTag => {
            content.tags.delete(&app, &tag("unused")).await?;
            String::new()
        }
        Act::DeleteManifest => format!("{:?}", content.manifests.delete(&app, &unused().digest()).await?),
        Act::DeleteBlob => {
            content.blobs.delete(&app, &sha256(b"unused")).await?;
            String::new()
        }
        Act::Purge => content
            .purge_uploads(Duration::ZERO)
            .await?
            .temporary_objects
            .to_string(),
    })
}

/// All that a client can see, by another process and without faults.
async fn seen(storage: &MemoryStorage) -> String {
    let content = content(storage.clone());
    let mut text = String::new();
    for name in content
        .repositories
        .list(None, None, |_| true)
        .await
        .unwrap()
        .items
    {
        let _ = writeln!(text, "{name}");
        for tag in content.tags.list(&name, None, None).await.unwrap().items {
            let found = content
                .manifests
                .get(&name, &Reference::Tag(tag.clone()))
                .await
                .unwrap();
            let _ = writeln!(text, "  {tag} {}", found.digest);
        }
        for image in [base(), signature(), unused(), new()] {
            let reference = Reference::Digest(image.digest());
            let is_there = content.manifests.get(&name, &reference).await.is_ok();
            let referrers = content
                .referrers
                .list(&name, &image.digest(), None, None, None)
                .await
                .unwrap();
            let _ = writeln!(text, "  {is_there} {}", referrers.items.len());
        }
        for bytes in [&b"layer"[..], b"unused", b"pushed", b"chunks"] {
            let is_there = match content.blobs.read(&name, &sha256(bytes), Wanted::All).await {
                Ok(reading) => {
                    assert_eq!(whole(reading.part.unwrap().1).await.unwrap(), bytes);
                    true
                }
                Err(_) => false,
            };
            let _ = writeln!(text, "  {} {is_there}", sha256(bytes));
        }
    }
    text
}

/// Whatever was acknowledged before, and is none of what these acts delete or move.
async fn check_kept(storage: &MemoryStorage, context: &str) {
    let content = content(storage.clone());
    let name = repository("app");
    for tag in ["v1", "v3"] {
        let found = content.manifests.get(&name, &by_tag(tag)).await;
        assert_eq!(found.expect(context).digest, base().digest(), "{context}");
    }
    assert!(
        content.blobs.find(&name, &sha256(b"layer")).await.is_ok(),
        "{context}"
    );
    let referrers = content
        .referrers
        .list(&name, &base().digest(), None, None, None)
        .await;
    assert!(!referrers.expect(context).items.is_empty(), "{context}");
}

fn is_unknown(error: &Error) -> bool {
    matches!(
        error,
        Error::BlobUnknown { .. }
            | Error::ManifestUnknown { .. }
            | Error::BlobUploadUnknown { .. }
            | Error::ManifestBlobUnknown { .. }
            | Error::NameUnknown(_)
    )
}

/// An outage is never "not there", and each kind of trouble is told as what it is.
fn is_told(trouble: Trouble, error: &Error) -> bool {
    match trouble {
        Trouble::Missing => matches!(error, Error::Storage(_)) || is_unknown(error),
        Trouble::Full => matches!(error, Error::NoSpace(_)),
        Trouble::ReadOnly => matches!(error, Error::Unwritable(_)),
        Trouble::Busy => {
            matches!(error, Error::Busy { retry_after, .. } if *retry_after == Duration::from_secs(7))
        }
        Trouble::Failed => matches!(error, Error::Storage(_)),
    }
}

/// How it goes without faults.
struct Well {
    answer: String,
    /// What is seen then.
    after: String,
    calls: Vec<Call>,
}

async fn well(act: Act) -> Well {
    let storage = in_use().await;
    let faulty = Faulty::new(storage.clone());
    let script = faulty.script();
    let answer = perform(act, &content(faulty)).await.unwrap();
    let calls = script.calls().into_iter().map(|(call, _)| call).collect();
    let after = seen(&storage).await;
    Well { answer, after, calls }
}

/// After the fault: what was there is there, and the client's next attempt succeeds.
async fn check_after(
    act: Act,
    well: &Well,
    storage: &MemoryStorage,
    outcome: &Result<String, Error>,
    context: &str,
) {
    let Well { answer, after, .. } = well;
    check_kept(storage, context).await;
    if let Ok(given) = outcome {
        assert_eq!(given, answer, "{context}");
        assert_eq!(seen(storage).await, *after, "{context}");
    }
    match perform(act, &content(storage.clone())).await {
        Ok(_) => {}
        // It took effect the first time.
        Err(error) => assert!(is_unknown(&error), "{context}, then {error}"),
    }
    assert_eq!(seen(storage).await, *after, "{context}, then again");
}

#[tokio::test]
async fn each_trouble_at_each_call_is_told_as_it_is_and_loses_nothing() {
    for act in ACTS {
        let well = well(act).await;
        let kinds: BTreeSet<Call> = well.calls.iter().copied().collect();
        for call in kinds {
            for trouble in Trouble::ALL {
                for is_lost in [false, true] {
                    for spared in 0..2 {
                        let storage = in_use().await;
                        let faulty = Faulty::new(storage.clone());
                        let befalls = if is_lost {
                            Befalls::LostAnswer
                        } else {
                            Befalls::Failure
                        };
                        faulty
                            .script()
                            .add(Fault::of(call, "", befalls(trouble)).after(spared));
                        let outcome = perform(act, &content(faulty)).await;
                        let context = format!(
                            "{act:?}, {call:?} but {spared}, {trouble:?}, answer lost: {is_lost}: {outcome:?}"
                        );
                        if let Err(error) = &outcome {
                            assert!(is_told(trouble, error), "{context}");
                        }
                        check_after(act, &well, &storage, &outcome, &context).await;
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_store_that_dies_between_any_two_calls_loses_nothing() {
    for act in ACTS {
        let well = well(act).await;
        for life in 0..=well.calls.len() {
            let storage = in_use().await;
            let faulty = Faulty::new(storage.clone());
            faulty.script().die_after(life);
            let outcome = perform(act, &content(faulty)).await;
            let context = format!("{act:?} of a store that dies after {life} calls: {outcome:?}");
            assert!(
                outcome.is_ok() || is_told(Trouble::Failed, outcome.as_ref().unwrap_err()),
                "{context}"
            );
            check_after(act, &well, &storage, &outcome, &context).await;
        }
    }
}

#[tokio::test]
async fn a_store_that_lists_two_names_at_a_time_is_the_same_store() {
    for act in ACTS {
        let Well { answer, after, .. } = well(act).await;
        let storage = in_use().await;
        let faulty = Faulty::new(storage.clone()).with_pages_of(2);
        assert_eq!(perform(act, &content(faulty)).await.unwrap(), answer, "{act:?}");
        assert_eq!(seen(&storage).await, after, "{act:?}");
    }
}

/// A list of which a page cannot be read is no list.
#[tokio::test]
async fn no_list_is_cut_short_by_a_page_that_fails() {
    for act in [Act::Tags, Act::Catalog, Act::Referrers] {
        let Well { answer, .. } = well(act).await;
        for spared in 0..12 {
            let faulty = Faulty::new(in_use().await).with_pages_of(1);
            faulty.script().add(
                Fault::of(Call::List, "", Befalls::Failure(Trouble::Busy))
                    .after(spared)
                    .times(1),
            );
            match perform(act, &content(faulty)).await {
                Ok(given) => assert_eq!(given, answer, "{act:?}, page {spared}"),
                Err(error) => assert!(is_told(Trouble::Busy, &error), "{act:?}, page {spared}: {error}"),
            }
        }
    }
}

/// Another machine on a network share that learns late of what was done.
#[tokio::test]
async fn a_machine_that_sees_the_past_spoils_nothing_for_others() {
    for act in ACTS {
        let storage = in_use().await;
        let here = Faulty::new(storage.clone());
        let there = content(here.seen_late(Duration::from_millis(300)));
        let here = content(here);
        let moved = image().layer("moved");
        moved.push(&here, "app", "v3").await;
        here.manifests
            .delete(&repository("app"), &unused().digest())
            .await
            .unwrap();
        push_blob(&here, &repository("one"), Bytes::from_static(b"moved")).await;
        let outcome = perform(act, &there).await;
        if let Err(error) = &outcome {
            assert!(is_unknown(error), "{act:?}: {error}");
        }
        let again = content(storage.clone());
        let name = repository("app");
        for (tag, digest) in [("v1", base().digest()), ("v3", moved.digest())] {
            let found = again.manifests.get(&name, &by_tag(tag)).await;
            assert_eq!(found.unwrap().digest, digest, "{tag} after {act:?}");
        }
        assert!(
            again
                .blobs
                .find(&repository("one"), &sha256(b"moved"))
                .await
                .is_ok(),
            "{act:?}"
        );
        let tags = again.tags.list(&name, None, None).await.unwrap().items;
        assert!(
            tags.contains(&tag("v1")) && tags.contains(&tag("v3")),
            "{act:?}: {tags:?}"
        );
    }
}
