//! Double spends in the simulator, over and over, beside the formula that should hold.
//!
//! Each run is a network of its own, from genesis, drawn from its own seed, so that the result does not depend on how many
//! threads share the work. What is reported is read from the honest node's chain.

use super::contest::{ATTACKER, Contest, Crowd, FundedChain, HONEST, Players, defences};
use super::random::derive_seed;
use crate::lab::cost::Ledger;
use crate::lab::strategy::Command;
use crate::lab::strategy::double_spend::{Begin, DoubleSpend, Plan};
use crate::lab::theory::double_spend::Race;
use crate::lab::theory::estimate::Proportion;
use chain_spec::rules::transaction::check_transaction;
use chain_spec::{CheckedTransaction, Script, Transaction, Txid};
use node::core::fork_rule::ForkRules;
use node::core::store::StoreError;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// A double spend, ready to be played many times.
pub struct DoubleSpendExperiment {
    chain: FundedChain,
    share: f64,
    plan: Plan,
    crowd: Option<Crowd>,
    begin: Option<Begin>,
    bribed: f64,
    fork_rules: ForkRules,
    paid: Arc<Transaction>,
    paid_txid: Txid,
    conflicting: Arc<CheckedTransaction>,
}

/// How one run went.
#[derive(Clone, Debug, PartialEq)]
pub struct DoubleSpendRun {
    /// The shop's payment is gone from the honest node's chain, and the conflicting one is in it.
    pub succeeded: bool,
    /// Blocks found in all.
    pub blocks: u32,
    /// What the attacker did.
    pub ledger: Ledger,
    /// The simulation's trace.
    pub trace_hash: [u8; 32],
}

impl DoubleSpendExperiment {
    /// An attacker with `share` of the hash rate (in (0, 1)) and a plan.
    pub fn new(share: f64, plan: Plan) -> anyhow::Result<DoubleSpendExperiment> {
        let chain = FundedChain::new()?;
        let payment = |to: u8| chain.spend(&Script::pay_to_public_key_hash(&[to; 20]));
        let (paid, conflicting) = (payment(1)?, Arc::new(check_transaction(payment(2)?)?));
        Ok(DoubleSpendExperiment {
            paid_txid: paid.txid(),
            paid,
            conflicting,
            chain,
            share,
            plan,
            crowd: None,
            begin: None,
            bribed: 0.0,
            fork_rules: ForkRules::default(),
        })
    }

    /// In a network of many nodes, whose delays no formula knows.
    pub fn in_crowd(self, crowd: Option<Crowd>) -> DoubleSpendExperiment {
        DoubleSpendExperiment { crowd, ..self }
    }

    /// Against nodes that use defences.
    pub fn defended_by(self, fork_rules: ForkRules) -> DoubleSpendExperiment {
        DoubleSpendExperiment { fork_rules, ..self }
    }

    /// From a race under way. The attacker then publishes when the shop has shipped (`waits_for_goods`).
    pub fn going_on_from(self, begin: Begin) -> DoubleSpendExperiment {
        DoubleSpendExperiment { begin: Some(begin), ..self }
    }

    /// Once the shop has shipped, this part of the honest hash rate mines on the attacker's branch, for the fee that the conflicting payment
    /// leaves there. It is drawn as the attacker's own.
    pub fn with_bribes(self, bribed: f64) -> DoubleSpendExperiment {
        DoubleSpendExperiment { bribed, ..self }
    }

    /// The formula that matches what is played, without bribes.
    pub fn race(&self) -> Race {
        Race {
            share: self.share,
            confirmations: self.plan.confirmations,
            premine: self.plan.premine,
            give_up: self.plan.give_up,
        }
    }

    /// What is played, for the seeds of its runs.
    pub fn name(&self) -> String {
        let crowd = self.crowd.map_or_else(String::new, |crowd| format!(" {crowd:?}"));
        let mut begin = self.begin.map_or_else(String::new, |begin| format!(" {begin:?}"));
        if self.bribed > 0.0 {
            begin.push_str(&format!(" bribed={:?}", self.bribed));
        }
        format!("double-spend share={:?} plan={:?}{crowd}{}{begin}", self.share, self.plan, defences(&self.fork_rules))
    }

    /// A fresh network in which the attacker has been told to pay.
    pub(super) fn begin(&self, seed: u64) -> Result<Contest, StoreError> {
        let trusted = [self.paid_txid, self.conflicting.txid()];
        let players = Players {
            spec: &self.chain.spec,
            share: self.share,
            gamma: None,
            trusted: &trusted,
            crowd: self.crowd.as_ref(),
            fork_rules: &self.fork_rules,
            seed,
        };
        let mut nodes = Contest::new(&players, Box::new(DoubleSpend::new(self.plan)))?;
        let (paid, conflicting) = (Arc::clone(&self.paid), Arc::clone(&self.conflicting));
        nodes.command(Command::Pay { paid, conflicting })?;
        Ok(nodes)
    }

