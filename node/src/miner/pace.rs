//! The rate limit: when a worker may hash again, and how much at once. Time is an argument.

use std::time::{Duration, Instant};

/// With a limit, work is cut into slices at least this often, so that it spreads evenly over time.
const LIMITED_SLICE: Duration = Duration::from_millis(4);
/// Work in one slice, at most: a new job waits no longer than this.
const SLICE: Duration = Duration::from_micros(250);
/// How far a worker may fall behind its schedule and still catch up; what is beyond is lost.
const BACKLOG_MAX: Duration = Duration::from_millis(250);
/// Hashes in the first slice, before any is timed.
const FIRST_SLICE: u64 = 256;
/// Hashes in one slice, at most.
const SLICE_MAX: u64 = 1 << 20;

/// One worker's schedule.
#[derive(Debug)]
pub struct Pace {
    /// Hashes a second; none is as fast as it goes.
    limit: Option<f64>,
    /// When the hashes done so far are paid for.
    due: Instant,
    /// Hashes that take about [`SLICE`].
    slice: u64,
}

impl Pace {
    /// A schedule that starts at `now`.
    pub fn new(limit: Option<f64>, now: Instant) -> Pace {
        Pace { limit, due: now, slice: FIRST_SLICE }
    }

    /// Changes the limit, in hashes a second, and forgets any backlog.
    pub fn set_limit(&mut self, limit: Option<f64>, now: Instant) {
        if self.limit != limit {
            self.limit = limit;
            self.due = now;
        }
    }

    /// The worker did nothing for reasons of its own until `now`: there is no backlog to catch up on.
    pub fn rest(&mut self, now: Instant) {
        self.due = self.due.max(now);
    }

    /// How long to wait before the next slice; none is not at all.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.limit?;
        self.due.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// Hashes in the next slice, at least one.
    pub fn hashes(&self) -> u64 {
        let limited = self.limit.map_or(SLICE_MAX, |limit| (limit * LIMITED_SLICE.as_secs_f64()) as u64);
        self.slice.min(limited).max(1)
    }

    /// Notes that `hashes` were done from `start` to `end`.
    pub fn done(&mut self, hashes: u64, start: Instant, end: Instant) {
        let took = end.saturating_duration_since(start).max(Duration::from_nanos(1));
        let fits = hashes as f64 * SLICE.as_secs_f64() / took.as_secs_f64();
        // Half way from the old estimate: one slice that was interrupted must not set the size of the next.
        self.slice = (self.slice / 2 + fits.min(SLICE_MAX as f64) as u64 / 2).clamp(1, SLICE_MAX);
        if let Some(limit) = self.limit {
            self.due += Duration::from_secs_f64(hashes as f64 / limit);
            if let Some(latest) = end.checked_sub(BACKLOG_MAX) {
                self.due = self.due.max(latest);
            }
        }
    }
}
