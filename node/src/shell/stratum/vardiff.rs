//! Variable difficulty: each session's shares are to come at one rate, whatever its hash rate.
//!
//! The estimate is the difficulty accepted since the last change over the time since; it is made after a number of
//! shares or, where few come, after some intervals. Pure: time is an argument.

use crate::miner::stratum::difficulty::Difficulty;

/// Shares after which the rate is estimated; its relative error is then about a quarter.
const SHARES: u32 = 20;
/// Intervals after which it is estimated even if fewer shares came.
const INTERVALS: f64 = 20.0;
/// The difficulty is multiplied or divided by no more than this at once.
const STEP_MAX: f64 = 4.0;
/// Estimates within this factor of the difficulty leave it as it is.
const TOLERANCE: f64 = 1.5;

/// The difficulty of a session, and what it follows from.
#[derive(Clone, Debug)]
pub struct Vardiff {
    difficulty: Difficulty,
    /// The lowest difficulty that the miner takes.
    lowest: Difficulty,
    interval_ms: f64,
    since_ms: u64,
    shares: u32,
    /// Difficulties of the shares accepted, summed.
    accepted: f64,
}

impl Vardiff {
    /// Starts at a difficulty; `interval_ms` is the time between two shares that is aimed at.
    pub fn new(start: Difficulty, interval_ms: u64, now_ms: u64) -> Vardiff {
        let lowest = Difficulty::new(f64::MIN_POSITIVE).unwrap_or(start);
        let interval_ms = interval_ms.max(1) as f64;
        Vardiff { difficulty: start, lowest, interval_ms, since_ms: now_ms, shares: 0, accepted: 0.0 }
    }

    /// The difficulty now.
    pub fn difficulty(&self) -> Difficulty {
        self.difficulty
    }

    /// The miner wishes for a difficulty; what was measured so far is dropped.
    pub fn suggest(&mut self, difficulty: Difficulty, now_ms: u64) {
        self.difficulty = difficulty.max(self.lowest);
        self.begin(now_ms);
    }

    /// The miner takes no lower difficulty than this.
    pub fn set_lowest(&mut self, lowest: Difficulty) {
        self.lowest = lowest;
        self.difficulty = self.difficulty.max(lowest);
    }

    /// A share of this difficulty was accepted.
    pub fn share(&mut self, difficulty: Difficulty) {
        self.shares = self.shares.saturating_add(1);
        self.accepted += difficulty.value();
    }

    /// Estimates, if it is time to. Whether the difficulty has changed. `highest` is the network's: harder shares
    /// than blocks would hide blocks.
    pub fn adjust(&mut self, highest: Difficulty, now_ms: u64) -> bool {
        let before = self.difficulty;
        // Shares are made at the network's difficulty where that is lower, and a rate is measured against what was
        // asked.
        let asked = before.min(highest);
        let elapsed_ms = now_ms.saturating_sub(self.since_ms) as f64;
        if self.shares < SHARES && elapsed_ms < INTERVALS * self.interval_ms {
            return false;
        }
        let fitting = self.accepted / elapsed_ms.max(1.0) * self.interval_ms;
        let factor = (fitting / asked.value()).clamp(1.0 / STEP_MAX, STEP_MAX);
        if !(1.0 / TOLERANCE..=TOLERANCE).contains(&factor) {
            self.difficulty = rounded(asked.scaled(factor)).min(highest).max(self.lowest);
        }
        self.begin(now_ms);
        self.difficulty != before
    }

    fn begin(&mut self, now_ms: u64) {
        (self.since_ms, self.shares, self.accepted) = (now_ms, 0, 0.0);
    }
}

/// To three decimal places of its own magnitude, so that people can read it.
fn rounded(difficulty: Difficulty) -> Difficulty {
    let text = format!("{:.2e}", difficulty.value());
    text.parse().ok().and_then(Difficulty::new).unwrap_or(difficulty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    const INTERVAL_MS: u64 = 10_000;

    fn difficulty(value: f64) -> Difficulty {
        Difficulty::new(value).unwrap()
    }

    /// A miner of `rate` difficulty a second for an hour; shares in the last half hour and the final difficulty.
    fn mine(start: f64, rate: f64, highest: f64, seed: u64) -> (u32, f64) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut vardiff = Vardiff::new(difficulty(start), INTERVAL_MS, 0);
        let (mut now_s, mut late) = (0.0_f64, 0);
        let mut tick_s = 5.0;
        while now_s < 3_600.0 {
            let asked = vardiff.difficulty().min(difficulty(highest));
            // The time to the next share is exponential, and has no memory: it can be drawn anew at every tick.
            let wait_s = -(1.0 - random.random::<f64>()).ln() * asked.value() / rate;
            if now_s + wait_s < tick_s {
                now_s += wait_s;
                vardiff.share(asked);
                late += u32::from(now_s > 1_800.0);
            } else {
                now_s = tick_s;
                tick_s += 5.0;
            }
            vardiff.adjust(difficulty(highest), (now_s * 1e3) as u64);
        }
        (late, vardiff.difficulty().value())
    }

    #[test]
    fn shares_come_at_the_rate_aimed_at_whatever_the_start() {
        for start in [1e-6, 1.0, 1e6] {
            let mut total = 0;
            for seed in 0..20 {
                let (late, end) = mine(start, 3.0, f64::MAX, seed);
                // 180 are aimed at in half an hour; a difficulty may stay off by half, and the count has its own
                // spread.
                assert!((80..=360).contains(&late), "seed {seed}, start {start}: {late} shares");
                assert!((10.0..=90.0).contains(&end), "seed {seed}, start {start}: difficulty {end} for 30");
                total += late;
            }
            assert!((130..=240).contains(&(total / 20)), "start {start}: {total} shares in 20 runs");
        }
    }

    #[test]
    fn no_share_is_harder_than_a_block() {
        assert_eq!(mine(1.0, 3.0, 0.25, 7).1, 0.25);
    }

    #[test]
    fn a_miner_s_own_bound_holds() {
        let mut vardiff = Vardiff::new(difficulty(8.0), INTERVAL_MS, 0);
        vardiff.set_lowest(difficulty(2.0));
        for step in 1..=10 {
            vardiff.adjust(difficulty(1e9), step * 20 * INTERVAL_MS);
        }
        assert_eq!(vardiff.difficulty(), difficulty(2.0));
        vardiff.suggest(difficulty(0.5), 0);
        assert_eq!(vardiff.difficulty(), difficulty(2.0));
        vardiff.suggest(difficulty(50.0), 0);
        assert_eq!(vardiff.difficulty(), difficulty(50.0));
    }
}
