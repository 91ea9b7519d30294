//! Counts hashes done and averages them over time. The miner's clock is here too.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::kernel::KernelName;

/// Time between two samples of the total.
pub const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// What a miner does and has done.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {
    /// The kernel in use.
    pub kernel: KernelName,
    /// Worker threads.
    pub threads: usize,
    /// Hashes done since the miner started; never falls.
    pub hashes_total: u64,
    /// Hashes a second over the last second, or since the start if that is shorter.
    pub hashes_per_second_1s: f64,
    /// Hashes a second over the last minute, or since the start if that is shorter.
    pub hashes_per_second_1m: f64,
    /// The limit over all threads, in hashes a second.
    pub hashrate_max: Option<u64>,
    /// Whether the miner is paused.
    pub paused: bool,
}

/// The miner's clock: monotonic, for rates only.
#[allow(clippy::disallowed_methods)] // rates are measured against real time; nothing is decided by it
pub fn now() -> Instant {
    Instant::now()
}

/// A counter with one writer, on a cache line of its own so that writers do not slow each other.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds hashes done.
    pub fn add(&self, hashes: u64) {
        self.0.fetch_add(hashes, Ordering::Relaxed);
    }

    /// Hashes done.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Samples of the total over the last minute.
#[derive(Debug)]
pub struct Window {
    samples: VecDeque<(Instant, u64)>,
}

impl Window {
    /// Starts at `now` with nothing done.
    pub fn new(now: Instant) -> Window {
        Window { samples: VecDeque::from([(now, 0)]) }
    }

    /// Whether the last sample is older than [`SAMPLE_INTERVAL`].
    pub fn is_due(&self, now: Instant) -> bool {
        self.samples.back().is_none_or(|&(at, _)| now.saturating_duration_since(at) >= SAMPLE_INTERVAL)
    }

    /// Notes the total at `now`; keeps one sample older than a minute to measure from.
    pub fn sample(&mut self, now: Instant, total: u64) {
        if self.samples.back().is_some_and(|&(at, _)| at >= now) {
            return;
        }
        self.samples.push_back((now, total));
        while self.samples.get(1).is_some_and(|&(at, _)| now.saturating_duration_since(at) >= MINUTE) {
            self.samples.pop_front();
        }
    }

    /// Hashes a second over the last second and the last minute.
    pub fn rates(&self, now: Instant, total: u64) -> (f64, f64) {
        (self.rate(now, total, SECOND), self.rate(now, total, MINUTE))
    }

    fn rate(&self, now: Instant, total: u64, span: Duration) -> f64 {
        let Some(&(first, _)) = self.samples.front() else { return 0.0 };
        let from = now.checked_sub(span).map_or(first, |from| from.max(first));
        let elapsed_s = now.saturating_duration_since(from).as_secs_f64();
        if elapsed_s > 0.0 { (total as f64 - self.total_at(from)).max(0.0) / elapsed_s } else { 0.0 }
    }

    /// The total at a moment, on the line between the samples around it.
    fn total_at(&self, moment: Instant) -> f64 {
        let after = self.samples.partition_point(|&(at, _)| at <= moment);
        let Some(&(start, total)) = after.checked_sub(1).and_then(|before| self.samples.get(before)) else {
            return 0.0;
        };
        let Some(&(end, total_end)) = self.samples.get(after) else { return total as f64 };
        let share = (moment - start).as_secs_f64() / (end - start).as_secs_f64();
        total as f64 + share * total_end.saturating_sub(total) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_last_second_and_minute() {
        let start = now();
        let mut window = Window::new(start);
        let at = |ms: u64| start + Duration::from_millis(ms);
        // 1,000 hashes a second for 90 s, then 5,000 for 1 s.
        for tick in 1..=910u64 {
            let total = if tick <= 900 { tick * 100 } else { 90_000 + (tick - 900) * 500 };
            window.sample(at(tick * 100), total);
        }
        let (second, minute) = window.rates(at(91_000), 95_000);
        assert!((second - 5_000.0).abs() < 1.0, "{second}");
        assert!((minute - (59_000.0 + 5_000.0) / 60.0).abs() < 1.0, "{minute}");
        assert!(window.samples.len() <= 602, "{} samples are kept", window.samples.len());
    }

    #[test]
    fn a_young_window_divides_by_its_age() {
        let start = now();
        let window = Window::new(start);
        assert_eq!(window.rates(start, 0), (0.0, 0.0));
        assert_eq!(window.rates(start + Duration::from_millis(500), 50), (100.0, 100.0));
    }

    #[test]
    fn a_pause_without_samples_counts_as_nothing_done() {
        let start = now();
        let mut window = Window::new(start);
        let at = |s: u64| start + Duration::from_secs(s);
        window.sample(at(1), 1_000);
        window.sample(at(2), 1_000);
        let (second, minute) = window.rates(at(20), 1_000);
        assert_eq!(second, 0.0);
        assert!((minute - 50.0).abs() < 1e-6, "{minute}");
    }
}
