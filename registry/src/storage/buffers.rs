//! Reused buffers for transfers, out of one budget.
//!
//! A fresh large buffer for each piece costs more in page faults than the copy itself, and a fixed large size per
//! transfer costs memory without bound when there are many. So buffers come from a pool, and become smaller the
//! more transfers there are.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures::task::AtomicWaker;

use super::pages::{self, Memory};

const SMALLEST: usize = 16 << 10;
/// 16, 32, 64, 128, 256, 512 KiB, 1 and 2 MiB.
const CLASSES: usize = 8;
/// A transfer has one buffer that is being filled and one that is being emptied, if its share is enough for two.
const PER_TRANSFER: usize = 2;

/// The pool. One for the whole server.
#[derive(Debug)]
pub struct Buffers {
    budget: usize,
    /// Transfers.
    active: AtomicUsize,
    /// Bytes in buffers that are not back yet.
    taken: AtomicUsize,
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    bytes: usize,
    classes: [Vec<Memory>; CLASSES],
}

impl Buffers {
    /// `budget`: about how many bytes all transfers together use.
    pub fn new(budget: usize) -> Arc<Self> {
        Arc::new(Self {
            budget,
            active: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            free: Mutex::default(),
        })
    }

    /// Begins a transfer: it has its share of the budget until it and the last of its buffers are dropped.
    pub fn transfer(self: &Arc<Self>) -> Transfer {
        self.active.fetch_add(1, Ordering::Relaxed);
        Transfer(Arc::new(Running {
            pool: Arc::clone(self),
            out: AtomicUsize::new(0),
            returned: AtomicWaker::new(),
        }))
    }

    /// What one transfer may have of the budget, as things stand.
    fn share(&self) -> usize {
        self.budget / self.active.load(Ordering::Relaxed).max(1)
    }

    /// What is not taken: those who came first had more than a share.
    fn left(&self) -> usize {
        self.budget.saturating_sub(self.taken.load(Ordering::Relaxed))
    }

    fn take(&self, class: usize) -> Memory {
        let size = SMALLEST << class;
        self.taken.fetch_add(size, Ordering::Relaxed);
        let reused = {
            let mut free = self.free();
            let reused = free.classes[class].pop();
            free.bytes -= reused.as_ref().map_or(0, |_| size);
            reused
        };
        reused.unwrap_or_else(|| Memory::new(size))
    }

    fn give_back(&self, memory: Memory) {
        let size = memory.len();
        self.taken.fetch_sub(size, Ordering::Relaxed);
        let class = (size / SMALLEST).trailing_zeros() as usize;
        let most = self.left().max(self.at_rest());
        if size <= most {
            let mut free = self.free();
            // Whatever else lies there: this size is in use.
            free.shrink(most - size);
            free.bytes += size;
            free.classes[class].push(memory);
        }
    }

