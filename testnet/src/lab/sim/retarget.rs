//! Withholding blocks on a chain that retargets: what the attacker has earned by when, beside the formulas of
//! [`crate::lab::theory::retarget`].
//!
//! The nodes judge targets by the chain's own rule. Blocks are found at a rate that follows the target of what each miner mines on
//! ([`super::setup::Setup::rate_max`]), and every one is worked for at that target. A run is one network that is played until its chain
//! has so many blocks; at evenly spaced heights it notes when the honest node got there, and how many of the blocks below are the
//! attacker's in the chain of the end.

use super::contest::{ATTACKER, Contest, FundedChain, HONEST, Players, SPACING_S};
use super::random::derive_seed;
use crate::error::usage;
use crate::lab::cost::Ledger;
use crate::lab::strategy::double_spend::Plan;
use crate::lab::strategy::{self, Options};
use crate::lab::theory::estimate::{Estimate, Moments, NORMAL_95};
use crate::lab::theory::retarget::{Profit, Rule};
use node::core::fork_rule::ForkRules;
use std::ops::Range;

/// Heights at which a run is looked at.
pub const MARKS: usize = 32;

/// What is played.
#[derive(Clone, Debug, PartialEq)]
pub struct RetargetExperiment {
    /// The strategy's name.
    pub strategy: String,
    /// The attacker's share of the hash rate, in (0, 1/2).
    pub share: f64,
    /// The part of the others that mines on the attacker's branch in a tie, in [0, 1].
    pub gamma: f64,
    /// The rule for the target.
    pub rule: Rule,
    /// Blocks of the chain at which a run ends; at least [`MARKS`].
    pub blocks: u32,
}

/// A run at one height: time since the start in aimed block times, and the attacker's blocks so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mark {
    /// When the honest node's chain got there.
    pub time: f64,
    /// The attacker's blocks below, in the chain of the end.
    pub own: f64,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Played {
    /// At each of [`MARKS`] heights.
    pub marks: Vec<Mark>,
    /// What the attacker did.
    pub ledger: Ledger,
}

/// A stretch of the chain over all runs.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// Blocks of the chain at its end.
    pub blocks: u32,
    /// Mean time at its end, in aimed block times.
    pub time: f64,
    /// The attacker's income for each unit of time within it, in block rewards.
    pub income: Estimate,
}

impl RetargetExperiment {
    /// What is played, for the seeds of its runs.
    pub fn name(&self) -> String {
        format!(
            "{} share={:?} gamma={:?} retarget={} blocks={}",
            self.strategy, self.share, self.gamma, self.rule, self.blocks
        )
    }

    /// What theory says of it; `None` where it knows no cycle.
    pub fn theory(&self) -> Option<Profit> {
        let cycle = strategy::cycle_in_theory(&self.strategy, self.share, self.gamma)?;
        Some(Profit { cycle, share: self.share, rule: self.rule, spacing_s: f64::from(SPACING_S) })
    }

    /// Blocks of the chain at each mark.
    pub fn heights(&self) -> Vec<u32> {
        (1..=MARKS as u64).map(|mark| (u64::from(self.blocks) * mark / MARKS as u64) as u32).collect()
    }

