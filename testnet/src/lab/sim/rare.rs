//! Rare double spends: importance sampling, for rates that plain runs would almost never meet.
//!
//! The finders of blocks are drawn by another share than the attacker's own, so that success is common, and a run that succeeded
//! counts with its likelihood ratio: the product, over the blocks found, of the finder's true share by the share it was drawn
//! with. The mean of these weights has the true rate as its expectation whatever shares are drawn with (Asmussen and Glynn,
//! *Stochastic Simulation*, 2007, chapter V); the choice only decides how far it scatters.
//!
//! While the shop waits, both sides find blocks equally often: of the ways to succeed, most of the probability is on those where
//! the attacker has found about as many blocks as the shop waits for, which is why the exact race falls like (4pq)ᶻ. Once the shop
//! has shipped, the two sides' shares are exchanged, which is the classical change of measure for a gambler's ruin (Siegmund,
//! 1976): all ways to catch up then have the same weight. The formula of the race is not used.

use super::contest::ATTACKER;
use super::double_spend::DoubleSpendExperiment;
use super::random::derive_seed;
use super::simulation::Step;
use crate::lab::theory::estimate::{Estimate, Moments};
use node::core::store::StoreError;
use std::ops::Range;

/// Runs between two looks at the interval. The runs that are played do not depend on threads.
const BATCH: u32 = 2_000;
/// An interval is believed from this many successful runs on: a few large weights can be missing before.
const SUCCESSES_MIN: f64 = 100.0;

/// When enough has been played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Until {
    /// Runs at most.
    pub runs_max: u32,
    /// The width of the 95 % interval as a part of the rate; `None`: all runs.
    pub relative_width: Option<f64>,
}

/// What many weighted runs came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted {
    /// The weights of all runs, 0 for those that failed.
    pub moments: Moments,
    /// Runs that succeeded.
    pub successes: u32,
}

impl Weighted {
    /// The rate with its interval, which ends at 0 and 1.
    pub fn estimate(&self) -> Estimate {
        let mut estimate = self.moments.ratio();
        estimate.interval95 = estimate.interval95.map(|bound| bound.clamp(0.0, 1.0));
        estimate
    }

    fn is_enough(&self, until: &Until) -> bool {
        let width = until.relative_width.unwrap_or(0.0);
        f64::from(self.successes) >= SUCCESSES_MIN && self.estimate().relative_width() <= width
    }
}

impl DoubleSpendExperiment {
    /// Plays once with other shares; the run's likelihood ratio, 0 if it did not succeed.
    pub fn run_weighted(&self, seed: u64) -> Result<f64, StoreError> {
        let share = self.race().share;
        let mut nodes = self.begin(seed)?;
        let (mut weight, mut drawn_by) = (1.0, share);
        while nodes.ended().is_none() {
            let tilted = self.tilted_share(&nodes)?;
            if tilted != drawn_by {
                drawn_by = tilted;
                nodes.draw_by(drawn_by);
            }
            match nodes.simulation.step()? {
                Some(Step::Found { node: ATTACKER }) => weight *= share / drawn_by,
                Some(Step::Found { .. }) => weight *= (1.0 - share) / (1.0 - drawn_by),
                Some(Step::Other) => {}
                None => break,
            }
        }
        // Nothing more is found, so that the verdict adds no draw.
        nodes.settle()?;
        Ok(if self.has_succeeded(&nodes)? { weight } else { 0.0 })
    }

    /// Plays batches until there is enough, on `threads` threads, with seeds derived from `seed` and `experiment`.
    pub fn play_weighted(
        &self,
        experiment: &str,
        seed: u64,
        threads: usize,
        until: &Until,
    ) -> anyhow::Result<Weighted> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let mut played = Weighted { moments: Moments::default(), successes: 0 };
        let mut from = 0;
        while from < until.runs_max && !played.is_enough(until) {
            let to = from.saturating_add(BATCH).min(until.runs_max);
            let batch = pool.install(|| self.weighted_batch(experiment, seed, from..to))?;
            played.moments.merge(&batch.moments);
            played.successes += batch.successes;
            from = to;
        }
        Ok(played)
    }

    /// Plays the runs with these numbers, on the threads of the pool this is called in.
    pub fn weighted_batch(&self, experiment: &str, seed: u64, runs: Range<u32>) -> Result<Weighted, StoreError> {
        use rayon::prelude::*;
        let run = |run| self.run_weighted(derive_seed(seed, experiment, u64::from(run)));
        let weights = runs.into_par_iter().map(run).collect::<Result<Vec<f64>, StoreError>>()?;
        let successes = weights.iter().filter(|weight| **weight > 0.0).count() as u32;
        Ok(Weighted { moments: weights.into_iter().map(|weight| (weight, 1.0)).collect(), successes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::strategy::double_spend::Plan;

    fn weighted(share: f64, confirmations: u32, premine: u32, runs: u32) -> (f64, Weighted) {
        let plan = Plan { confirmations, premine, give_up: Some(15), waits_for_goods: false };
        let experiment = DoubleSpendExperiment::new(share, plan).unwrap();
        let until = Until { runs_max: runs, relative_width: None };
        (experiment.race().success(), experiment.play_weighted(&experiment.name(), 5, 2, &until).unwrap())
    }

    /// From one in four to one in a hundred million, and with an advance: each within four standard errors, and all together as
    /// chance allows.
    #[test]
    fn weighted_runs_have_the_formulas_rate() {
        let cells = [(0.3, 2, 0), (0.3, 6, 0), (0.2, 6, 0), (0.1, 6, 0), (0.1, 6, 1), (0.1, 10, 0), (0.05, 8, 0)];
        let mut chi_squared = 0.0;
        for (share, confirmations, premine) in cells {
            let (expected, played) = weighted(share, confirmations, premine, 1_500);
            let estimate = played.estimate();
            let z = estimate.z(expected).unwrap();
            assert!(z.abs() < 4.0, "{share} {confirmations} {premine}: {estimate:?}, formula {expected:e}");
            assert!(estimate.relative_width() < 0.35, "{share} {confirmations} {premine}: {estimate:?}");
            chi_squared += z * z;
        }
        // The 99.9 % quantile of χ² on 7.
        assert!(chi_squared < 24.4, "{chi_squared:.1}");
    }

    #[test]
    fn a_majority_is_drawn_as_it_is() {
        let (expected, played) = weighted(0.6, 2, 0, 500);
        assert!(played.moments.xx == played.moments.x, "a weight other than 1");
        assert!(played.estimate().z(expected).unwrap().abs() < 4.0);
    }

    #[test]
    fn runs_are_played_until_the_interval_is_narrow_enough() {
        let plan = Plan { confirmations: 3, premine: 0, give_up: Some(10), waits_for_goods: false };
        let experiment = DoubleSpendExperiment::new(0.2, plan).unwrap();
        let play = |width| {
            let until = Until { runs_max: 100_000, relative_width: Some(width) };
            experiment.play_weighted(&experiment.name(), 1, 2, &until).unwrap()
        };
        let (wide, narrow) = (play(0.5), play(0.03));
        assert!(wide.estimate().relative_width() <= 0.5 && narrow.estimate().relative_width() <= 0.03);
        let runs = (wide.moments.runs, narrow.moments.runs);
        assert!(runs.0 < runs.1 && runs.1 < 100_000, "{runs:?}");
    }
}
