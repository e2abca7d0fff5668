//! An allocator that counts what the server's threads ask for. Frees are not counted: what is kept shows elsewhere.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static IS_OF_THE_CLIENT: Cell<bool> = const { Cell::new(false) };
}

/// What this thread allocates from now on is not counted.
pub(crate) fn leave_out_this_thread() {
    IS_OF_THE_CLIENT.set(true);
}

/// How often, and how many bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allocated {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

/// What was counted since this was called last.
pub(crate) fn take() -> Allocated {
    Allocated {
        count: COUNT.swap(0, Ordering::Relaxed),
        bytes: BYTES.swap(0, Ordering::Relaxed),
    }
}

pub(crate) struct Counting;

impl Counting {
    fn note(size: usize) {
        // A thread that ends may allocate when its own values are gone.
        if !IS_OF_THE_CLIENT.try_with(Cell::get).unwrap_or(true) {
            COUNT.fetch_add(1, Ordering::Relaxed);
            BYTES.fetch_add(size as u64, Ordering::Relaxed);
        }
    }
}

// SAFETY: all is handed to the system's allocator as it comes; counting allocates nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::note(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::note(size.saturating_sub(layout.size()));
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}
