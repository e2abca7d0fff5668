//! What a manifest costs while it is parsed: alone in its process, so that the counts are its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use roadstead_oci::Manifest;

/// The most that a manifest may have.
const LARGEST: usize = 4 * 1024 * 1024;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code, reason = "an allocator cannot be counted otherwise")]
// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(now, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A manifest with as much of `piece` in it as there may be, between `before` and `after`.
fn filled(before: &str, piece: &str, after: &str) -> String {
    let count = (LARGEST - 4096) / piece.len();
    let digest = format!("sha256:{}", "0".repeat(64));
    let config = format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":1"#);
    format!(
        r#"{{"schemaVersion":2,"config":{config}{before}{}{after}}},"layers":[]}}"#,
        piece.repeat(count)
    )
}

#[test]
fn what_is_passed_over_costs_nothing() {
    for (before, piece, after) in [
        (r#","x":[1"#, ",1", "]"),
        (r#","x":[{}"#, ",{}", "]"),
        (r#","x":{"a":1"#, r#","a":1"#, "}"),
        (r#","platform":{"os.features":["""#, r#","""#, "]}"),
    ] {
        let text = filled(before, piece, after);
        let before = NOW.load(Relaxed);
        MOST.store(before, Relaxed);
        Manifest::parse(text.as_bytes(), None).expect("it is a manifest");
        let most = MOST.load(Relaxed) - before;
        assert!(most < 64 * 1024, "{piece}: {most} bytes");
    }
}
