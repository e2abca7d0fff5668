//! Reused buffers for transfers, out of one budget.
//!
//! A fresh large buffer for each piece costs more in page faults than the copy itself, and a fixed large size per
//! transfer costs memory without bound when there are many. So buffers come from a pool, and become smaller the
//! more transfers there are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SMALLEST: usize = 32 << 10;
/// 32, 64, 128 and 256 KiB.
const CLASSES: usize = 4;
/// A transfer has one buffer that is being filled and one that is being emptied.
const PER_TRANSFER: usize = 2;

/// The pool. One for the whole server.
#[derive(Debug)]
pub struct Buffers {
    budget: usize,
    active: AtomicUsize,
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    bytes: usize,
    classes: [Vec<Box<[u8]>>; CLASSES],
}

impl Buffers {
    /// `budget`: about how many bytes all transfers together use.
    pub fn new(budget: usize) -> Arc<Self> {
        Arc::new(Self {
            budget,
            active: AtomicUsize::new(0),
            free: Mutex::default(),
        })
    }

    /// Begins a transfer: it has its share of the budget until it is dropped.
    pub fn transfer(self: &Arc<Self>) -> Transfer {
        self.active.fetch_add(1, Ordering::Relaxed);
        Transfer(Arc::clone(self))
    }

    fn take(self: &Arc<Self>, class: usize) -> Buffer {
        let size = SMALLEST << class;
        let reused = {
            let mut free = self.free();
            let reused = free.classes[class].pop();
            free.bytes -= reused.as_ref().map_or(0, |_| size);
            reused
        };
        let bytes = reused.unwrap_or_else(|| vec![0; size].into_boxed_slice());
        Buffer {
            bytes,
            filled: 0,
            pool: Arc::clone(self),
        }
    }

    fn give_back(&self, bytes: Box<[u8]>) {
        let class = (bytes.len() / SMALLEST).trailing_zeros() as usize;
        let mut free = self.free();
        // A quarter of the budget at rest: what a busy hour needed is not kept for ever.
        if class < CLASSES && free.bytes + bytes.len() <= self.budget / 4 {
            free.bytes += bytes.len();
            free.classes[class].push(bytes);
        }
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One running transfer.
#[derive(Debug)]
pub struct Transfer(Arc<Buffers>);

impl Transfer {
    /// An empty buffer of this transfer's present share.
    pub fn buffer(&self) -> Buffer {
        let active = self.0.active.load(Ordering::Relaxed).max(1);
        let share = self.0.budget / active / PER_TRANSFER;
        let class = (0..CLASSES)
            .rev()
            .find(|class| SMALLEST << class <= share)
            .unwrap_or(0);
        self.0.take(class)
    }

    /// An empty buffer for at most this many bytes.
    pub fn buffer_for(&self, bytes: u64) -> Buffer {
        if bytes <= SMALLEST as u64 {
            self.0.take(0)
        } else {
            self.buffer()
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes that go back to the pool when they are dropped.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
    pool: Arc<Buffers>,
}

impl Buffer {
    pub fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    pub fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }

    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// The part that is not filled yet; see [`Self::advance`].
    pub fn unfilled(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// So many more bytes are filled.
    pub fn advance(&mut self, bytes: usize) {
        assert!(
            bytes <= self.bytes.len() - self.filled,
            "more bytes than there is room for"
        );
        self.filled += bytes;
    }

    /// Only the first `bytes` bytes count.
    pub fn truncate(&mut self, bytes: usize) {
        self.filled = self.filled.min(bytes);
    }

    /// Takes as much from the front of `source` as there is room for.
    pub fn fill_from(&mut self, source: &mut bytes::Bytes) {
        let fits = source.len().min(self.bytes.len() - self.filled);
        self.bytes[self.filled..self.filled + fits].copy_from_slice(&source.split_to(fits));
        self.filled += fits;
    }

    /// The filled part as shared bytes; the buffer is reused when the last of them is gone.
    pub fn freeze(self) -> bytes::Bytes {
        bytes::Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.filled()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: usize = SMALLEST << (CLASSES - 1);

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let transfer = Buffers::new(32 << 20).transfer();
        let mut buffer = transfer.buffer();
        buffer.fill_from(&mut bytes::Bytes::from_static(b"abc"));
        let bytes = buffer.freeze();
        let address = bytes.as_ptr();
        assert_eq!(&bytes[..], b"abc");
        drop(bytes);
        let again = transfer.buffer();
        assert!(again.is_empty());
        assert_eq!(again.bytes.as_ptr(), address);
    }

    #[test]
    fn buffers_become_smaller_with_more_transfers() {
        let buffers = Buffers::new(32 << 20);
        let first = buffers.transfer();
        assert_eq!(first.buffer().capacity(), LARGEST);
        let others: Vec<_> = (0..599).map(|_| buffers.transfer()).collect();
        assert_eq!(first.buffer().capacity(), SMALLEST);
        drop(others);
        assert_eq!(first.buffer().capacity(), LARGEST);
    }

    #[test]
    fn the_pool_keeps_no_more_than_a_quarter_of_the_budget() {
        let buffers = Buffers::new(4 * LARGEST);
        let transfer = buffers.transfer();
        drop([transfer.buffer(), transfer.buffer(), transfer.buffer()]);
        assert_eq!(buffers.free().bytes, LARGEST);
    }

    #[test]
    fn filling_stops_where_the_buffer_ends() {
        let mut buffer = Buffers::new(1).transfer().buffer();
        let mut source = bytes::Bytes::from(vec![7; SMALLEST + 5]);
        buffer.fill_from(&mut source);
        assert!(buffer.is_full());
        assert_eq!(source.len(), 5);
    }
}
