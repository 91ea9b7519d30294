//! Revenue of a miner who withholds blocks, over regeneration cycles.
//!
//! A cycle begins and ends when both nodes stand on one block and nothing is secret: then all that has happened is settled,
//! and what follows is independent of it. Revenue is the attacker's blocks in the chain per block in the chain, summed over a
//! fixed number of cycles, so that nothing is read while a secret branch is uncounted and no stopping time favours anybody.
//!
//! A majority's cycle may never end. A cycle is taken for endless when the others' chance to catch up is below
//! [`RETURN_RISK`], or after [`ENDLESS_BLOCKS`] blocks; the attacker then publishes what is secret. Long-run revenue is that
//! of the endless cycle, whatever was earned before it.

use super::contest::{ATTACKER, Contest, Crowd, FundedChain, Players, defences};
use super::random::derive_seed;
use crate::error::usage;
use crate::lab::cost::Ledger;
use crate::lab::strategy::double_spend::Plan;
use crate::lab::strategy::{self, Command, Options};
use crate::lab::theory::estimate::{Estimate, Moments, Proportion};
use anyhow::Context as _;
use chain_spec::BlockHash;
use node::core::fork_rule::ForkRules;
use std::ops::Range;

/// Cycles played in one network before a new one begins.
pub const CYCLES_PER_NETWORK: u32 = 64;
/// A lead that is lost again with less probability is never lost.
const RETURN_RISK: f64 = 1e-9;
/// A majority's cycle that has lasted this many blocks is taken for endless.
const ENDLESS_BLOCKS: usize = 5_000;
/// Blocks that may be expected to be found in all: half an hour on one core.
const BLOCKS_MAX: f64 = 5e7;

/// What is played.
#[derive(Clone, Debug, PartialEq)]
pub struct RevenueExperiment {
    /// The strategy's name.
    pub strategy: String,
    /// The attacker's share of the hash rate, in (0, 1).
    pub share: f64,
    /// The part of the others that mines on the attacker's branch in a tie, in [0, 1]. `None`: whatever each node saw first.
    pub gamma: Option<f64>,
    /// The network; two nodes with links that take no time if `None`.
    pub crowd: Option<Crowd>,
    /// The defences of everybody but the attacker.
    pub fork_rules: ForkRules,
}

/// What many cycles came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Revenue {
    /// The attacker's part of the chain.
    pub estimate: Estimate,
    /// What the estimate is made of.
    pub moments: Moments,
    /// γ as it was: blocks that others found in ties, and those on the attacker's branch.
    pub ties: Proportion,
    /// Cycles that ended.
    pub cycles: usize,
    /// Cycles that were taken for endless.
    pub endless: usize,
    /// Blocks found in all.
    pub blocks: u64,
    /// What the attacker did, a run for each cycle.
    pub ledger: Ledger,
}

/// What one network gave: cycles, each with the attacker's blocks and all blocks it put into the chain.
struct Played {
    ended: Vec<(f64, f64)>,
    endless: Option<(f64, f64)>,
    ties: Proportion,
    blocks: u64,
    ledger: Ledger,
}

impl RevenueExperiment {
    /// What is played, for the seeds of its networks.
    pub fn name(&self) -> String {
        // Two nodes keep what they saw first as with γ = 0, so that both have the same name and the same runs.
        let gamma = self.gamma.or(self.crowd.is_none().then_some(0.0));
        let gamma = gamma.map_or_else(|| "as seen first".to_owned(), |gamma| format!("{gamma:?}"));
        let crowd = self.crowd.map_or_else(String::new, |crowd| format!(" {crowd:?}"));
        format!("{} share={:?} gamma={gamma}{crowd}{}", self.strategy, self.share, defences(&self.fork_rules))
    }

    /// Plays `cycles` cycles on `threads` threads, with seeds derived from `seed` and `experiment`.
    ///
    /// # Errors
    /// More blocks would have to be found than anybody waits for.
    pub fn play(&self, experiment: &str, cycles: u32, seed: u64, threads: usize) -> anyhow::Result<Revenue> {
        let expected = f64::from(cycles) * (1.0 + 1.0 / (1.0 - 2.0 * self.share).max(1e-12));
        if self.share < 0.5 && expected > BLOCKS_MAX {
            return Err(usage(format!(
                "--runs {cycles}: with {:.3} % of the hash rate about {expected:.1e} blocks would have to be found, more than \
                 {BLOCKS_MAX:.0e}; lower --runs or --share",
                100.0 * self.share
            )));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| self.batch(experiment, seed, 0..cycles.div_ceil(CYCLES_PER_NETWORK), cycles))
    }

