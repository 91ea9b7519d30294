//! What is counted of each worker: shares, work, and hash rates averaged over one, five and sixty minutes.

use super::payout::User;
use serde::{Deserialize, Serialize};

/// The spans of the averages, milliseconds.
const SPANS_MS: [f64; 3] = [60e3, 300e3, 3_600e3];

/// What became of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It counts.
    Accepted,
    /// It came too late for its job.
    Stale,
    /// It is wrong, or was sent before.
    Rejected,
}

/// Shares by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Shares that count.
    pub accepted: u64,
    /// Shares that came too late.
    pub stale: u64,
    /// Other shares that do not count.
    pub rejected: u64,
    /// Expected hashes of the accepted shares.
    pub work: u128,
}

impl Counts {
    /// Counts a share.
    pub fn add(&mut self, verdict: Verdict, work: u128) {
        match verdict {
            Verdict::Accepted => {
                self.accepted += 1;
                self.work = self.work.saturating_add(work);
            }
            Verdict::Stale => self.stale += 1,
            Verdict::Rejected => self.rejected += 1,
        }
    }

    /// Adds others.
    pub fn add_all(&mut self, other: &Counts) {
        self.accepted += other.accepted;
        self.stale += other.stale;
        self.rejected += other.rejected;
        self.work = self.work.saturating_add(other.work);
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Counts::default()
    }
}

/// Hash rates as averages that forget exponentially, with time constants of one, five and sixty minutes. A young
/// average is divided by the weight that its time has, so that it is right from the start on.
#[derive(Clone, Debug)]
pub struct Rates {
    started_ms: u64,
    updated_ms: u64,
    /// Hashes per millisecond, still short of what came before the start.
    averages: [f64; 3],
}

impl Rates {
    /// Begins with nothing.
    pub fn new(now_ms: u64) -> Rates {
        Rates { started_ms: now_ms, updated_ms: now_ms, averages: [0.0; 3] }
    }

    /// Work was shown, in expected hashes.
    pub fn add(&mut self, work: u128, now_ms: u64) {
        self.decay(now_ms);
        for (average, span_ms) in self.averages.iter_mut().zip(SPANS_MS) {
            *average += work as f64 / span_ms;
        }
    }

    /// Hashes per second over one, five and sixty minutes.
    pub fn per_second(&self, now_ms: u64) -> [f64; 3] {
        let mut now = self.clone();
        now.decay(now_ms);
        let age_ms = now_ms.saturating_sub(self.started_ms).max(1_000) as f64;
        let mut rates = now.averages;
        for (rate, span_ms) in rates.iter_mut().zip(SPANS_MS) {
            *rate *= 1_000.0 / (1.0 - (-age_ms / span_ms).exp());
        }
        rates
    }

    fn decay(&mut self, now_ms: u64) {
        let elapsed_ms = now_ms.saturating_sub(self.updated_ms) as f64;
        for (average, span_ms) in self.averages.iter_mut().zip(SPANS_MS) {
            *average *= (-elapsed_ms / span_ms).exp();
        }
        self.updated_ms = self.updated_ms.max(now_ms);
    }
}

/// A worker: everything that goes by one name.
#[derive(Clone, Debug)]
pub struct Worker {
    /// The user who is paid.
    pub user: User,
    /// Since the pool's books began.
    pub counts: Counts,
    /// Hash rates since the node started or the worker came.
    pub rates: Rates,
    /// The highest difficulty that one of its shares had since then.
    pub best: f64,
    /// Unix milliseconds of the last accepted share; 0 before the first.
    pub last_share_ms: u64,
    /// Connections that have authorized it.
    pub connections: u32,
    /// The difficulty that was asked of it last.
    pub difficulty: f64,
    /// What its miner calls itself.
    pub agent: String,
}

impl Worker {
    /// With what the books have of it.
    pub fn new(user: User, counts: Counts, now_ms: u64) -> Worker {
        Worker {
            user,
            counts,
            rates: Rates::new(now_ms),
            best: 0.0,
            last_share_ms: 0,
            connections: 0,
            difficulty: 0.0,
            agent: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_shown_from_the_start_and_forgotten_by_its_span() {
        let mut rates = Rates::new(0);
        for second in 1..=600_u64 {
            rates.add(1_000, second * 1_000);
            if second >= 30 {
                for rate in rates.per_second(second * 1_000) {
                    assert!((rate / 1_000.0 - 1.0).abs() < 0.05, "{rate} after {second} s");
                }
            }
        }
        let [one, five, sixty] = rates.per_second(660_000);
        // A minute of nothing: e^-1 of the first is left, e^-0.2 of the second, and the last is nearly as it was.
        assert!((one / 1_000.0 - 0.368).abs() < 0.01, "{one}");
        assert!((five / 1_000.0 - 0.8).abs() < 0.05, "{five}");
        assert!((sixty / 1_000.0 - 0.91).abs() < 0.03, "{sixty}");
    }

    #[test]
    fn a_clock_that_steps_back_does_no_harm() {
        let mut rates = Rates::new(10_000);
        rates.add(1_000, 5_000);
        assert!(rates.per_second(1_000).iter().all(|rate| rate.is_finite() && *rate >= 0.0));
    }
}
