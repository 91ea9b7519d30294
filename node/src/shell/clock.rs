//! The only place of the node (the miner's meter aside) that reads a clock; everything else is told the time.
//!
//! On local chains `setmocktime` and `mockscheduler` put another time in the clock's place, for the whole process.

use crate::core::event::Time;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The time that stands still in the clock's place, Unix seconds; 0 is none.
static MOCK_TIME_S: AtomicU64 = AtomicU64::new(0);
/// How far the node's time is ahead of the clock, seconds.
static AHEAD_S: AtomicU64 = AtomicU64::new(0);

/// Now, in milliseconds since the Unix epoch. A clock set before 1970 reads as 0.
#[allow(clippy::disallowed_methods)] // this is the clock
pub fn now() -> Time {
    let now_ms = match MOCK_TIME_S.load(Ordering::Relaxed) {
        0 => {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
        }
        mock_s => mock_s.saturating_mul(1_000),
    };
    Time(now_ms.saturating_add(AHEAD_S.load(Ordering::Relaxed).saturating_mul(1_000)))
}

/// Stops the node's time at a Unix second, or follows the computer's clock again (0); what [`advance`] added is undone.
pub fn set_mock_time(unix_s: u64) {
    AHEAD_S.store(0, Ordering::Relaxed);
    MOCK_TIME_S.store(unix_s, Ordering::Relaxed);
}

/// Whether the node's time stands still.
pub fn is_mocked() -> bool {
    MOCK_TIME_S.load(Ordering::Relaxed) != 0
}

/// Moves the node's time ahead, whether it stands still or not.
pub fn advance(seconds: u64) {
    AHEAD_S.fetch_add(seconds, Ordering::Relaxed);
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

/// How far this computer's clock is behind the chain, seconds: a block that is made now would be refused as too new. `None`
/// if it would not. `earliest_s` is the earliest time the next block may carry, Unix seconds.
pub fn behind_chain_s(earliest_s: u64, now_s: u64, future_max_s: u32) -> Option<u64> {
    let behind_s = earliest_s.saturating_sub(now_s);
    (behind_s > u64::from(future_max_s)).then_some(behind_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_behind_when_the_next_block_would_be_too_new() {
        assert_eq!(behind_chain_s(10_000, 9_000, 7_200), None);
        assert_eq!(behind_chain_s(10_000, 2_800, 7_200), None);
        assert_eq!(behind_chain_s(10_000, 2_799, 7_200), Some(7_201));
        assert_eq!(behind_chain_s(100, 9_000, 7_200), None);
    }
}
