//! What a manifest costs while it is parsed: alone in its process, so that the counts are its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

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

/// One test at a time: they share the counts.
static ALONE: Mutex<()> = Mutex::new(());

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
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
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

/// As many as fit into the largest manifest.
fn many(piece: impl Fn(usize) -> String) -> String {
    let mut text = piece(0);
    for number in 1.. {
        if text.len() > LARGEST - 8192 {
            break;
        }
        text.push(',');
        text += &piece(number);
    }
    text
}

/// The server lets 8 MiB of manifests be parsed at a time: these are what that may come to.
#[test]
fn what_is_kept_costs_a_known_multiple_of_its_bytes() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let digest = format!("sha256:{}", "0".repeat(64));
    let blob = format!(r#""mediaType":"a/b","digest":"{digest}","size":1"#);
    let annotations = many(|number| format!(r#""{number}":"""#));
    let urls = many(|_| r#""""#.to_owned());
    let layers = many(|_| format!("{{{blob}}}"));
    for (most_times, rest) in [
        (5, format!(r#""config":{{{blob}}},"layers":[{layers}]"#)),
        (
            9,
            format!(r#""config":{{{blob}}},"layers":[],"annotations":{{{annotations}}}"#),
        ),
        (
            9,
            format!(r#""config":{{{blob},"annotations":{{{annotations}}}}},"layers":[]"#),
        ),
        (19, format!(r#""config":{{{blob},"urls":[{urls}]}},"layers":[]"#)),
    ] {
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",{rest}}}"#
        );
        let before = NOW.load(Relaxed);
        MOST.store(before, Relaxed);
        Manifest::parse(text.as_bytes(), None).expect("it is a manifest");
        let most = MOST.load(Relaxed) - before;
        assert!(
            most < most_times * text.len(),
            "{most} bytes for {}",
            &rest[..200]
        );
    }
}
