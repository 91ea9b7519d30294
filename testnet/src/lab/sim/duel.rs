//! An attack in the simulator: one attacker against all others, over and over, beside the formula that should hold.
//!
//! The others are one node with the rest of the hash rate and links that take no time: what Nakamoto, Rosenfeld and
//! Eyal–Sirer assume. Each attempt is a network of its own, from genesis, drawn from its own seed, so that the result does
//! not depend on how many threads share the work. What is reported is read from the honest node's chain.

use super::links::Conditions;
use super::simulation::{Setup, Simulation, simulated_chain};
use crate::error::usage;
use crate::lab::strategy::attacker::{Attacker, Report};
use crate::lab::strategy::double_spend::{DoubleSpend, Plan};
use crate::lab::strategy::selfish::Selfish;
use crate::lab::strategy::{self, Options, Order, Strategy};
use crate::lab::theory::double_spend::{Race, selfish_revenue};
use chain_spec::rules::spend::{SignatureEncoding, check_input_script};
use chain_spec::rules::transaction::check_transaction;
use chain_spec::signature_hash::{SIGHASH_ALL, signature_hash};
use chain_spec::{
    Amount, ChainSpec, CheckedTransaction, Coin, Outpoint, PrivateKey, Script, Transaction, TxIn, TxOut, Txid, merkle,
};
use node::core::state_machine::StateMachine;
use node::core::store::StoreError;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, mpsc};

const HONEST: usize = 0;
const ATTACKER: usize = 1;
/// Mean seconds between simulated blocks. Nothing depends on it but header times.
const SPACING_S: u32 = 600;
/// What both payments leave to their miner.
const FEE: Amount = Amount::from_units(10_000);

/// A double spend, ready to be attempted many times.
pub struct Duel {
    spec: Arc<ChainSpec>,
    share: f64,
    plan: Plan,
    paid: Arc<Transaction>,
    paid_txid: Txid,
    conflicting: Arc<CheckedTransaction>,
}

/// How one attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The shop's payment is gone from the honest node's chain, and the conflicting one is in it.
    pub succeeded: bool,
    /// Blocks found in all.
    pub blocks: u32,
    /// The simulation's trace.
    pub trace_hash: [u8; 32],
}

impl Duel {
    /// An attacker with `share` of the hash rate (in (0, 1)) and a plan.
    pub fn new(share: f64, plan: Plan) -> anyhow::Result<Duel> {
        let key = PrivateKey::from_bytes(&[0x5a; 32], true)?;
        let (spec, coin) = funded_chain(&key)?;
        let payment = |to: u8| Arc::new(spend(&key, coin, &Script::pay_to_public_key_hash(&[to; 20])));
        let conflicting = Arc::new(check_transaction(payment(2))?);
        let paid = payment(1);
        // Checked here once, for the nodes of all attempts.
        let script = Script::pay_to_public_key_hash(&key.public_key().hash());
        let coin = Coin { output: TxOut { value: coin.1, script }, height: 0, is_coinbase: true };
        for payment in [&*paid, conflicting.transaction()] {
            check_input_script(payment, 0, &coin, SignatureEncoding::Strict)?;
        }
        Ok(Duel { paid_txid: paid.txid(), paid, conflicting, spec: Arc::new(spec), share, plan })
    }

    /// The formula that matches what is played.
    pub fn race(&self) -> Race {
        Race {
            share: self.share,
            confirmations: self.plan.confirmations,
            premine: self.plan.premine,
            give_up: self.plan.give_up,
        }
    }