    /// What is kept when nothing is going on: what a busy hour needed is not kept for ever.
    fn at_rest(&self) -> usize {
        self.budget / 4
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Free {
    /// Leaves at most so many bytes, rather in large buffers, which cost the most to make.
    fn shrink(&mut self, most: usize) {
        for (class, buffers) in self.classes.iter_mut().enumerate() {
            while self.bytes > most && buffers.pop().is_some() {
                self.bytes -= SMALLEST << class;
            }
        }
    }
}

/// One running transfer.
#[derive(Debug)]
pub struct Transfer(Arc<Running>);

#[derive(Debug)]
struct Running {
    pool: Arc<Buffers>,
    /// Buffers that are not back yet.
    out: AtomicUsize,
    returned: AtomicWaker,
}

impl Transfer {
    /// An empty buffer that takes up to `wanted` bytes, or less where that is more than this transfer's present share.
    pub fn buffer_for(&self, wanted: u64) -> Buffer {
        let pool = &self.0.pool;
        let most = (pool.share() / PER_TRANSFER).min(pool.left());
        let affordable = (0..CLASSES).rev().find(|class| SMALLEST << class <= most);
        let sufficient = (0..CLASSES).find(|class| (SMALLEST << class) as u64 >= wanted);
        let class = affordable.unwrap_or(0).min(sufficient.unwrap_or(CLASSES - 1));
        let memory = pool.take(class);
        self.0.out.fetch_add(1, Ordering::Relaxed);
        Buffer {
            memory,
            filled: 0,
            transfer: Arc::clone(&self.0),
        }
    }

    /// As [`Self::buffer_for`], once as many of this transfer's buffers are back as it takes: whoever empties them at
    /// leisure must not make the next ones be filled. For one task at a time.
    pub async fn next_buffer_for(&self, wanted: u64) -> Buffer {
        poll_fn(|context| {
            if self.has_room() {
                return Poll::Ready(());
            }
            self.0.returned.register(context.waker());
            // One may have come back meanwhile, and found nobody to wake.
            match self.has_room() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        self.buffer_for(wanted)
    }

    fn has_room(&self) -> bool {
        let allowed = (self.0.pool.share() / SMALLEST).clamp(1, PER_TRANSFER);
        self.0.out.load(Ordering::Acquire) < allowed
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.pool.active.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.pool.free().shrink(self.pool.at_rest());
        }
    }
}

/// Bytes that go back to the pool when they are dropped.
#[derive(Debug)]
pub struct Buffer {
    memory: Memory,
    filled: usize,
    transfer: Arc<Running>,
}

impl Buffer {
    /// Where large buffers begin in memory, and what their sizes are multiples of: what disks want of those who write
    /// past the page cache.
    pub const ALIGNMENT: usize = pages::ALIGNMENT;
    /// Buffers of this size or more are large. Less costs more past the page cache, in waiting for the disk piece by
    /// piece, than the page cache costs.
    pub const ALIGNED_FROM: usize = pages::ALIGNED_FROM;

    pub fn filled(&self) -> &[u8] {
        &self.memory[..self.filled]
    }

    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    pub fn is_full(&self) -> bool {
        self.filled == self.capacity()
    }

    pub fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// The part that is not filled yet; see [`Self::advance`].
    pub fn unfilled(&mut self) -> &mut [u8] {
        &mut self.memory[self.filled..]
    }

    /// So many more bytes are filled.
    pub fn advance(&mut self, bytes: usize) {
        assert!(
            bytes <= self.capacity() - self.filled,
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
        let (free, taken) = (&mut free[..fits], source.split_to(fits));
        free.copy_from_slice(&taken);
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
        self.transfer.pool.give_back(std::mem::take(&mut self.memory));
        self.transfer.out.fetch_sub(1, Ordering::Release);
        self.transfer.returned.wake();
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

    /// They may hold on to what they were given when they were alone.
    #[test]
    fn transfers_that_come_one_after_the_other_do_not_take_more_than_the_budget_together() {
        let buffers = Buffers::new(4 << 20);
        let transfers: Vec<_> = (0..200).map(|_| buffers.transfer()).collect();
        let mut taken = Vec::new();
        for transfer in &transfers {
            taken.push(transfer.buffer_for(u64::MAX));
        }
        let all: usize = taken.iter().map(Buffer::capacity).sum();
        assert!(all <= (4 << 20) + 200 * SMALLEST, "{all} bytes");
        let buffers = Buffers::new(4 << 20);
        let mut taken = Vec::new();
        for _ in 0..200 {
            taken.push(buffers.transfer().buffer_for(u64::MAX));
        }
        let all: usize = taken.iter().map(Buffer::capacity).sum();
        assert!(all <= (4 << 20) + 200 * SMALLEST, "{all} bytes");
    }

    #[tokio::test]
    async fn a_transfer_whose_buffers_are_not_emptied_waits() {
        let transfer = Buffers::new(32 << 20).transfer();
        let first = transfer.next_buffer_for(1).await;
        let second = transfer.next_buffer_for(1).await.freeze();
        let third = transfer.next_buffer_for(1);
        let patience = std::time::Duration::from_millis(20);
        tokio::pin!(third);
        assert!(tokio::time::timeout(patience, third.as_mut()).await.is_err());
        drop(second);
        assert!(third.await.is_empty());
        drop(first);
    }

    #[test]
    fn a_transfer_has_its_share_until_its_last_buffer_is_back() {
        let buffers = Buffers::new(32 << 20);
        let transfer = buffers.transfer();
        let buffer = transfer.buffer_for(1);
        drop(transfer);
        assert_eq!(buffers.active.load(Ordering::Relaxed), 1);
        drop(buffer);
        assert_eq!(buffers.active.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn large_buffers_are_aligned_and_small_ones_are_no_larger_than_they_say() {
        let transfer = Buffers::new(32 << 20).transfer();
        for wanted in [1, 100 << 10, 128 << 10, LARGEST as u64] {
            let buffer = transfer.buffer_for(wanted);
            let is_large = buffer.capacity() >= Buffer::ALIGNED_FROM;
            let is_aligned = buffer.filled().as_ptr().addr().is_multiple_of(Buffer::ALIGNMENT);
            assert!(is_aligned || !is_large, "{wanted}");
        }
    }

    #[test]
    fn the_pool_keeps_what_transfers_use_and_a_quarter_of_the_budget_after_them() {
        let buffers = Buffers::new(4 * LARGEST);
        let transfer = buffers.transfer();
        let taken: Vec<_> = (0..4).map(|_| transfer.buffer_for(u64::MAX)).collect();
        let all: usize = taken.iter().map(Buffer::capacity).sum();
        drop(taken);
        assert_eq!(buffers.free().bytes, all);
        drop(transfer);
        assert_eq!(buffers.free().bytes, LARGEST);
    }

    #[test]
    fn small_buffers_that_nobody_uses_make_room_for_large_ones() {
        let buffers = Buffers::new(4 * LARGEST);
        let transfer = buffers.transfer();
        drop((0..100).map(|_| transfer.buffer_for(1)).collect::<Vec<_>>());
        drop(transfer);
        let transfer = buffers.transfer();
        let large = transfer.buffer_for(u64::MAX);
        let address = large.memory.as_ptr();
        drop((large, transfer));
        assert_eq!(buffers.free().bytes, LARGEST);
        assert_eq!(buffers.transfer().buffer_for(u64::MAX).memory.as_ptr(), address);
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
