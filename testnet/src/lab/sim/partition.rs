//! Double spends over a partition: the shop's side and everybody else, apart until the payment has its confirmations, then joined again.
//!
//! Two nodes that follow the rules stand for the two sides. Nobody keeps a block back: the coins are spent twice, once on each side, and
//! the attacker mines on the side where they are not the shop's. Beside it stands [`over_partition`].

use super::contest::{FundedChain, SPACING_S};
use super::links::LinkModel;
use super::random::derive_seed;
use super::setup::Setup;
use super::simulation::Simulation;
use crate::lab::theory::double_spend::helped::over_partition;
use crate::lab::theory::estimate::Proportion;
use chain_spec::{Outpoint, Script, Transaction, Txid};
use node::core::fork_rule::ForkRules;
use node::core::store::StoreError;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// The shop's side.
const NEAR: usize = 0;
/// Everybody else's, the attacker's hash rate included.
const FAR: usize = 1;

/// A double spend over a partition, ready to be played many times.
pub struct PartitionExperiment {
    chain: FundedChain,
    share: f64,
    shop_side: f64,
    confirmations: u32,
    paid: Arc<Transaction>,
    conflicting: Arc<Transaction>,
}

impl PartitionExperiment {
    /// An attacker with `share` of the hash rate who keeps a part `shop_side` of the others apart with the shop; both in (0, 1).
    pub fn new(share: f64, shop_side: f64, confirmations: u32) -> anyhow::Result<PartitionExperiment> {
        let chain = FundedChain::new()?;
        let payment = |to: u8| chain.spend(&Script::pay_to_public_key_hash(&[to; 20]));
        let (paid, conflicting) = (payment(1)?, payment(2)?);
        Ok(PartitionExperiment { chain, share, shop_side, confirmations, paid, conflicting })
    }

    /// What is played, for the seeds of its runs.
    pub fn name(&self) -> String {
        let PartitionExperiment { share, shop_side, confirmations, .. } = self;
        format!("partition share={share:?} shop-side={shop_side:?} confirmations={confirmations} spacing={SPACING_S}")
    }

    /// The formula that matches what is played.
    pub fn theory(&self) -> f64 {
        over_partition(self.share, self.shop_side, self.confirmations)
    }

    /// Plays it once: whether the shop shipped for a payment that is gone when the network is whole again.
    fn run(&self, seed: u64) -> anyhow::Result<bool> {
        let near = (1.0 - self.share) * self.shop_side;
        let setup = Setup {
            spec: Arc::clone(&self.chain.spec),
            shares: vec![near, 1.0 - near],
            edges: vec![(NEAR, FAR)],
            links: LinkModel::INSTANT,
            churn: None,
            fork_rules: ForkRules::default(),
            exempt: None,
            rate_max: 1.0,
            seed,
        };
        let (paid, conflicting) = (self.paid.txid(), self.conflicting.txid());
        let mut simulation = Simulation::with_machines(setup, |_, mut core| {
            [paid, conflicting].into_iter().for_each(|txid| core.trust_signatures(txid));
            Box::new(core)
        })?;
        simulation.set_link(NEAR, FAR, false)?;
        for (node, transaction) in [(NEAR, &self.paid), (FAR, &self.conflicting)] {
            let answer = simulation.submit_transaction(node, Arc::clone(transaction))?;
            answer.map_err(|rejected| anyhow::anyhow!("a payment was refused: {}", rejected.reason))?;
        }
        while confirmations(&simulation, paid)? < self.confirmations && simulation.step()?.is_some() {}
        simulation.set_link(NEAR, FAR, true)?;
        while !(simulation.is_quiet() && simulation.tips_agree()) && simulation.step()?.is_some() {}
        Ok(confirmations(&simulation, conflicting)? > 0)
    }

    /// Plays it `runs` times on `threads` threads, with seeds derived from `seed` and `experiment`.
    pub fn play(&self, experiment: &str, runs: u32, seed: u64, threads: usize) -> anyhow::Result<Proportion> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let played = pool.install(|| self.batch(experiment, seed, 0..runs))?;
        Ok(Proportion { runs, successes: played.into_iter().filter(|succeeded| *succeeded).count() as u32 })
    }

    fn batch(&self, experiment: &str, seed: u64, runs: Range<u32>) -> anyhow::Result<Vec<bool>> {
        runs.into_par_iter().map(|run| self.run(derive_seed(seed, experiment, u64::from(run)))).collect()
    }
}

/// Confirmations on the shop's side.
fn confirmations(simulation: &Simulation, txid: Txid) -> Result<u32, StoreError> {
    let core = simulation.core(NEAR);
    let coin = core.coin(&Outpoint { txid, index: 0 }, false)?;
    Ok(coin.map_or(0, |coin| core.tip().height + 1 - coin.height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sides_meet_as_the_formula_says() {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for (share, shop_side, confirmations) in [(0.1, 0.5, 1), (0.1, 0.5, 4), (0.2, 0.8, 3), (0.05, 0.3, 2)] {
            let experiment = PartitionExperiment::new(share, shop_side, confirmations).unwrap();
            let played = experiment.play(&experiment.name(), 600, 3, threads).unwrap();
            let z = played.z(experiment.theory()).unwrap();
            assert!(
                z.abs() < 4.0,
                "{}: {:.4} against {:.4}, z {z:.2}",
                experiment.name(),
                played.rate(),
                experiment.theory()
            );
        }
    }
}
