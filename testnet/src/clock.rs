//! The launcher's only clock: elapsed time for deadlines, rates and reports. Nothing here is ever part of consensus.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time of day, Unix seconds: for names and reports. 0 on a machine whose clock stands before 1970.
#[allow(clippy::disallowed_methods)] // The launcher is a shell: what it writes for people bears the date.
pub fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A started stopwatch.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[allow(clippy::disallowed_methods)] // The launcher is a shell: it waits for processes, so it must read a clock.
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// As if it had been started so much later: time that stood still does not count.
    pub fn leave_out(&mut self, stood_still: Duration) {
        self.0 += stood_still;
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }
}
