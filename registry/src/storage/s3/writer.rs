//! The bytes of one request, on their way into parts.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::super::{Answer, Buffer, Error, Kept, Key, Saved, Sealed, Transfer, Writer};
use super::body::Heap;
use super::budget::Reserved;
use super::errors::Failure;
use super::multipart::{AbortOnDrop, Multipart};
use super::record;
use super::sealed::SealedObject;
use super::session::{Progress, Session, Tail};
use super::uploads::Shared;

/// Most bodies are configurations and small layers, which need no large buffer.
const FIRST_PIECE: u64 = 64 << 10;
const PIECE: u64 = 256 << 10;
/// Parts of one upload that are on their way at once: the next one is filled meanwhile.
const SENDING: usize = 2;

/// Where the bytes belong.
#[derive(Debug)]
pub(super) enum Target {
    Append(Arc<Session>),
    Direct(Key),
}

#[derive(Debug)]
pub(super) struct S3Writer {
    shared: Arc<Shared>,
    transfer: Transfer,
    target: Target,
    /// Where this request goes on, which stays here while it runs.
    base: Arc<Progress>,
    /// Whether the tail that it goes on from is among `filling`.
    has_tail: bool,
    /// So many this request has brought.
    taken: u64,
    filling: Heap,
    reserved: Reserved,
    multipart: Option<Multipart>,
    /// Of a multipart upload that no record names yet.
    guard: Option<AbortOnDrop>,
    sending: JoinSet<Result<(usize, String), Error>>,
}

impl S3Writer {
    pub(super) fn new(shared: Arc<Shared>, target: Target, base: Arc<Progress>) -> Self {
        Self {
            transfer: shared.buffers.transfer(),
            shared,
            target,
            has_tail: false,
            taken: 0,
            filling: Heap::default(),
            reserved: Reserved::default(),
            multipart: base.multipart.clone(),
            base,
            guard: None,
            sending: JoinSet::new(),
        }
    }

    fn key(&self) -> &Key {
        match &self.target {
            Target::Append(session) => &session.at,
            Target::Direct(to) => to,
        }
    }

    /// Nothing may come to an upload that has ended.
    fn check(&self) -> Result<(), Error> {
        match &self.target {
            Target::Append(session) if session.has_ended() => Err(Error::Missing(session.at.clone())),
            _ => Ok(()),
        }
    }

