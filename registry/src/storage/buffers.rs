//! Reused buffers for transfers, out of one budget.
//!
//! A fresh large buffer for each piece costs more in page faults than the copy itself, and a fixed large size per
//! transfer costs memory without bound when there are many. So buffers come from a pool, and become smaller the
//! more transfers there are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SMALLEST: usize = 16 << 10;
/// 16, 32, 64, 128, 256, 512 KiB and 1 MiB.
const CLASSES: usize = 7;
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
        let bytes = reused.unwrap_or_else(|| vec![0; size + Buffer::ALIGNMENT].into_boxed_slice());
        Buffer {
            start: bytes.as_ptr().align_offset(Buffer::ALIGNMENT),
            size,
            bytes,
            filled: 0,
            pool: Arc::clone(self),
        }
    }

    fn give_back(&self, bytes: Box<[u8]>) {
        let size = bytes.len().saturating_sub(Buffer::ALIGNMENT);
        let class = (size / SMALLEST).trailing_zeros() as usize;
        let mut free = self.free();
        // A quarter of the budget at rest: what a busy hour needed is not kept for ever.
        if class < CLASSES && free.bytes + size <= self.budget / 4 {
            free.bytes += size;
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
    /// An empty buffer that takes up to `wanted` bytes, or less where that is more than this transfer's present share.
    pub fn buffer_for(&self, wanted: u64) -> Buffer {
        let active = self.0.active.load(Ordering::Relaxed).max(1);
        let share = self.0.budget / active / PER_TRANSFER;
        let affordable = (0..CLASSES).rev().find(|class| SMALLEST << class <= share);
        let sufficient = (0..CLASSES).find(|class| (SMALLEST << class) as u64 >= wanted);
        self.0
            .take(affordable.unwrap_or(0).min(sufficient.unwrap_or(CLASSES - 1)))
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
    /// A little more than `size`, so that somewhere in it lies an aligned start.
    bytes: Box<[u8]>,
    start: usize,
    size: usize,
    filled: usize,
    pool: Arc<Buffers>,
}

impl Buffer {
    /// Where buffers begin in memory, and what their sizes are multiples of: what disks want of those who write
    /// past the page cache.
    pub const ALIGNMENT: usize = 4096;

    pub fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.filled]
    }

    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    pub fn is_full(&self) -> bool {
        self.filled == self.size
    }

    pub fn capacity(&self) -> usize {
        self.size
    }

    /// The part that is not filled yet; see [`Self::advance`].
    pub fn unfilled(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start + self.filled..self.start + self.size]
    }

    /// So many more bytes are filled.
    pub fn advance(&mut self, bytes: usize) {
        assert!(
            bytes <= self.size - self.filled,
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
        let free = self.unfilled();
        let fits = source.len().min(free.len());
        free[..fits].copy_from_slice(&source.split_to(fits));
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
        let mut buffer = transfer.buffer_for(u64::MAX);
        buffer.fill_from(&mut bytes::Bytes::from_static(b"abc"));
        let bytes = buffer.freeze();
        let address = bytes.as_ptr();
        assert_eq!(&bytes[..], b"abc");
        drop(bytes);
        let again = transfer.buffer_for(u64::MAX);
        assert!(again.is_empty());
        assert_eq!(again.filled().as_ptr(), address);
    }

    #[test]
    fn buffers_become_smaller_with_more_transfers() {
        let buffers = Buffers::new(32 << 20);
        let first = buffers.transfer();
        assert_eq!(first.buffer_for(20 << 10).capacity(), 2 * SMALLEST);
        assert_eq!(first.buffer_for(u64::MAX).capacity(), LARGEST);
        let others: Vec<_> = (0..599).map(|_| buffers.transfer()).collect();
        assert_eq!(first.buffer_for(u64::MAX).capacity(), SMALLEST);
        drop(others);
        assert_eq!(first.buffer_for(u64::MAX).capacity(), LARGEST);
    }

    #[test]
    fn the_pool_keeps_no_more_than_a_quarter_of_the_budget() {
        let buffers = Buffers::new(4 * LARGEST);
        let transfer = buffers.transfer();
        drop([
            transfer.buffer_for(u64::MAX),
            transfer.buffer_for(u64::MAX),
            transfer.buffer_for(u64::MAX),
        ]);
        assert_eq!(buffers.free().bytes, LARGEST);
    }

    #[test]
    fn filling_stops_where_the_buffer_ends() {
        let mut buffer = Buffers::new(1).transfer().buffer_for(u64::MAX);
        let mut source = bytes::Bytes::from(vec![7; SMALLEST + 5]);
        buffer.fill_from(&mut source);
        assert!(buffer.is_full());
        assert_eq!(source.len(), 5);
    }
}
