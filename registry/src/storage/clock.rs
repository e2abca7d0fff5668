//! The clock by which a store dates its objects, which may be another machine's.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How this machine's clock has to be read to tell the store's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// How far the store's clock is ahead of ours, in nanoseconds; less than nothing: behind it.
    pub offset: i64,
    /// It may be as much more or less. The longest there is: nobody knows yet.
    pub uncertainty: Duration,
}

impl Clock {
    /// Objects are dated by this machine, with a clock that ticks so often.
    pub const fn ours(tick: Duration) -> Self {
        Clock {
            offset: 0,
            uncertainty: tick,
        }
    }

    pub const UNKNOWN: Self = Clock::ours(Duration::MAX);

    /// Whether an object of this time is certainly older than this.
    pub fn is_older(&self, time: SystemTime, age: Duration) -> bool {
        let Some(margin) = age.checked_add(self.uncertainty) else {
            return false;
        };
        self.now()
            .duration_since(time)
            .is_ok_and(|elapsed| elapsed > margin)
    }

    /// Whether an object of this time is certainly younger than this.
    pub fn is_younger(&self, time: SystemTime, age: Duration) -> bool {
        let Some(margin) = age.checked_sub(self.uncertainty) else {
            return false;
        };
        // What lies in the future is young.
        self.now()
            .duration_since(time)
            .map_or(true, |elapsed| elapsed < margin)
    }

    /// The store's time, as likely as not.
    pub fn now(&self) -> SystemTime {
        let ours = SystemTime::now();
        let offset = Duration::from_nanos(self.offset.unsigned_abs());
        let theirs = match self.offset < 0 {
            true => ours.checked_sub(offset),
            false => ours.checked_add(offset),
        };
        theirs.unwrap_or(ours)
    }
}

/// What answers of a store told about its clock.
#[derive(Debug, Default)]
pub(super) struct ClockSamples(Mutex<Option<Sample>>);

#[derive(Clone, Copy, Debug)]
struct Sample {
    clock: Clock,
    taken: Instant,
}

/// Clocks drift apart, by less than this part of the time that passes.
const DRIFT: u32 = 2000;

impl ClockSamples {
    /// The store dated something `theirs` after our clock had shown `before`, and not later than now. Its clock ticks so
    /// often.
    pub(super) fn observe(&self, theirs: SystemTime, before: SystemTime, tick: Duration) {
        let now = SystemTime::now();
        let Ok(took) = now.duration_since(before) else {
            // Ours was set meanwhile.
            return;
        };
        let middle = before + took / 2;
        let clock = Clock {
            offset: difference(theirs, middle),
            uncertainty: took / 2 + tick,
        };
        let sample = Sample {
            clock,
            taken: Instant::now(),
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_better = |kept: &Sample| clock.uncertainty <= kept.clock().uncertainty || !kept.agrees(clock);
        if kept.as_ref().is_none_or(is_better) {
            *kept = Some(sample);
        }
    }

    pub(super) fn clock(&self) -> Clock {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().map_or(Clock::UNKNOWN, Sample::clock)
    }
}

impl Sample {
    fn clock(&self) -> Clock {
        let drift = self.taken.elapsed() / DRIFT;
        Clock {
            uncertainty: self.clock.uncertainty + drift,
            ..self.clock
        }
    }

    /// Whether both can be true. If not, one of the two clocks was set.
    fn agrees(&self, other: Clock) -> bool {
        let apart = Duration::from_nanos(self.clock.offset.abs_diff(other.offset));
        apart <= self.clock().uncertainty + other.uncertainty
    }
}

/// In nanoseconds, as far as they go: some three hundred years.
fn difference(theirs: SystemTime, ours: SystemTime) -> i64 {
    let nanoseconds = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    match theirs.duration_since(ours) {
        Ok(ahead) => nanoseconds(ahead),
        Err(behind) => -nanoseconds(behind.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn what_is_not_certain_is_neither_old_nor_young() {
        let clock = Clock::ours(10 * SECOND);
        let ago = |seconds| SystemTime::now() - seconds * SECOND;
        for (time, is_older, is_younger) in [
            (ago(80), true, false),
            (ago(65), false, false),
            (ago(55), false, false),
            (ago(40), false, true),
            (SystemTime::now() + HOUR, false, true),
        ] {
            assert_eq!(clock.is_older(time, 60 * SECOND), is_older);
            assert_eq!(clock.is_younger(time, 60 * SECOND), is_younger);
        }
        assert!(!Clock::UNKNOWN.is_older(ago(10_000), SECOND));
        assert!(!Clock::UNKNOWN.is_younger(ago(1), HOUR));
    }

    #[test]
    fn a_clock_that_runs_ahead_or_behind_is_known_from_what_it_dates() {
        for (theirs, offset) in [(SystemTime::now() + HOUR, 1), (SystemTime::now() - HOUR, -1)] {
            let samples = ClockSamples::default();
            assert_eq!(samples.clock(), Clock::UNKNOWN);
            samples.observe(theirs, SystemTime::now() - SECOND, SECOND);
            let clock = samples.clock();
            assert_eq!(clock.offset.signum(), offset);
            let apart = difference(clock.now(), theirs).unsigned_abs();
            assert!(Duration::from_nanos(apart) < clock.uncertainty);
        }
    }

    #[test]
    fn the_best_sample_counts_until_a_clock_is_set() {
        let samples = ClockSamples::default();
        let now = SystemTime::now;
        samples.observe(now(), now() - SECOND, SECOND);
        samples.observe(now(), now() - HOUR, SECOND);
        assert!(samples.clock().uncertainty < 2 * SECOND);
        samples.observe(now() - 24 * HOUR, now() - HOUR, SECOND);
        assert!(samples.clock().uncertainty > 2 * SECOND && samples.clock().offset < 0);
    }
}
