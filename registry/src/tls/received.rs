//! What was received and is not opened yet, in the memory that it was received into.
//!
//! Records are opened in place. Nearly always that empties the memory, so the thread lends it for one call. A connection
//! that brings much is lent one of a few large ones, and keeps it until all in it is opened.
//!
//! Every call that empties the socket has the kernel tell the sender that there is room again, and what the sender then
//! sends is, on loopback, work that is done in our name: few large calls cost less than many small ones
//! (`registry/PERFORMANCE.md`). Whoever keeps a large memory for long takes that from others, and nothing else.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::thread::available_parallelism;

use tokio::io::{AsyncRead, ReadBuf};

/// What is received at once into the thread's memory: a record at least, or nothing would ever be opened.
const AT_LEAST: usize = 18 << 10;
const AT_MOST: usize = 64 << 10;
/// How large a large memory is: what it has room for is received.
const LARGE: usize = 1 << 20;
/// They stay when nobody needs them.
const LARGE_ONES_AT_MOST: usize = 4;

thread_local! {
    static OF_THREAD: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

static LARGE_ONES: LazyLock<Lender> = LazyLock::new(|| {
    let cores = available_parallelism().map_or(1, usize::from);
    Lender::new(cores.min(LARGE_ONES_AT_MOST))
});

/// Bytes that came, in lent memory.
pub(super) struct Received {
    memory: Memory,
    start: usize,
    end: usize,
}

impl Received {
    /// Begins with what came earlier. `much`: there will be more than the thread's memory takes at once.
    pub(super) fn after(earlier: &[u8], much: bool) -> Self {
        let large = much.then(|| LARGE_ONES.lend()).flatten();
        let mut received = Self {
            memory: large.unwrap_or_else(Memory::of_thread),
            start: 0,
            end: earlier.len(),
        };
        received.memory.make_room(earlier.len());
        received.memory.bytes[..earlier.len()].copy_from_slice(earlier);
        received
    }

    pub(super) fn is_large(&self) -> bool {
        self.memory.lender.is_some()
    }

    pub(super) fn unopened(&self) -> &[u8] {
        &self.memory.bytes[self.start..self.end]
    }

    pub(super) fn unopened_mut(&mut self) -> &mut [u8] {
        &mut self.memory.bytes[self.start..self.end]
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end, "more than there is");
    }

    /// Receives more: about as much as is `wanted`, or all that has come if this is large. Gives whether there is
    /// likely much more to come; [`io::ErrorKind::UnexpectedEof`] if nothing comes any more.
    pub(super) fn poll_more(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
        wanted: usize,
    ) -> Poll<io::Result<bool>> {
        self.memory.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let wanted = wanted.clamp(AT_LEAST, AT_MOST);
        self.memory.make_room(self.end + wanted);
        let end = match self.is_large() {
            true => self.memory.bytes.len(),
            false => self.end + wanted,
        };
        let mut free = ReadBuf::new(&mut self.memory.bytes[self.end..end]);
        ready!(Pin::new(stream).poll_read(context, &mut free))?;
        let count = free.filled().len();
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.end += count;
        Poll::Ready(Ok(count >= wanted))
    }
}

/// Goes back to where it came from when it is dropped.
struct Memory {
    bytes: Vec<u8>,
    /// None: the thread.
    lender: Option<&'static Lender>,
}

impl Memory {
    fn of_thread() -> Self {
        Self {
            bytes: OF_THREAD.take(),
            lender: None,
        }
    }

    fn make_room(&mut self, size: usize) {
        if self.bytes.len() < size {
            self.bytes.resize(size, 0);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        match self.lender {
            Some(lender) => lender.lent().back.push(bytes),
            None => OF_THREAD.set(bytes),
        }
    }
}

/// Has some large ones, made when they are first needed, and lends each to one connection at a time.
struct Lender(Mutex<Lent>);

struct Lent {
    back: Vec<Vec<u8>>,
    /// How many more may be made.
    unmade: usize,
}

impl Lender {
    fn new(count: usize) -> Self {
        Self(Mutex::new(Lent {
            back: Vec::new(),
            unmade: count,
        }))
    }

    /// None if others have them all.
    fn lend(&'static self) -> Option<Memory> {
        let mut lent = self.lent();
        let bytes = match lent.back.pop() {
            Some(bytes) => bytes,
            None => {
                lent.unmade = lent.unmade.checked_sub(1)?;
                vec![0; LARGE]
            }
        };
        Some(Memory {
            bytes,
            lender: Some(self),
        })
    }

    fn lent(&self) -> MutexGuard<'_, Lent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_one_is_lent_to_one_at_a_time_and_goes_back_when_it_is_dropped() {
        let lender: &Lender = Box::leak(Box::new(Lender::new(2)));
        let (first, second) = (lender.lend().unwrap(), lender.lend().unwrap());
        assert!(lender.lend().is_none(), "there are two");
        let address = second.bytes.as_ptr();
        drop(second);
        let again = lender.lend().unwrap();
        assert_eq!((again.bytes.as_ptr(), again.bytes.len()), (address, LARGE));
        assert!(lender.lend().is_none());
        drop((first, again));
        assert_eq!(lender.lent().back.len(), 2);
    }

    #[tokio::test]
    async fn what_is_not_opened_stays_in_front_of_what_comes_next() {
        let sent: Vec<u8> = (0..=255).cycle().take(3 * AT_MOST).collect();
        let mut received = Received::after(&sent[..1000], false);
        let mut rest = &sent[1000..];
        let mut opened = Vec::new();
        while opened.len() < sent.len() {
            let much = std::future::poll_fn(|context| received.poll_more(&mut rest, context, usize::MAX))
                .await
                .unwrap();
            assert_eq!(much, !rest.is_empty());
            let count = received.unopened().len().min(AT_MOST - 100);
            let count = if rest.is_empty() {
                received.unopened().len()
            } else {
                count
            };
            opened.extend_from_slice(&received.unopened_mut()[..count]);
            received.consume(count);
        }
        assert!(opened == sent);
        let error = std::future::poll_fn(|context| received.poll_more(&mut rest, context, 1))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