    /// Plays it once.
    pub fn attempt(&self, seed: u64) -> Result<Attempt, StoreError> {
        let (orders, received) = mpsc::channel();
        let report = Report::wordless();
        let strategy = Box::new(DoubleSpend::new(self.plan));
        let trusted = [self.paid_txid, self.conflicting.txid()];
        let mut simulation = two_nodes(&self.spec, self.share, seed, strategy, received, &report, &trusted)?;
        let pay = Order::Pay { paid: Arc::clone(&self.paid), conflicting: Arc::clone(&self.conflicting) };
        // The receiver lives in the simulation, which lives until this function ends.
        let _ = orders.send(pay);
        simulation.tick(ATTACKER)?;
        while report.standing().ended.is_none() && simulation.step()?.is_some() {}
        simulation.set_mining(false);
        while simulation.step()?.is_some() {}
        // Nobody spends what either pays, so a confirmed one is a coin.
        let is_confirmed = |txid: Txid| -> Result<bool, StoreError> {
            Ok(simulation.core(HONEST).coin(&Outpoint { txid, index: 0 }, false)?.is_some())
        };
        Ok(Attempt {
            succeeded: !is_confirmed(self.paid_txid)? && is_confirmed(self.conflicting.txid())?,
            blocks: simulation.statistics().blocks() as u32,
            trace_hash: simulation.trace_hash(),
        })
    }
}

/// What many attempts came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// Attempts.
    pub runs: u32,
    /// Of which succeeded.
    pub successes: u32,
    /// Over the attempts' traces, in the order of their seeds.
    pub trace_hash: String,
}

impl Tally {
    /// Successes per attempt.
    pub fn rate(&self) -> f64 {
        f64::from(self.successes) / f64::from(self.runs.max(1))
    }

    /// Wilson's 95 % interval around the rate.
    pub fn interval95(&self) -> [f64; 2] {
        let (n, p, z) = (f64::from(self.runs.max(1)), self.rate(), 1.959_963_985);
        let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        [(middle - half).max(0.0), (middle + half).min(1.0)]
    }
}

/// Plays `runs` attempts on `threads` threads. The result depends on the seed alone.
pub fn tally(duel: &Duel, runs: u32, seed: u64, threads: usize) -> anyhow::Result<Tally> {
    use rayon::prelude::*;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let attempts: Vec<Attempt> = pool.install(|| {
        (0..runs).into_par_iter().map(|run| duel.attempt(seed_of(seed, run))).collect::<Result<_, StoreError>>()
    })?;
    let mut trace = Sha256::new();
    attempts.iter().for_each(|attempt| trace.update(attempt.trace_hash));
    let successes = attempts.iter().filter(|attempt| attempt.succeeded).count() as u32;
    Ok(Tally { runs, successes, trace_hash: hex::encode(trace.finalize()) })
}

/// What keeping blocks back came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Revenue {
    /// The attacker's part of the blocks in the honest node's chain, over all runs.
    pub measured: f64,
    /// Around it, from the spread of the runs.
    pub interval95: [f64; 2],
    /// For selfish mining by a minority: what the paper says where every tie is lost (γ = 0), as here, where links take no
    /// time and the first seen stays.
    pub expected: Option<f64>,
    /// Blocks found in all runs.
    pub blocks: u64,
}