    /// Plays it `runs` times on `threads` threads, with seeds derived from `seed` and `experiment`.
    ///
    /// # Errors
    /// A majority attacks, whose branch never ends; a target became easier than blocks can be drawn for.
    pub fn play(&self, experiment: &str, runs: u32, seed: u64, threads: usize) -> anyhow::Result<Vec<Played>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| self.batch(experiment, seed, 0..runs))
    }

    /// Plays the runs with these numbers, on the threads of the pool this is called in.
    pub fn batch(&self, experiment: &str, seed: u64, runs: Range<u32>) -> anyhow::Result<Vec<Played>> {
        use rayon::prelude::*;
        if self.share >= 0.5 {
            return Err(usage("a majority's secret branch never ends: with a retarget the share must be below 0.5"));
        }
        runs.into_par_iter().map(|run| self.run(derive_seed(seed, experiment, u64::from(run)))).collect()
    }

    fn run(&self, seed: u64) -> anyhow::Result<Played> {
        let chain = FundedChain::retargeting(self.rule.retarget())?;
        let plan = Plan { confirmations: 1, premine: 0, give_up: None, waits_for_goods: false };
        let options = Options { plan, target: None, spec: &chain.spec, share: self.share, gamma: self.gamma };
        let strategy = strategy::make(&self.strategy, &options).map_err(usage)?;
        let gamma = Some(self.gamma).filter(|gamma| *gamma > 0.0);
        let fork_rules = ForkRules::default();
        let (spec, share) = (&chain.spec, self.share);
        let players = Players { spec, share, gamma, trusted: &[], crowd: None, fork_rules: &fork_rules, seed };
        let mut nodes = Contest::new(&players, strategy)?;
        let heights = self.heights();
        let mut times: Vec<f64> = Vec::with_capacity(heights.len());
        while !(times.len() == heights.len() && nodes.agree()) && nodes.simulation.step()?.is_some() {
            let height = nodes.simulation.core(HONEST).tip().height;
            while heights.get(times.len()).is_some_and(|mark| height >= *mark) {
                times.push(nodes.simulation.now_us() as f64 / 1e6 / f64::from(SPACING_S));
            }
        }
        let statistics = nodes.simulation.statistics();
        if statistics.rate_max > nodes.simulation.setup().rate_max {
            anyhow::bail!(
                "the target became {:.1} times easier than at first, more than the simulator draws blocks for; lower the share or use a \
                 slower rule",
                statistics.rate_max
            );
        }
        let tip = nodes.simulation.core(HONEST).tip().hash;
        let mut own_heights: Vec<u32> =
            statistics.branch(&tip).filter(|block| block.miner == ATTACKER).map(|block| block.height).collect();
        own_heights.reverse();
        let marks = heights.iter().zip(times).map(|(height, time)| {
            let own = own_heights.partition_point(|own| own <= height);
            Mark { time, own: own as f64 }
        });
        Ok(Played { marks: marks.collect(), ledger: nodes.ledger(0, self.share) })
    }

    /// The runs between two marks: from the one before `from` (0: the start) to `to`.
    pub fn stretch(&self, played: &[Played], from: usize, to: usize) -> Stretch {
        let at = |run: &Played, mark: usize| mark.checked_sub(1).map_or(Mark::default(), |mark| run.marks[mark]);
        let moments: Moments = played
            .iter()
            .map(|run| {
                let (begin, end) = (at(run, from), at(run, to));
                (end.own - begin.own, end.time - begin.time)
            })
            .collect();
        let time = played.iter().map(|run| at(run, to).time).sum::<f64>() / played.len().max(1) as f64;
        Stretch { blocks: self.heights()[to - 1], time, income: moments.ratio() }
    }

    /// When the runs had earned on average what honest mining would have, for good, in aimed block times, with its interval; `None` if
    /// they had not at the end. With few runs the mean wavers around zero for long, and the last crossing comes late.
    pub fn time_before_profit(&self, played: &[Played]) -> Option<Estimate> {
        let gains: Vec<(f64, f64, f64)> = (0..MARKS)
            .map(|mark| {
                let gain = |run: &Played| run.marks[mark].own - self.share * run.marks[mark].time;
                let moments: Moments = played.iter().map(|run| (gain(run), 1.0)).collect();
                let time = played.iter().map(|run| run.marks[mark].time).sum::<f64>() / played.len().max(1) as f64;
                let mean = moments.ratio();
                (time, mean.value, mean.error)
            })
            .collect();
        // The last mark with a loss, and the next.
        let lossy = gains.iter().rposition(|(_, gain, _)| *gain <= 0.0);
        let next = lossy.map_or(0, |lossy| lossy + 1);
        let (to, gain, error) = *gains.get(next)?;
        let (from, loss, _) = lossy.map_or((0.0, 0.0, 0.0), |lossy| gains[lossy]);
        let slope = (gain - loss) / (to - from);
        let value = from - loss / slope;
        let error = error / slope;
        let half = NORMAL_95 * error;
        Some(Estimate { value, interval95: [(value - half).max(0.0), value + half], error })
    }
}

#[cfg(test)]
mod tests;
