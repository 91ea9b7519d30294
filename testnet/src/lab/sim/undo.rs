//! Feather forks and fee sniping in the simulator: how often a block of others is undone, beside the formula.

use super::contest::{Contest, FundedChain, HONEST, Players};
use super::random::derive_seed;
use crate::lab::cost::Ledger;
use crate::lab::strategy::undo::{Undo, UndoneBlocks};
use crate::lab::theory::double_spend::catches_up;
use crate::lab::theory::estimate::Proportion;
use chain_spec::{Amount, Script, Transaction};
use node::core::fork_rule::ForkRules;
use std::ops::Range;
use std::sync::Arc;

/// What a payment leaves to the miner whose block is sniped, coins: more than the subsidy.
const SNIPED_FEE_COINS: u64 = 100;

/// A block that somebody wants undone.
pub struct UndoExperiment {
    chain: FundedChain,
    share: f64,
    give_up: u32,
    /// For its fees, instead of for whom it pays.
    snipes: bool,
    payment: Arc<Transaction>,
    target: Script,
}

impl UndoExperiment {
    /// A feather fork, or fee sniping if `snipes`, given up `give_up` blocks behind.
    pub fn new(share: f64, give_up: u32, snipes: bool) -> anyhow::Result<UndoExperiment> {
        let chain = FundedChain::new()?;
        let target = Script::pay_to_public_key_hash(&[1; 20]);
        let coins = if snipes { SNIPED_FEE_COINS } else { 0 };
        let fee = Amount::COIN.checked_mul(coins).ok_or_else(|| anyhow::anyhow!("the fee is too high"))?;
        Ok(UndoExperiment { payment: chain.spend_leaving(&target, fee)?, chain, share, give_up, snipes, target })
    }

    /// What is played, for the seeds of its runs.
    pub fn name(&self) -> String {
        format!("undo snipes={} share={:?} give_up={}", self.snipes, self.share, self.give_up)
    }

    /// The probability that the block is undone: the attacker begins one block behind and must come out one ahead.
    pub fn theory(&self) -> f64 {
        catches_up(self.share, 1, Some(self.give_up))
    }

    /// Plays it once: whether the block with the payment, found by the others, is gone from the honest node's chain; and what the
    /// attacker did.
    fn run(&self, seed: u64) -> anyhow::Result<(bool, Ledger)> {
        let undone =
            if self.snipes { UndoneBlocks::FeesOfSubsidy(1.0) } else { UndoneBlocks::Concerns(self.target.clone()) };
        let txid = self.payment.txid();
        let trusted = [txid];
        let players = Players {
            spec: &self.chain.spec,
            share: self.share,
            gamma: None,
            trusted: &trusted,
            crowd: None,
            fork_rules: &ForkRules::default(),
            seed,
        };
        let mut nodes = Contest::new(&players, Box::new(Undo::new("undo", undone, self.give_up)))?;
        // The others hear of it first; by what the attacker would find before them, nothing is to be undone.
        nodes.draw_by(0.0);
        let submitted = nodes.simulation.submit_transaction(HONEST, Arc::clone(&self.payment))?;
        submitted.map_err(|rejected| anyhow::anyhow!("the payment was refused: {}", rejected.reason))?;
        while nodes.confirmed_at(txid)?.is_none() && nodes.simulation.step()?.is_some() {}
        let undone_from = nodes.simulation.core(HONEST).tip().hash;
        nodes.draw_by(self.share);
        let from_us = nodes.simulation.now_us();
        while nodes.ended().is_none() && nodes.simulation.step()?.is_some() {}
        nodes.settle()?;
        let honest = nodes.simulation.core(HONEST);
        let succeeded = honest.summary(&undone_from).is_some_and(|block| !block.active);
        Ok((succeeded, Ledger { successes: Some(u64::from(succeeded)), ..nodes.ledger(from_us, self.share) }))
    }

    /// Plays it `runs` times on `threads` threads, with seeds derived from `seed` and `experiment`; successes, and what the attackers did.
    pub fn play(&self, experiment: &str, runs: u32, seed: u64, threads: usize) -> anyhow::Result<(Proportion, Ledger)> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let played = pool.install(|| self.played(experiment, seed, 0..runs))?;
        let ledger = played.iter().fold(Ledger::default(), |all, (_, ledger)| all.and(*ledger));
        Ok((Proportion { runs, successes: played.iter().filter(|(succeeded, _)| *succeeded).count() as u32 }, ledger))
    }

    fn played(&self, experiment: &str, seed: u64, runs: Range<u32>) -> anyhow::Result<Vec<(bool, Ledger)>> {
        use rayon::prelude::*;
        runs.into_par_iter().map(|run| self.run(derive_seed(seed, experiment, u64::from(run)))).collect()
    }

    /// Plays the runs with these numbers, on the threads of the pool this is called in; in which the block was undone.
    pub fn batch(&self, experiment: &str, seed: u64, runs: Range<u32>) -> anyhow::Result<Vec<bool>> {
        Ok(self.played(experiment, seed, runs)?.into_iter().map(|(succeeded, _)| succeeded).collect())
    }

    /// The attacker's income from the first block of a successful branch, in units, for a test.
    #[cfg(test)]
    pub(super) fn income(&self, seed: u64) -> anyhow::Result<Option<u64>> {
        let txid = self.payment.txid();
        let trusted = [txid];
        let players = Players {
            spec: &self.chain.spec,
            share: 0.95,
            gamma: None,
            trusted: &trusted,
            crowd: None,
            fork_rules: &ForkRules::default(),
            seed,
        };
        let mut nodes =
            Contest::new(&players, Box::new(Undo::new("undo", UndoneBlocks::FeesOfSubsidy(1.0), self.give_up)))?;
        nodes.draw_by(0.0);
        let submitted = nodes.simulation.submit_transaction(HONEST, Arc::clone(&self.payment))?;
        submitted.map_err(|rejected| anyhow::anyhow!("the payment was refused: {}", rejected.reason))?;
        while nodes.confirmed_at(txid)?.is_none() && nodes.simulation.step()?.is_some() {}
        nodes.draw_by(0.95);
        while nodes.ended().is_none() && nodes.simulation.step()?.is_some() {}
        nodes.settle()?;
        let honest = nodes.simulation.core(HONEST);
        let Some(height) = nodes.confirmed_at(txid)? else { return Ok(None) };
        let hash = honest.active_hash(height).ok_or_else(|| anyhow::anyhow!("no block at {height}"))?;
        let block = honest.block(&hash)?.ok_or_else(|| anyhow::anyhow!("no block {hash}"))?;
        let coinbase = &block.transactions[0].outputs[0];
        let is_attackers = coinbase.script == super::work::payout(super::contest::ATTACKER);
        Ok(is_attackers.then(|| coinbase.value.units()))
    }
}
