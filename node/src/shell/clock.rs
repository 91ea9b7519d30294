//! The only place of the node (the miner's meter aside) that reads a clock; everything else is told the time.

use crate::core::event::Time;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, in milliseconds since the Unix epoch. A clock set before 1970 reads as 0.
#[allow(clippy::disallowed_methods)] // this is the clock
pub fn now() -> Time {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Now, in whole seconds since the Unix epoch.
pub fn now_s() -> u64 {
    now().0 / 1_000
}

/// Now, on the clock that never steps back: for measuring how long something took.
#[allow(clippy::disallowed_methods)] // this is the clock
pub fn instant() -> Instant {
    Instant::now()
}
