//! What versions of small files hold.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::version::Version;

/// About so many bytes of memory are taken: the links of ten thousand tags.
const BUDGET: usize = 6 << 20;
/// What each takes beside its bytes, roughly.
const OVERHEAD: usize = 200;
/// What does not fit is not kept, or who lists more than fits would throw all of it out before it is asked for again. So
/// long, for then all is forgotten: it may be what nobody asks for any more.
const KEPT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Contents(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    by_version: HashMap<Version, Bytes>,
    cost: usize,
    since: Instant,
}

impl Contents {
    pub(super) fn new() -> Self {
        Contents(Mutex::new(Kept::nothing()))
    }

    pub(super) fn get(&self, version: Version) -> Option<Bytes> {
        self.lock().by_version.get(&version).cloned()
    }

    pub(super) fn keep(&self, version: Version, bytes: Bytes) {
        let cost = OVERHEAD + bytes.len();
        let mut kept = self.lock();
        let mut forgotten = None;
        if kept.cost + cost > BUDGET {
            if kept.since.elapsed() < KEPT {
                return;
            }
            forgotten = Some(std::mem::replace(&mut *kept, Kept::nothing()));
        }
        if kept.by_version.insert(version, bytes).is_none() {
            kept.cost += cost;
        }
        drop(kept);
        // Outside of the lock: it is many.
        drop(forgotten);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn nothing() -> Self {
        Kept {
            by_version: HashMap::new(),
            cost: 0,
            since: Instant::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_stays_for_a_while_and_all_of_it_is_bounded() {
        let contents = Contents::new();
        let link = Bytes::from(vec![7; 71]);
        let fit = (BUDGET / (OVERHEAD + link.len())) as u64;
        for _ in 0..2 {
            for number in 0..2 * fit {
                contents.keep(Version::numbered(number), link.clone());
            }
        }
        let kept = (0..2 * fit).filter(|number| contents.get(Version::numbered(*number)).is_some());
        assert!(kept.eq(0..fit));

        contents.lock().since -= KEPT;
        contents.keep(Version::numbered(2 * fit), link.clone());
        assert_eq!(contents.get(Version::numbered(2 * fit)), Some(link));
        assert_eq!(contents.get(Version::numbered(0)), None);
    }
}
