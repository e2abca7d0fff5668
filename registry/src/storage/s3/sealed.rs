//! All bytes of an object, before and while they are shown.

use std::sync::Arc;

use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use super::super::{Answer, Error, Key, Opened, Pieces, Sealed, Wanted};
use super::body::Heap;
use super::budget::Reserved;
use super::errors::Failure;
use super::multipart::{AbortOnDrop, Multipart};
use super::reading;
use super::session::{Progress, Session};
use super::uploads::Shared;
use super::writer::Target;

#[derive(Debug)]
pub(super) struct SealedObject {
    shared: Arc<Shared>,
    /// The upload that it came by.
    session: Option<Arc<Session>>,
    /// What was kept of it stays in memory meanwhile.
    _base: Arc<Progress>,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    /// No more than a part.
    InMemory(
        Heap,
        #[expect(dead_code, reason = "it is given back when this is dropped")] Reserved,
    ),
    /// Where they become an object: at the final key, or beside the upload, if that was not known.
    InParts(Arc<Parts>),
}

#[derive(Debug)]
struct Parts {
    shared: Arc<Shared>,
    key: Key,
    multipart: Multipart,
    completed: OnceCell<()>,
    guard: std::sync::Mutex<Option<AbortOnDrop>>,
}

impl SealedObject {
    pub(super) fn new(
        shared: Arc<Shared>,
        target: Target,
        base: Arc<Progress>,
        bytes: Heap,
        reserved: Reserved,
        multipart: Option<Multipart>,
        guard: Option<AbortOnDrop>,
    ) -> Self {
        let bytes = match multipart {
            Some(multipart) if let Ok(key) = multipart.key.parse() => Bytes::InParts(Arc::new(Parts {
                shared: Arc::clone(&shared),
                key,
                multipart,
                completed: OnceCell::new(),
                guard: std::sync::Mutex::new(guard),
            })),
            _ => Bytes::InMemory(bytes, reserved),
        };
        Self {
            shared,
            session: match target {
                Target::Append(session) => Some(session),
                Target::Direct(_) => None,
            },
            _base: base,
            bytes,
        }
    }
}

impl Parts {
    async fn complete(&self) -> Result<(), Error> {
        let complete = || async {
            self.shared.bucket.complete(&self.key, &self.multipart).await?;
            if let Ok(mut guard) = self.guard.lock()
                && let Some(guard) = guard.take()
            {
                guard.disarm();
            }
            Ok(())
        };
        self.completed.get_or_try_init(complete).await.map(drop)
    }

    async fn read(&self) -> Result<Pieces, Error> {
        self.complete().await?;
        match reading::open(&self.shared.bucket, &self.key, Wanted::All).await? {
            Opened::Found(reading) => Ok(reading.pieces),
            Opened::Missing | Opened::Unsatisfiable { .. } => Err(Error::Missing(self.key.clone())),
        }
    }
}

impl Sealed for SealedObject {
    fn read(&self) -> Pieces {
        match &self.bytes {
            Bytes::InMemory(bytes, _) => stream::iter(bytes.pieces().map(Ok)).boxed(),
            Bytes::InParts(parts) if self.session.is_some() => {
                let parts = Arc::clone(parts);
                stream::once(async move { parts.read().await })
                    .try_flatten()
                    .boxed()
            }
            // Completed they would be visible.
            Bytes::InParts(parts) => {
                let failure = Failure::protocol("what goes straight to its place can be read only there");
                stream::iter([Err(failure.into_error("read", &parts.key))]).boxed()
            }
        }
    }

    fn publish<'a>(&'a self, to: &'a Key) -> Answer<'a, ()> {
        async move {
            match &self.bytes {
                Bytes::InMemory(bytes, _) => self.shared.bucket.write_heap(to, bytes).await.map(drop),
                Bytes::InParts(parts) => {
                    parts.complete().await?;
                    match parts.key == *to {
                        true => Ok(()),
                        false => {
                            self.shared
                                .bucket
                                .copy(&parts.key, to, parts.multipart.size)
                                .await
                        }
                    }
                }
            }
        }
        .boxed()
    }

    fn forget(self: Box<Self>) -> Answer<'static, ()> {
        async move {
            let Some(session) = &self.session else {
                return Ok(());
            };
            let is_only_begun = !session.is_stored() && matches!(self.bytes, Bytes::InMemory(..));
            self.shared.end(&session.at, is_only_begun).await
        }
        .boxed()
    }
}
