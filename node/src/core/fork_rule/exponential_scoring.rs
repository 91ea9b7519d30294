//! Modified exponential subjective scoring (MESS): the longer ago the branches parted, the more work the later one needs.
//!
//! Ethereum Classic's ECBP-1100 (2020, switched off in 2023). The factor that the rival's work since the fork must reach grows
//! with the time from the fork to the active tip, on the curve 3x² − 2x³, from 1 at once to 31 after 25,132 seconds (about seven
//! hours). Nodes that were apart heal only while the factor is small against the imbalance of work between the sides.

use super::{ForkRule, Rivals};

/// Time from the fork after which the factor no longer grows, seconds: ⌊8000 π⌋.
const GROWTH_S: u32 = 25_132;
/// What is added to 1 at the most: twice the amplitude of 15 in the specification.
const ADDED_MAX: u64 = 30;
/// The factor is a whole number of these parts.
const PARTS: u64 = 128;

/// The rule with its time scale.
#[derive(Debug)]
pub(super) struct ExponentialScoring {
    growth_s: u32,
}

impl Default for ExponentialScoring {
    fn default() -> ExponentialScoring {
        ExponentialScoring { growth_s: GROWTH_S }
    }
}

impl ExponentialScoring {
    /// The same curve over another span, for chains with another block spacing; `None` for no time at all.
    pub(super) fn new(growth_s: u32) -> Option<ExponentialScoring> {
        (growth_s > 0).then_some(ExponentialScoring { growth_s })
    }

    /// The factor after a time, in 128ths (ECBP-1100: `get_curve_function_numerator`).
    fn factor(&self, since_fork_s: u32) -> u64 {
        let (x, end) = (u128::from(since_fork_s.min(self.growth_s)), u128::from(self.growth_s));
        let curve = 3 * x * x - 2 * x * x * x / end;
        // The curve is at most end², so the factor is at most 31 × 128.
        PARTS + (curve * u128::from(PARTS * ADDED_MAX) / (end * end)) as u64
    }
}

impl ForkRule for ExponentialScoring {
    fn may_replace(&self, rivals: &Rivals<'_>) -> bool {
        let since_fork_s = rivals.active.tip_time_s.saturating_sub(rivals.fork_time_s);
        // Rounded to 53 bits, the same on every machine.
        rivals.rival.work.to_f64() * PARTS as f64 >= rivals.active.work.to_f64() * self.factor(since_fork_s) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_follows_the_published_curve() {
        let rule = ExponentialScoring::default();
        // ECBP-1100's polynomial, computed from its text with whole numbers.
        for (seconds, factor) in [(0, 128), (600, 134), (3_600, 341), (7_200, 892), (12_566, 2_048), (25_132, 3_968)] {
            assert_eq!(rule.factor(seconds), factor, "after {seconds} s");
        }
        assert_eq!(rule.factor(u32::MAX), 31 * PARTS);
        assert_eq!(ExponentialScoring::new(100).unwrap().factor(50), 16 * PARTS);
        assert!(ExponentialScoring::new(0).is_none());
    }
}
