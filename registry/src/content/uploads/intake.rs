//! Taking in a body: hashed and written, off the async threads, while the next bytes arrive.

use bytes::Bytes;
use futures::future::{join, try_join};
use futures::{Stream, StreamExt};

use crate::content::error::{BodyError, Error};
use crate::content::hashing::{Hasher, hash};
use crate::storage::{Buffer, Writer};

/// The bytes of a request: pieces, or the reason why they ended early.
pub trait Body: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin {}
impl<T: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin> Body for T {}

/// What came of a body.
pub(super) struct Intake {
    /// Has all that came.
    pub(super) writer: Box<dyn Writer>,
    /// How many bytes came.
    pub(super) size: u64,
    pub(super) hasher: Hasher,
    /// Whether the body came to its end.
    pub(super) ended: Result<(), BodyError>,
}

/// Writes the body, as far as it comes.
pub(super) async fn take_in(
    mut writer: Box<dyn Writer>,
    mut hasher: Hasher,
    body: impl Body,
) -> Result<Intake, Error> {
    let mut source = Source {
        body,
        rest: Bytes::new(),
        ended: None,
    };
    let mut size = 0;
    let mut piece = source.fill(writer.piece().await?).await;
    while !piece.is_empty() {
        size += piece.filled().len() as u64;
        let memory = writer.piece().await?;
        let (stored, next) = join(store(&mut *writer, hasher, piece), source.fill(memory)).await;
        (hasher, piece) = (stored?, next);
    }
    Ok(Intake {
        writer,
        size,
        hasher,
        ended: source.ended.unwrap_or(Ok(())),
    })
}

struct Source<B> {
    body: B,
    rest: Bytes,
    ended: Option<Result<(), BodyError>>,
}

impl<B: Body> Source<B> {
    /// The buffer, full; not full, or empty, at the end.
    async fn fill(&mut self, mut buffer: Buffer) -> Buffer {
        loop {
            buffer.fill_from(&mut self.rest);
            if buffer.is_full() || self.ended.is_some() {
                return buffer;
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(error)) => self.ended = Some(Err(error)),
                None => self.ended = Some(Ok(())),
            }
        }
    }
}

async fn store(writer: &mut dyn Writer, hasher: Hasher, piece: Buffer) -> Result<Hasher, Error> {
    let piece = piece.freeze();
    let write = async { writer.put(piece.clone()).await.map_err(Error::from) };
    let hash = async { Ok(hash(hasher, piece.clone()).await) };
    let ((), hasher) = try_join(write, hash).await?;
    Ok(hasher)
}
