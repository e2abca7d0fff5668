//! What a collection has published, and who waits for it.

use std::time::{Duration, SystemTime};

use super::*;
use crate::content::batch::{Batch, Condemned};
use crate::storage::Objects;
use crate::storage::faulty::Faulty;
use crate::storage::memory::MemoryStorage;

const MINUTE: Duration = Duration::from_secs(60);

/// A store in which a batch lies, and an image of which nothing was in use before.
struct Collecting {
    storage: MemoryStorage,
    image: Image,
}

impl Collecting {
    async fn with(batch: impl Into<Bytes>) -> Self {
        let storage = MemoryStorage::new();
        let collecting = Collecting {
            storage,
            image: image().layer("layer"),
        };
        for bytes in ["layer", "{}"] {
            push_blob(
                &collecting.after(0),
                &repository("old"),
                Bytes::from_static(bytes.as_bytes()),
            )
            .await;
            push_blob(
                &collecting.after(0),
                &repository("app"),
                Bytes::from_static(bytes.as_bytes()),
            )
            .await;
        }
        collecting
            .storage
            .write(&batch_key(), batch.into())
            .await
            .unwrap();
        collecting
    }

    /// The registry, so many minutes later by the clock of the store.
    fn after(&self, minutes: i64) -> Content {
        let options = Options {
            collection_patience: Duration::ZERO,
            ..options()
        };
        let storage = Faulty::new(self.storage.clone()).ahead_by(minutes * 60);
        Content::new(Arc::new(storage), options)
    }

    /// Whether a push of the layer, a mount of it, and a push of the manifest have to wait.
    async fn who_waits(&self, minutes: i64) -> [bool; 3] {
        let (content, name, layer) = (self.after(minutes), repository("app"), sha256(b"layer"));
        let pushed = content.uploads.push(&name, &layer, body("layer")).await;
        let mounted = content.blobs.mount(&name, &layer, &repository("old")).await;
        let put = put(&content, &name, "v1", self.image.manifest()).await;
        [pushed.err(), mounted.err(), put.err()].map(|error| match error {
            None => false,
            Some(Error::Collecting) => true,
            Some(other) => panic!("{other}"),
        })
    }
}

fn batch_key() -> Key {
    layout::below(&layout::condemned(), "batch").unwrap()
}

fn batch(names: impl IntoIterator<Item = Condemned>) -> String {
    Batch::new(SystemTime::now() + 4 * MINUTE, names).encode()
}

const ALL: [bool; 3] = [true; 3];
const NOBODY: [bool; 3] = [false; 3];

#[tokio::test]
async fn only_those_whose_names_stand_in_a_batch_wait_for_it() {
    let (app, layer) = (repository("app"), sha256(b"layer"));
    let manifest = image().layer("layer").digest();
    for (name, waiting) in [
        (Condemned::Blob(layer), ALL),
        (Condemned::Layer(app.clone(), layer), ALL),
        (Condemned::Layer(repository("old"), layer), NOBODY),
        (Condemned::Blob(sha256(b"{}")), [false, false, true]),
        (Condemned::Blob(manifest), [false, false, true]),
        (Condemned::Revision(app.clone(), manifest), [false, false, true]),
        (Condemned::Revision(repository("old"), manifest), NOBODY),
        (Condemned::Tag(app.clone(), tag("v1")), [false, false, true]),
        (Condemned::Tag(app, tag("v2")), NOBODY),
        (Condemned::Blob(sha256(b"other")), NOBODY),
    ] {
        let collecting = Collecting::with(batch([name.clone()])).await;
        assert_eq!(collecting.who_waits(0).await, waiting, "{name:?}");
    }
}

#[tokio::test]
async fn all_wait_for_a_batch_that_cannot_be_read_until_its_age_makes_it_void() {
    let whole = batch([Condemned::Blob(sha256(b"other"))]);
    for (what, text) in [
        ("torn", &whole[..whole.len() - 7]),
        ("newer", &*whole.replacen('1', "2", 1)),
        ("foreign", "{}"),
        ("empty", ""),
    ] {
        let collecting = Collecting::with(text.to_owned()).await;
        assert_eq!(collecting.who_waits(19).await, ALL, "{what}");
        assert_eq!(collecting.who_waits(21).await, NOBODY, "{what}");
    }
}

/// By the clock of the store, whatever this machine's says.
#[tokio::test]
async fn a_batch_that_a_dead_collection_left_is_void_a_quarter_of_an_hour_after_its_deadline() {
    let named = || [Condemned::Blob(sha256(b"layer"))];
    let collecting = Collecting::with(batch(named())).await;
    assert_eq!(collecting.who_waits(18).await, ALL);
    assert_eq!(collecting.who_waits(20).await, NOBODY);
    // A deadline that no collection has.
    let far = Batch::new(SystemTime::now() + 10_000 * MINUTE, named()).encode();
    let collecting = Collecting::with(far).await;
    assert_eq!(collecting.who_waits(19).await, ALL);
    assert_eq!(collecting.who_waits(21).await, NOBODY);
}

/// What it named is written again, or looked for.
#[tokio::test]
async fn who_has_waited_looks_again() {
    let collecting = Collecting::with(batch([Condemned::Blob(sha256(b"layer"))])).await;
    let content = Content::new(Arc::new(collecting.storage.clone()), options());
    let (name, manifest) = (repository("app"), collecting.image.manifest());
    let push = tokio::spawn(async move { put(&content, &name, "v1", manifest).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!push.is_finished());
    let layer = layout::layer_link(&repository("app"), &sha256(b"layer"));
    collecting.storage.delete(&layer).await.unwrap();
    collecting.storage.delete(&batch_key()).await.unwrap();
    let error = push.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::ManifestBlobUnknown { .. }), "{error}");
}