    /// Plays the networks with these numbers, on the threads of the pool this is called in, and `cycles` cycles at most.
    pub fn batch(&self, experiment: &str, seed: u64, networks: Range<u32>, cycles: u32) -> anyhow::Result<Revenue> {
        use rayon::prelude::*;
        let first = networks.start;
        let network = |network: u32| {
            let cycles = cycles.saturating_sub((network - first) * CYCLES_PER_NETWORK).min(CYCLES_PER_NETWORK);
            self.network(cycles as usize, derive_seed(seed, experiment, u64::from(network)))
        };
        let played: Vec<Played> = networks.into_par_iter().map(network).collect::<anyhow::Result<_>>()?;
        let endless: Moments = played.iter().filter_map(|network| network.endless).collect();
        let ended: Moments = played.iter().flat_map(|network| network.ended.iter().copied()).collect();
        let ties = played.iter().fold(Proportion::default(), |all, network| all.and(network.ties));
        let moments = if endless.runs == 0 { ended } else { endless };
        Ok(Revenue {
            estimate: revenue_of(&moments),
            moments,
            ties,
            cycles: ended.runs as usize,
            endless: endless.runs as usize,
            blocks: played.iter().map(|network| network.blocks).sum(),
            ledger: played.iter().fold(Ledger::default(), |all, network| all.and(network.ledger)),
        })
    }

    /// Plays cycles in one network until there are `cycles` of them or one does not end.
    fn network(&self, cycles: usize, seed: u64) -> anyhow::Result<Played> {
        let chain = FundedChain::new()?;
        let plan = Plan { confirmations: 1, premine: 0, give_up: None, waits_for_goods: false };
        let options =
            Options { plan, target: None, spec: &chain.spec, share: self.share, gamma: self.gamma.unwrap_or(0.0) };
        let strategy = strategy::make(&self.strategy, &options).map_err(usage)?;
        let crowd = self.crowd.as_ref();
        // Two nodes keep what they saw first, which is their own block: that is γ = 0.
        let gamma = self.gamma.filter(|gamma| *gamma > 0.0 || crowd.is_some());
        let fork_rules = &self.fork_rules;
        let players = Players { spec: &chain.spec, share: self.share, gamma, trusted: &[], crowd, fork_rules, seed };
        let mut nodes = Contest::new(&players, strategy)?;
        let lead_max = self.endless_lead();
        let mut played = Played {
            ended: Vec::with_capacity(cycles),
            endless: None,
            ties: Proportion::default(),
            blocks: 0,
            ledger: Ledger::default(),
        };
        let (mut base, mut found_before) = (chain.spec.genesis_hash(), 0);
        while played.ended.len() < cycles && nodes.simulation.step()?.is_some() {
            let found = nodes.simulation.statistics().blocks();
            if found == found_before || !nodes.simulation.is_quiet() {
                continue;
            }
            if nodes.agree() {
                let tip = nodes.simulation.core(ATTACKER).tip().hash;
                played.ended.push(settled(&nodes, &base, &tip)?);
                (base, found_before) = (tip, found);
            } else if self.share >= 0.5 && (nodes.lead() >= lead_max || found - found_before >= ENDLESS_BLOCKS) {
                nodes.command(Command::Stop)?;
                nodes.settle()?;
                let tip = nodes.simulation.core(super::contest::HONEST).tip().hash;
                played.endless = Some(settled(&nodes, &base, &tip)?);
                break;
            }
        }
        played.blocks = nodes.simulation.statistics().blocks() as u64;
        played.ties = nodes.simulation.statistics().ties(ATTACKER);
        let runs = (played.ended.len() + usize::from(played.endless.is_some())) as u64;
        played.ledger = Ledger { runs, ..nodes.ledger(0, self.share) };
        Ok(played)
    }

    /// The lead of a majority that is lost again with less probability than [`RETURN_RISK`], blocks.
    fn endless_lead(&self) -> u32 {
        let ratio = (1.0 - self.share) / self.share;
        (RETURN_RISK.ln() / ratio.ln()).ceil().clamp(1.0, f64::from(u32::MAX)) as u32
    }
}

/// The ratio of the sums, with an interval that ends at 0 and 1.
pub fn revenue_of(moments: &Moments) -> Estimate {
    let mut estimate = moments.ratio();
    estimate.interval95 = estimate.interval95.map(|bound| bound.clamp(0.0, 1.0));
    estimate
}

/// The attacker's blocks and all blocks between two blocks of a chain.
fn settled(nodes: &Contest, base: &BlockHash, tip: &BlockHash) -> anyhow::Result<(f64, f64)> {
    let miners = nodes.simulation.statistics().miners_between(base, tip);
    let miners = miners.context("a cycle ended with a block that did not stay in the chain")?;
    let own = miners.iter().filter(|miner| **miner == ATTACKER).count();
    Ok((own as f64, miners.len() as f64))
}
