//! The launcher's only clock: elapsed time for deadlines, rates and reports. Nothing here is ever part of consensus.

use std::time::{Duration, Instant};

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
