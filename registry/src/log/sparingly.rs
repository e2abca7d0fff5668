//! Lines that strangers cause must not fill a disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const SPAN: Duration = Duration::from_secs(60);
const IN_SPAN: u32 = 20;

/// Lets some lines a minute through, and counts the others.
#[derive(Debug)]
pub struct Sparingly(Mutex<State>);

#[derive(Debug)]
struct State {
    since: Instant,
    written: u32,
    left_out: u64,
}

impl Default for Sparingly {
    fn default() -> Self {
        Sparingly(Mutex::new(State {
            since: Instant::now(),
            written: 0,
            left_out: 0,
        }))
    }
}

impl Sparingly {
    /// Whether a line may be written now, and how many were left out since the last one.
    pub fn may_write(&self) -> Option<u64> {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(state.since) >= SPAN {
            (state.since, state.written) = (now, 0);
        }
        if state.written == IN_SPAN {
            state.left_out += 1;
            return None;
        }
        state.written += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_of_a_minute_are_written_and_the_next_minute_tells_of_the_others() {
        let (sparingly, start) = (Sparingly::default(), Instant::now());
        let written = (0..100).filter(|_| sparingly.at(start).is_some());
        assert_eq!(written.count(), 20);
        assert_eq!(sparingly.at(start + SPAN * 2), Some(80));
        assert_eq!(sparingly.at(start + SPAN * 2), Some(0));
    }
}