/// Has the strategy called `name` mine `runs` times for `blocks` blocks each, on `threads` threads.
pub fn revenue(name: &str, share: f64, blocks: u32, runs: u32, seed: u64, threads: usize) -> anyhow::Result<Revenue> {
    use rayon::prelude::*;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let parts: Vec<f64> = pool.install(|| {
        let run = |run| part_of_chain(name, share, blocks, seed_of(seed, run));
        (0..runs).into_par_iter().map(run).collect::<anyhow::Result<_>>()
    })?;
    let n = f64::from(runs.max(1));
    let mean = parts.iter().sum::<f64>() / n;
    let variance = parts.iter().map(|part| (part - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let half = 1.96 * (variance / n).sqrt();
    Ok(Revenue {
        measured: mean,
        interval95: [mean - half, mean + half],
        expected: (name == Selfish::NAME && share < 0.5).then(|| selfish_revenue(share, 0.0)),
        blocks: u64::from(blocks) * u64::from(runs),
    })
}

/// Mines until `blocks` blocks were found; the attacker's part of the honest node's chain.
fn part_of_chain(name: &str, share: f64, blocks: u32, seed: u64) -> anyhow::Result<f64> {
    let key = PrivateKey::from_bytes(&[0x5a; 32], true)?;
    let (spec, _) = funded_chain(&key)?;
    let plan = Plan { confirmations: 1, premine: 0, give_up: None, waits_for_goods: false };
    let strategy = strategy::make(name, &Options { plan, target: None, spec: &spec }).map_err(usage)?;
    let (_orders, received) = mpsc::channel();
    let report = Report::wordless();
    let mut simulation = two_nodes(&Arc::new(spec), share, seed, strategy, received, &report, &[])?;
    while simulation.statistics().blocks() < blocks as usize && simulation.step()?.is_some() {}
    simulation.set_mining(false);
    while simulation.step()?.is_some() {}
    let tip = simulation.core(HONEST).tip().hash;
    Ok(simulation.statistics().revenue(&tip)[ATTACKER])
}

fn two_nodes(
    spec: &Arc<ChainSpec>,
    share: f64,
    seed: u64,
    strategy: Box<dyn Strategy>,
    orders: mpsc::Receiver<Order>,
    report: &Report,
    trusted: &[Txid],
) -> Result<Simulation, StoreError> {
    let mut parts = Some((strategy, orders, report.clone()));
    let setup = Setup {
        spec: Arc::clone(spec),
        shares: vec![1.0 - share, share],
        edges: vec![(HONEST, ATTACKER)],
        conditions: Conditions::NONE,
        churn: None,
        seed,
    };
    Simulation::with_minds(setup, |number, mut core| -> Box<dyn StateMachine> {
        trusted.iter().for_each(|txid| core.trust_signatures(*txid));
        match parts.take_if(|_| number == ATTACKER) {
            Some((strategy, orders, report)) => Box::new(Attacker::new(core, strategy, orders, report)),
            None => Box::new(core),
        }
    })
}

/// Independent seeds from one (splitmix64).
pub fn seed_of(seed: u64, run: u32) -> u64 {
    let mut z = seed.wrapping_add(u64::from(run).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The simulated local chain, whose genesis pays its first output to `key`; and that coin's name and value.
fn funded_chain(key: &PrivateKey) -> anyhow::Result<(ChainSpec, (Outpoint, Amount))> {
    let local = ChainSpec::builtin("local").ok_or_else(|| anyhow::anyhow!("the local chain is not built in"))?;
    let mut spec = simulated_chain(local, SPACING_S);
    let coinbase = &mut spec.genesis.transactions[0];
    coinbase.outputs[0].script = Script::pay_to_public_key_hash(&key.public_key().hash());
    let value = coinbase.outputs[0].value;
    let coin = Outpoint { txid: coinbase.txid(), index: 0 };
    let txids: Vec<_> = spec.genesis.transactions.iter().map(Transaction::txid).collect();
    spec.genesis.header.merkle_root = merkle::merkle_root(&txids).0;
    Ok((spec, (coin, value)))
}

/// Spends all of a coin, less the fee, to a script.
fn spend(key: &PrivateKey, (outpoint, value): (Outpoint, Amount), to: &Script) -> Transaction {
    let public_key = key.public_key();
    let locked_by = Script::pay_to_public_key_hash(&public_key.hash());
    let value = value.checked_sub(FEE).unwrap_or(Amount::ZERO);
    let mut transaction = Transaction {
        version: 1,
        inputs: vec![TxIn { outpoint, script: Script::default(), sequence: u32::MAX }],
        outputs: vec![TxOut { value, script: to.clone() }],
        lock_time: 0,
    };
    let mut signature = key.sign(&signature_hash(&transaction, 0, &locked_by, SIGHASH_ALL));
    signature.push(SIGHASH_ALL as u8);
    transaction.inputs[0].script = Script::unlock_public_key_hash(&signature, public_key.as_bytes());
    transaction
}

#[cfg(test)]
mod tests;
