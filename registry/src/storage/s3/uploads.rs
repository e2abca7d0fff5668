//! Uploads of a bucket: begun, found again, ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use tracing::warn;

use super::super::{Answer, Buffers, Error, Key, Resumed, Uploads, Writer};
use super::S3Storage;
use super::bucket::Bucket;
use super::budget::Budget;
use super::session::{Progress, Session, Sessions};
use super::settings::MEMORY;
use super::writer::{S3Writer, Target};
use super::{purge, record};

/// So long nothing may happen to the bytes that wait in memory.
const QUIET: Duration = Duration::from_millis(250);

/// What all uploads share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) bucket: Arc<Bucket>,
    pub(super) buffers: Arc<Buffers>,
    pub(super) budget: Budget,
    sessions: Sessions,
}

impl Shared {
    pub(super) fn new(bucket: Arc<Bucket>) -> Self {
        let part = bucket.settings.part;
        let memory = MEMORY.max(4 * part);
        Self {
            bucket,
            buffers: Buffers::new(memory),
            budget: Budget::new(memory, part),
            sessions: Sessions::default(),
        }
    }

    /// Writes what waits in memory, once no request has touched it for a while.
    pub(super) fn spill_when_quiet(self: &Arc<Self>, session: Arc<Session>, progress: Arc<Progress>) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(QUIET).await;
                let is_held = session.held().is_some_and(|held| Arc::ptr_eq(&held, &progress));
                if !is_held {
                    return;
                }
                // This task, and the session.
                if Arc::strong_count(&progress) > 2 {
                    continue;
                }
                match shared.store(&session, &progress).await {
                    Ok(()) | Err(Error::Missing(_)) => return session.let_go(&progress),
                    Err(error) => warn!(upload = %session.at, %error, "bytes of an upload wait in memory"),
                }
            }
        });
    }

    pub(super) async fn store(&self, session: &Session, progress: &Progress) -> Result<(), Error> {
        session.set_stored();
        record::store(&self.bucket, &session.at, progress).await
    }

    /// Ends an upload, with as few requests as what is known of it allows.
    pub(super) async fn end(&self, at: &Key, is_only_begun: bool) -> Result<(), Error> {
        if let Some(session) = self.sessions.find(at) {
            session.end();
        }
        match is_only_begun {
            true => self.bucket.delete(&record::within(at, record::STARTED_AT)).await,
            false => record::remove(&self.bucket, at).await,
        }
    }

    fn writer(self: &Arc<Self>, target: Target, progress: Arc<Progress>) -> Box<dyn Writer> {
        Box::new(S3Writer::new(Arc::clone(self), target, progress))
    }

    async fn load(self: &Arc<Self>, at: &Key) -> Result<Option<Resumed>, Error> {
        let session = self.sessions.of(at);
        let progress = match session.held() {
            Some(held) => held,
            None => {
                let Some(found) = record::load(&self.bucket, at).await? else {
                    return Ok(None);
                };
                if found.is_stored {
                    session.set_stored();
                }
                session.set_note(found.note);
                Arc::new(found.progress)
            }
        };
        Ok(Some(Resumed {
            received: progress.end,
            saved: progress.saved.clone(),
            note: session.note(),
            writer: self.writer(Target::Append(session), progress),
        }))
    }
}

impl Uploads for S3Storage {
    fn begin<'a>(&'a self, at: &'a Key, note: Option<&'a str>) -> Answer<'a, ()> {
        record::begin(&self.bucket, at, note).boxed()
    }

    fn load<'a>(&'a self, at: &'a Key) -> Answer<'a, Option<Resumed>> {
        self.uploads.load(at).boxed()
    }

    fn direct(&self, to: &Key) -> Box<dyn Writer> {
        self.uploads.writer(Target::Direct(to.clone()), Arc::default())
    }

    fn abandon<'a>(&'a self, at: &'a Key) -> Answer<'a, ()> {
        self.uploads.end(at, false).boxed()
    }

    fn purge<'a>(&'a self, folder: &'a Key, before: SystemTime) -> Answer<'a, usize> {
        purge::uploads(&self.uploads, folder, before).boxed()
    }

    fn purge_remains(&self, before: SystemTime) -> Answer<'_, usize> {
        purge::remains(&self.bucket, before).boxed()
    }
}
