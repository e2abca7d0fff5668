//! How old something in a store is.

use std::time::{Duration, SystemTime};

/// A time in the future counts as young: clocks differ, and sparing is the safe side.
pub(super) fn is_younger(time: SystemTime, age: Duration) -> bool {
    SystemTime::now()
        .duration_since(time)
        .is_ok_and(|elapsed| elapsed < age)
        || time > SystemTime::now()
}
