//! Waiting with an end.

use crate::measure::now;
use std::time::Duration;

/// Longest any single wait of a test may take before it fails.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
/// Between two looks of [`eventually`].
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Asks `look` again and again, 100 times a second, until it has something; fails with `what` after [`WAIT_MAX`].
///
/// For facts that no call can be blocked on, such as another node's mempool. Where there is such a call
/// (`waitforblockheight`), it is used instead.
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_every(LOOK_INTERVAL, what, look)
}

/// [`eventually`], with another time between two looks.
pub fn eventually_every<T>(interval: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < WAIT_MAX, "waited {} s in vain until {what}", WAIT_MAX.as_secs());
        std::thread::park_timeout(interval);
    }
}