    /// Whether the payment is gone from the honest node's chain and its coins were spent elsewhere there.
    pub(super) fn has_succeeded(&self, nodes: &Contest) -> Result<bool, StoreError> {
        let is_gone = nodes.confirmed_at(self.paid_txid)?.is_none();
        Ok(is_gone && nodes.confirmed_at(self.conflicting.txid())?.is_some())
    }

    /// The share that makes success common at this point of a run: see [`super::rare`].
    pub(super) fn tilted_share(&self, nodes: &Contest) -> Result<f64, StoreError> {
        let honest = nodes.simulation.core(HONEST);
        let Some(height) = nodes.confirmed_at(self.paid_txid)? else {
            // Nothing is rare about mining in advance, and a majority needs no help.
            let is_out = honest.mempool().get(&self.paid_txid).is_some();
            return Ok(if is_out { self.share.max(0.5) } else { self.share });
        };
        let has_shipped = honest.tip().height + 1 - height >= self.plan.confirmations;
        Ok(if has_shipped { self.share.max(1.0 - self.share) } else { self.share.max(0.5) })
    }

    /// Makes what there is of both branches and plays the rest: the shop ships at its confirmation, and the attacker is told.
    fn go_on(&self, nodes: &mut Contest, begin: Option<Begin>) -> Result<(), StoreError> {
        while !nodes.simulation.is_quiet() && nodes.simulation.step()?.is_some() {}
        // The secret branch first: it is no longer than the public one for anybody to see, and nothing is decided before the goods come.
        if let Some(begin) = begin {
            nodes.make(ATTACKER, begin.own)?;
            nodes.make(HONEST, begin.public)?;
        }
        let mut has_shipped = false;
        while nodes.ended().is_none() {
            if !has_shipped && nodes.simulation.is_quiet() && self.has_shipped(nodes)? {
                has_shipped = true;
                nodes.command(Command::Shipped)?;
                nodes.draw_by(self.share + (1.0 - self.share) * self.bribed);
            } else if nodes.simulation.step()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Whether the payment has its confirmations.
    fn has_shipped(&self, nodes: &Contest) -> Result<bool, StoreError> {
        let height = nodes.confirmed_at(self.paid_txid)?;
        let tip = nodes.simulation.core(HONEST).tip().height;
        Ok(height.is_some_and(|height| tip + 1 - height >= self.plan.confirmations))
    }

    /// Plays it once.
    pub fn run(&self, seed: u64) -> Result<DoubleSpendRun, StoreError> {
        let mut nodes = self.begin(seed)?;
        match self.begin {
            None if self.bribed == 0.0 => while nodes.ended().is_none() && nodes.simulation.step()?.is_some() {},
            begin => self.go_on(&mut nodes, begin)?,
        }
        nodes.settle()?;
        let succeeded = self.has_succeeded(&nodes)?;
        Ok(DoubleSpendRun {
            succeeded,
            ledger: Ledger { successes: Some(u64::from(succeeded)), ..nodes.ledger(0, self.share) },
            blocks: nodes.simulation.statistics().blocks() as u32,
            trace_hash: nodes.simulation.trace_hash(),
        })
    }
}

impl DoubleSpendExperiment {
    /// Plays the runs with these numbers, on the threads of the pool this is called in; which of them succeeded.
    pub fn batch(&self, experiment: &str, seed: u64, runs: std::ops::Range<u32>) -> Result<Vec<bool>, StoreError> {
        use rayon::prelude::*;
        let run = |run| Ok(self.run(derive_seed(seed, experiment, u64::from(run)))?.succeeded);
        runs.into_par_iter().map(run).collect()
    }
}

/// What many runs came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// Runs and successes.
    pub proportion: Proportion,
    /// What the attackers did.
    pub ledger: Ledger,
    /// Over the runs' traces, in the order of their seeds.
    pub trace_hash: String,
}

/// Plays it `runs` times on `threads` threads, with seeds derived from `seed` and `experiment`. The result does not depend on
/// the threads.
pub fn tally(
    double_spend: &DoubleSpendExperiment,
    experiment: &str,
    runs: u32,
    seed: u64,
    threads: usize,
) -> anyhow::Result<Tally> {
    use rayon::prelude::*;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let played: Vec<DoubleSpendRun> = pool.install(|| {
        let run = |run| double_spend.run(derive_seed(seed, experiment, u64::from(run)));
        (0..runs).into_par_iter().map(run).collect::<Result<_, StoreError>>()
    })?;
    let mut trace = Sha256::new();
    played.iter().for_each(|run| trace.update(run.trace_hash));
    let successes = played.iter().filter(|run| run.succeeded).count() as u32;
    let ledger = played.iter().fold(Ledger::default(), |all, run| all.and(run.ledger));
    Ok(Tally { proportion: Proportion { runs, successes }, ledger, trace_hash: hex::encode(trace.finalize()) })
}
