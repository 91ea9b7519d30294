//! The rate limit: when a worker may hash again, and how much at once. Time is an argument.
//!
//! On the lowest floor of the miner: it knows of hashes and of time, and of no kernel.

use std::time::{Duration, Instant};

/// With a limit, work is cut into slices at least this often, so that it spreads evenly over time.
const LIMITED_SLICE: Duration = Duration::from_millis(4);
/// Work in one slice, at most: a new job waits no longer than this.
const SLICE: Duration = Duration::from_micros(100);
/// How far a worker may fall behind its schedule and still catch up; what is beyond is lost.
const BACKLOG_MAX: Duration = Duration::from_millis(250);
/// Hashes in one slice, at most.
const SLICE_MAX: u64 = 1 << 20;

/// One worker's schedule.
#[derive(Debug)]
pub struct RateLimiter {
    /// Hashes a second; none is as fast as it goes.
    limit: Option<f64>,
    /// When the next hash may be done: the limit has been kept up to here.
    due: Instant,
    /// Hashes that take about [`SLICE`], a batch at least.
    slice: u64,
    /// Hashes that the kernel does at once; fewer would cost as much.
    batch: u64,
}

impl RateLimiter {
    /// A schedule that starts at `now`.
    pub fn new(limit: Option<f64>, batch: u64, now: Instant) -> RateLimiter {
        let batch = batch.clamp(1, SLICE_MAX);
        RateLimiter { limit, due: now, slice: batch, batch }
    }

    /// Changes the limit, in hashes a second, and forgets any backlog.
    pub fn set_limit(&mut self, limit: Option<f64>, now: Instant) {
        if self.limit != limit {
            self.limit = limit;
            self.due = now;
        }
    }

    /// The worker had nothing to do until `now`: there is no backlog to catch up on.
    pub fn was_idle_until(&mut self, now: Instant) {
        self.due = self.due.max(now);
    }

    /// The job is another: begins with a short slice again. At an easy target the block is in it, and should not wait for
    /// the rest of a long one.
    pub fn begin_job(&mut self) {
        self.slice = self.batch;
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
        self.slice = (self.slice / 2 + fits.min(SLICE_MAX as f64) as u64 / 2).clamp(self.batch, SLICE_MAX);
        if let Some(limit) = self.limit {
            self.due += Duration::from_secs_f64(hashes as f64 / limit);
            if let Some(latest) = end.checked_sub(BACKLOG_MAX) {
                self.due = self.due.max(latest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a schedule in simulated time: hashing at `speed`, every sleep late by `late`.
    fn run(limit: f64, speed: f64, late: Duration, duration: Duration) -> (u64, Duration) {
        #[allow(clippy::disallowed_methods)] // only an origin; no time passes here
        let start = Instant::now();
        let (mut now, mut done) = (start, 0);
        let mut limiter = RateLimiter::new(Some(limit), 1, start);
        let (mut busy_since, mut longest_burst) = (start, Duration::ZERO);
        while now - start < duration {
            if let Some(wait) = limiter.wait(now) {
                now += wait + late;
                busy_since = now;
                continue;
            }
            let hashes = limiter.hashes();
            let end = now + Duration::from_secs_f64(hashes as f64 / speed);
            limiter.done(hashes, now, end);
            now = end;
            done += hashes;
            longest_burst = longest_burst.max(end - busy_since);
        }
        (done, longest_burst)
    }

    #[test]
    fn the_limit_holds_from_a_thousand_hashes_a_second_to_full_speed() {
        let (speed, duration) = (40e6, Duration::from_secs(3));
        for limit in [1e3, 2.7e3, 20e3, 333e3, 5e6, 20e6, 36e6, 39.9e6] {
            let (done, burst) = run(limit, speed, Duration::from_micros(90), duration);
            let rate = done as f64 / duration.as_secs_f64();
            assert!((rate / limit - 1.0).abs() < 0.01, "{rate} of {limit} hashes a second");
            // Nearly at full speed, the processor has to be busy nearly all the time.
            assert!(limit > 0.5 * speed || burst < Duration::from_millis(3), "a burst of {burst:?} at {limit}");
        }
    }

    #[test]
    fn a_limit_above_full_speed_is_no_limit() {
        let (done, _) = run(1e9, 40e6, Duration::from_micros(90), Duration::from_secs(1));
        assert!((done as f64 / 40e6 - 1.0).abs() < 0.05, "{done}");
    }

    #[test]
    fn a_long_interruption_is_not_caught_up_with_in_one_burst() {
        #[allow(clippy::disallowed_methods)] // only an origin; no time passes here
        let start = Instant::now();
        let mut limiter = RateLimiter::new(Some(1000.0), 1, start);
        let late = start + Duration::from_secs(60);
        limiter.done(1, start, late);
        let mut burst = 0;
        while limiter.wait(late).is_none() {
            burst += limiter.hashes();
            limiter.done(limiter.hashes(), late, late + Duration::from_nanos(1));
        }
        assert!((burst as f64) <= 1000.0 * BACKLOG_MAX.as_secs_f64() + 5.0, "{burst} hashes at once");
    }

    #[test]
    fn a_slice_is_a_whole_batch_unless_the_limit_is_lower() {
        #[allow(clippy::disallowed_methods)] // only an origin; no time passes here
        let start = Instant::now();
        for (limit, expected) in [(None, 24), (Some(1e6), 24), (Some(1_000.0), 4)] {
            let mut limiter = RateLimiter::new(limit, 24, start);
            assert_eq!(limiter.hashes(), expected, "{limit:?}");
            // A slow kernel: one hash takes a millisecond, ten times as long as a slice should.
            limiter.done(24, start, start + Duration::from_millis(24));
            assert_eq!(limiter.hashes(), expected, "{limit:?}");
        }
    }

    #[test]
    fn slices_grow_to_a_tenth_of_a_millisecond() {
        #[allow(clippy::disallowed_methods)] // only an origin; no time passes here
        let start = Instant::now();
        for speed in [1e6, 1e7, 1e8] {
            let mut limiter = RateLimiter::new(None, 1, start);
            for _ in 0..100 {
                let hashes = limiter.hashes();
                limiter.done(hashes, start, start + Duration::from_secs_f64(hashes as f64 / speed));
            }
            let took = limiter.hashes() as f64 / speed;
            assert!((took / SLICE.as_secs_f64() - 1.0).abs() < 0.05, "{took} s at {speed}");
        }
    }
}
