//! Censor and halt in the simulator: whether a payment is kept out of the chain, beside the formula that should hold.

use super::contest::{Contest, FundedChain, HONEST, Players};
use super::random::derive_seed;
use super::simulation::Step;
use crate::lab::cost::Ledger;
use crate::lab::strategy::Strategy;
use crate::lab::strategy::censor::Censor;
use crate::lab::strategy::halt::Halt;
use crate::lab::theory::estimate::Proportion;
use crate::lab::theory::suppression::Suppression;
use chain_spec::{Script, Transaction};
use node::core::fork_rule::ForkRules;
use std::ops::Range;
use std::sync::Arc;

/// A payment that somebody wants to keep out.
pub struct SuppressionExperiment {
    chain: FundedChain,
    race: Suppression,
    /// Empty blocks only, instead of blocks without this payment.
    halts: bool,
    payment: Arc<Transaction>,
    target: Script,
}

impl SuppressionExperiment {
    /// A censor of one address, or a miner of empty blocks if `halts`.
    pub fn new(race: Suppression, halts: bool) -> anyhow::Result<SuppressionExperiment> {
        let chain = FundedChain::new()?;
        let target = Script::pay_to_public_key_hash(&[1; 20]);
        Ok(SuppressionExperiment { payment: chain.spend(&target)?, chain, race, halts, target })
    }

    /// What is played, for the seeds of its runs.
    pub fn name(&self) -> String {
        format!("suppression halts={} {:?}", self.halts, self.race)
    }

    /// Plays it once; whether the payment was kept out, and what the attacker did.
    fn run(&self, seed: u64) -> anyhow::Result<(bool, Ledger)> {
        let strategy: Box<dyn Strategy> =
            if self.halts { Box::new(Halt) } else { Box::new(Censor::new(self.target.clone())) };
        let txid = self.payment.txid();
        let players = Players {
            spec: &self.chain.spec,
            share: self.race.share,
            gamma: None,
            trusted: &[txid],
            crowd: None,
            fork_rules: &ForkRules::default(),
            seed,
        };
        let mut nodes = Contest::new(&players, strategy)?;
        let submitted = nodes.simulation.submit_transaction(HONEST, Arc::clone(&self.payment))?;
        submitted.map_err(|rejected| anyhow::anyhow!("the payment was refused: {}", rejected.reason))?;
        let mut found = 0;
        let kept_out = loop {
            match nodes.simulation.step()? {
                None => break true,
                Some(Step::Found { .. }) => found += 1,
                Some(Step::Other) => {}
            }
            if !nodes.simulation.is_quiet() {
                continue;
            }
            let height = nodes.simulation.core(HONEST).tip().height;
            let confirmations = nodes.confirmed_at(txid)?.map_or(0, |at| height + 1 - at);
            if confirmations >= self.race.confirmations {
                break false;
            }
            if found >= self.race.blocks {
                break true;
            }
        };
        Ok((kept_out, Ledger { successes: Some(u64::from(kept_out)), ..nodes.ledger(0, self.race.share) }))
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

    /// Plays the runs with these numbers, on the threads of the pool this is called in; in which the payment was kept out.
    pub fn batch(&self, experiment: &str, seed: u64, runs: Range<u32>) -> anyhow::Result<Vec<bool>> {
        Ok(self.played(experiment, seed, runs)?.into_iter().map(|(succeeded, _)| succeeded).collect())
    }
}