    /// The bytes that came before and are no whole part go first.
    async fn take_tail(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.has_tail, true) {
            return Ok(());
        }
        match self.base.tail.clone() {
            Tail::Nothing => {}
            Tail::Held(bytes, reserved) => (self.filling, self.reserved) = (bytes, reserved),
            Tail::Stored(key, size) => {
                self.reserve(usize::try_from(size).unwrap_or(usize::MAX)).await?;
                let bytes = self.shared.bucket.read_small(&key, usize::MAX).await?;
                let bytes = bytes.filter(|(bytes, _)| bytes.len() as u64 == size);
                let (bytes, _) = bytes.ok_or_else(|| Error::Missing(key))?;
                self.filling.push(bytes);
            }
        }
        Ok(())
    }

    async fn reserve(&mut self, bytes: usize) -> Result<(), Error> {
        let reserved = self.shared.budget.reserve(&mut self.reserved, bytes).await;
        reserved
            .map_err(|exhausted| Failure::unanswered(exhausted.to_string()).into_error("write", self.key()))
    }

    /// Whole parts go on their way as soon as they are full.
    async fn send_full_parts(&mut self) -> Result<(), Error> {
        while self.filling.len() >= self.shared.bucket.settings.part {
            let part = self.filling.take(self.shared.bucket.settings.part);
            self.send(part).await?;
        }
        Ok(())
    }

    async fn send(&mut self, part: Heap) -> Result<(), Error> {
        while self.sending.len() >= SENDING {
            self.receive().await?;
        }
        if self.multipart.is_none() {
            let key = match &self.target {
                Target::Direct(to) => to.clone(),
                Target::Append(session) => {
                    record::within(&session.at, &format!("whole-{}", Uuid::new_v4().simple()))
                }
            };
            let (multipart, guard) = self.shared.bucket.begin_parts(&key).await?;
            (self.multipart, self.guard) = (Some(multipart), Some(guard));
        }
        let here = self.key().clone();
        let Some(multipart) = &mut self.multipart else {
            return Ok(());
        };
        let number = multipart.parts.len();
        multipart.parts.push(String::new());
        multipart.size += part.len() as u64;
        let key: Key = multipart.key.parse().map_err(|_| Error::Missing(here))?;
        let id = multipart.id.clone();
        let bucket = Arc::clone(&self.shared.bucket);
        let reserved = std::mem::take(&mut self.reserved);
        self.sending.spawn(async move {
            let tag = bucket.send_part(&key, &id, number, &part).await?;
            drop((part, reserved));
            Ok((number, tag))
        });
        Ok(())
    }

    async fn receive(&mut self) -> Result<(), Error> {
        let Some(sent) = self.sending.join_next().await else {
            return Ok(());
        };
        let failed = |error: tokio::task::JoinError| {
            Failure::unanswered(error.to_string()).into_error("write", self.key())
        };
        let (number, tag) = sent.map_err(failed)??;
        if let Some(multipart) = &mut self.multipart {
            multipart.parts[number] = tag;
        }
        Ok(())
    }

    async fn receive_all(&mut self) -> Result<(), Error> {
        while !self.sending.is_empty() {
            self.receive().await?;
        }
        Ok(())
    }

    async fn keep(mut self, saved: Saved) -> Result<Kept, Error> {
        let received = self.base.end;
        let Target::Append(session) = &self.target else {
            return Ok(Kept::Counts { received });
        };
        let session = Arc::clone(session);
        if self.taken == 0 {
            return Ok(Kept::Counts { received });
        }
        self.check()?;
        self.receive_all().await?;
        let progress = Arc::new(Progress {
            end: received + self.taken,
            saved: Some(saved),
            multipart: self.multipart.take(),
            tail: match self.filling.is_empty() {
                true => Tail::Nothing,
                false => Tail::Held(
                    std::mem::take(&mut self.filling),
                    std::mem::take(&mut self.reserved),
                ),
            },
        });
        if let Err(received) = session.hold(&progress) {
            return Ok(Kept::Overtaken { received });
        }
        let received = progress.end;
        if let Some(guard) = self.guard.take() {
            // Only a record keeps these parts from being purged as nobody's.
            let stored = self.shared.store(&session, &progress).await;
            session.let_go(&progress);
            stored?;
            guard.disarm();
            return Ok(Kept::Counts { received });
        }
        self.shared.spill_when_quiet(session, progress);
        Ok(Kept::Counts { received })
    }

    async fn seal(mut self) -> Result<SealedObject, Error> {
        self.check()?;
        self.take_tail().await?;
        if self.multipart.is_some() && !self.filling.is_empty() {
            let last = std::mem::take(&mut self.filling);
            self.send(last).await?;
        }
        self.receive_all().await?;
        Ok(SealedObject::new(
            self.shared,
            self.target,
            self.base,
            self.filling,
            self.reserved,
            self.multipart,
            self.guard,
        ))
    }
}

impl Writer for S3Writer {
    fn piece(&mut self) -> Answer<'_, Buffer> {
        async move {
            let wanted = match self.filling.is_empty() {
                true => FIRST_PIECE,
                false => PIECE,
            };
            self.reserve(self.filling.len() + wanted as usize).await?;
            Ok(self.transfer.buffer_for(wanted))
        }
        .boxed()
    }

    fn put(&mut self, bytes: Bytes) -> Answer<'_, ()> {
        async move {
            self.check()?;
            self.take_tail().await?;
            self.taken += bytes.len() as u64;
            self.filling.push(bytes);
            self.send_full_parts().await
        }
        .boxed()
    }

    fn keep(self: Box<Self>, saved: Saved) -> Answer<'static, Kept> {
        (*self).keep(saved).boxed()
    }

    fn seal(self: Box<Self>) -> Answer<'static, Box<dyn Sealed>> {
        async move {
            let sealed: Box<dyn Sealed> = Box::new((*self).seal().await?);
            Ok(sealed)
        }
        .boxed()
    }
}
