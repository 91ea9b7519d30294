//! One attacker against all others.
//!
//! Unless a [`Crowd`] is given there are two nodes, with links that take no time, which is what Nakamoto, Rosenfeld, Eyal and
//! Sirer assume: the others are one node with the rest of the hash rate. A crowd is a network of many honest nodes with equal
//! parts of it, a topology and link delays. γ says how the others behave in a tie; without it a node keeps the branch it saw first.

use super::honest::DividedMiners;
use super::links::LinkModel;
use super::setup::{Setup, retargeting_chain, simulated_chain};
use super::simulation::Simulation;
use super::work::payout;
use crate::lab::cost::Ledger;
use crate::lab::strategy::attacker::{Attacker, StatusReport};
use crate::lab::strategy::{Command, Strategy};
use crate::plan::topology::Topology;
use anyhow::Context as _;
use chain_spec::rules::spend::{SignatureEncoding, check_input_script};
use chain_spec::signature_hash::{SIGHASH_ALL, signature_hash};
use chain_spec::spec::Retarget;
use chain_spec::{Amount, ChainSpec, Coin, Outpoint, PrivateKey, Script, Transaction, TxIn, TxOut, Txid, merkle};
use node::core::fork_rule::ForkRules;
use node::core::state_machine::StateMachine;
use node::core::store::StoreError;
use std::sync::{Arc, mpsc};

/// The node of everybody but the attacker; in a crowd, one honest node, whose word counts.
pub const HONEST: usize = 0;
/// The attacker's node.
pub const ATTACKER: usize = 1;
/// Mean seconds between simulated blocks. Nothing depends on it but header times.
pub const SPACING_S: u32 = 600;
/// What a payment leaves to its miner.
const FEE: Amount = Amount::from_units(10_000);
/// Where targets change: how many times easier than at first they can become in an attack. Blocks are drawn at that rate.
const RATE_MAX: f64 = 4.0;
/// After the last block, messages have this long to arrive, virtual microseconds.
const SETTLE_US: u64 = 600_000_000;

/// A chain whose genesis pays a coin to a key of ours.
pub struct FundedChain {
    /// The chain.
    pub spec: Arc<ChainSpec>,
    key: PrivateKey,
    outpoint: Outpoint,
    coin: Coin,
}

impl FundedChain {
    /// The simulated local chain.
    pub fn new() -> anyhow::Result<FundedChain> {
        let key = PrivateKey::from_bytes(&[0x5a; 32], true)?;
        let local = ChainSpec::builtin("local").ok_or_else(|| anyhow::anyhow!("the local chain is not built in"))?;
        let mut spec = simulated_chain(local, SPACING_S);
        let script = Script::pay_to_public_key_hash(&key.public_key().hash());
        let coinbase = &mut spec.genesis.transactions[0];
        coinbase.outputs[0].script = script.clone();
        let output = TxOut { value: coinbase.outputs[0].value, script };
        let outpoint = Outpoint { txid: coinbase.txid(), index: 0 };
        let txids: Vec<_> = spec.genesis.transactions.iter().map(Transaction::txid).collect();
        spec.genesis.header.merkle_root = merkle::merkle_root(&txids).0;
        Ok(FundedChain { spec: Arc::new(spec), key, outpoint, coin: Coin { output, height: 0, is_coinbase: true } })
    }

    /// The same chain with a target that changes by a rule.
    pub fn retargeting(rule: Retarget) -> anyhow::Result<FundedChain> {
        let chain = FundedChain::new()?;
        let spec = Arc::new(retargeting_chain(ChainSpec::clone(&chain.spec), rule));
        Ok(FundedChain { spec, ..chain })
    }

    /// Spends all of the coin, less a small fee, to a script. The signature has been checked, for the nodes of all runs.
    pub fn spend(&self, to: &Script) -> anyhow::Result<Arc<Transaction>> {
        self.spend_leaving(to, Amount::ZERO)
    }

    /// The same, and leaves `more` to the miner besides.
    pub fn spend_leaving(&self, to: &Script, more: Amount) -> anyhow::Result<Arc<Transaction>> {
        let public_key = self.key.public_key();
        let fee = FEE.checked_add(more).context("the fee is too high")?;
        let value = self.coin.output.value.checked_sub(fee).context("the coin is worth less than the fee")?;
        let mut transaction = Transaction {
            version: 1,
            inputs: vec![TxIn { outpoint: self.outpoint, script: Script::default(), sequence: u32::MAX }],
            outputs: vec![TxOut { value, script: to.clone() }],
            lock_time: 0,
        };
        let hash = signature_hash(&transaction, 0, &self.coin.output.script, SIGHASH_ALL);
        let mut signature = self.key.sign(&hash);
        signature.push(SIGHASH_ALL as u8);
        transaction.inputs[0].script = Script::unlock_public_key_hash(&signature, public_key.as_bytes());
        check_input_script(&transaction, 0, &self.coin, SignatureEncoding::Strict)?;
        Ok(Arc::new(transaction))
    }
}

/// A network of many honest nodes around one attacker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crowd {
    /// Nodes, the attacker's included; at least 2.
    pub nodes: usize,
    /// Who is connected to whom.
    pub topology: Topology,
    /// How many nodes the attacker is connected to at least, beyond the topology.
    pub attacker_peers: usize,
    /// What links are like.
    pub links: LinkModel,
    /// Mean seconds between blocks.
    pub spacing_s: u32,
}

impl Crowd {
    /// The connections, drawn by a seed where the topology is random.
    fn edges(&self, seed: u64) -> Vec<(usize, usize)> {
        let mut edges = self.topology.with_seed(seed).edges(self.nodes);
        let is_peer = |edges: &[(usize, usize)], node: usize| edges.contains(&(node.min(ATTACKER), node.max(ATTACKER)));
        let strangers: Vec<usize> =
            (0..self.nodes).filter(|node| *node != ATTACKER && !is_peer(&edges, *node)).collect();
        let missing = self.attacker_peers.saturating_sub(self.nodes - 1 - strangers.len());
        edges.extend(strangers.into_iter().take(missing).map(|node| (node.min(ATTACKER), node.max(ATTACKER))));
        edges
    }
}

/// Who plays, and where.
pub struct Players<'a> {
    /// The chain.
    pub spec: &'a Arc<ChainSpec>,
    /// The attacker's share of the hash rate, in (0, 1).
    pub share: f64,
    /// The part of the others that mines on the attacker's branch in a tie, in [0, 1]; `None`: whatever they saw first.
    pub gamma: Option<f64>,
    /// Transactions whose signatures have been checked.
    pub trusted: &'a [Txid],
    /// The network; two nodes with links that take no time if `None`.
    pub crowd: Option<&'a Crowd>,
    /// The defences of everybody but the attacker.
    pub fork_rules: &'a ForkRules,
    /// Draws everything.
    pub seed: u64,
}

/// The nodes, connected and mining.
pub struct Contest {
    /// The network.
    pub simulation: Simulation,
    commands: mpsc::Sender<Command>,
    report: StatusReport,
}

/// Each node's part of the hash rate: the attacker's, and equal parts of the rest.
fn shares(nodes: usize, attackers: f64) -> Vec<f64> {
    let mut shares = vec![(1.0 - attackers) / (nodes - 1) as f64; nodes];
    shares[ATTACKER] = attackers;
    shares
}

/// What an experiment's name says of its defences: nothing without any, so that its seeds are those of before.
pub(super) fn defences(rules: &ForkRules) -> String {
    if rules.is_empty() { String::new() } else { format!(" fork-rules={rules}") }
}

impl Contest {
    /// The attacker plays `strategy`.
    pub fn new(players: &Players<'_>, strategy: Box<dyn Strategy>) -> Result<Contest, StoreError> {
        let (commands, received) = mpsc::channel();
        let report = StatusReport::without_text();
        let mut attacker = Some((strategy, received, report.clone()));
        let rate_max = if players.spec.retarget == Retarget::Fixed { 1.0 } else { RATE_MAX };
        let setup = match players.crowd {
            None => Setup {
                spec: Arc::clone(players.spec),
                shares: shares(2, players.share),
                edges: vec![(HONEST, ATTACKER)],
                links: LinkModel::INSTANT,
                churn: None,
                fork_rules: players.fork_rules.clone(),
                exempt: Some(ATTACKER),
                rate_max,
                seed: players.seed,
            },
            Some(crowd) => Setup {
                spec: Arc::new(ChainSpec { spacing_s: crowd.spacing_s, ..ChainSpec::clone(players.spec) }),
                shares: shares(crowd.nodes, players.share),
                edges: crowd.edges(players.seed),
                links: crowd.links,
                churn: None,
                fork_rules: players.fork_rules.clone(),
                exempt: Some(ATTACKER),
                rate_max,
                seed: players.seed,
            },
        };
        let simulation = Simulation::with_machines(setup, |number, mut core| -> Box<dyn StateMachine> {
            players.trusted.iter().for_each(|txid| core.trust_signatures(*txid));
            match (attacker.take_if(|_| number == ATTACKER), players.gamma) {
                (Some((strategy, received, report)), _) => Box::new(Attacker::new(core, strategy, received, report)),
                (None, Some(gamma)) => {
                    Box::new(DividedMiners::new(core, gamma, payout(ATTACKER), players.seed ^ number as u64))
                }
                (None, None) => Box::new(core),
            }
        })?;
        Ok(Contest { simulation, commands, report })
    }

    /// Gives the attacker a command, which takes effect at once.
    pub fn command(&mut self, command: Command) -> Result<(), StoreError> {
        // The receiver lives in the simulation, as long as this does.
        let _ = self.commands.send(command);
        self.simulation.tick(ATTACKER)
    }

    /// Has a node find blocks at this moment, and everybody hear of what is public.
    pub fn make(&mut self, node: usize, blocks: u32) -> Result<(), StoreError> {
        for _ in 0..blocks {
            self.simulation.find(node)?;
            while !self.simulation.is_quiet() && self.simulation.step()?.is_some() {}
        }
        Ok(())
    }

    /// Draws the finders of blocks by another share of the attacker's from now on.
    pub fn draw_by(&mut self, share: f64) {
        self.simulation.set_shares(|nodes| shares(nodes, share));
    }

    /// Whether and how the strategy has ended.
    pub fn ended(&self) -> Option<bool> {
        self.report.status().ended
    }

    /// Whether all stand on one block, and the attacker holds no branch beside it.
    pub fn agree(&self) -> bool {
        self.simulation.is_quiet() && self.simulation.tips_agree() && !self.report.holds_branch()
    }

    /// Blocks the attacker's node is ahead of the honest one; 0 if it is not.
    pub fn lead(&self) -> u32 {
        let height = |node| self.simulation.core(node).tip().height;
        height(ATTACKER).saturating_sub(height(HONEST))
    }

    /// What the attacker did from a moment of virtual time (microseconds) to the last block found; to be asked once everybody agrees on
    /// what the honest node has. `successes` is left to the caller.
    pub fn ledger(&self, from_us: u64, share: f64) -> Ledger {
        let statistics = self.simulation.statistics();
        let (setup, tip) = (self.simulation.setup(), self.simulation.core(HONEST).tip().hash);
        let found = statistics.all().iter().skip(1).filter(|block| block.at_us > from_us);
        let (mut own, mut others, mut last_us) = (0, 0, from_us);
        for block in found {
            last_us = block.at_us;
            if block.miner == ATTACKER { own += 1 } else { others += 1 }
        }
        let (mut kept, mut others_kept) = (0, 0);
        for block in statistics.branch(&tip).filter(|block| block.at_us > from_us) {
            if block.miner == ATTACKER { kept += 1 } else { others_kept += 1 }
        }
        let spacings = (last_us - from_us) as f64 / 1e6 / f64::from(setup.spec.spacing_s);
        Ledger {
            runs: 1,
            successes: None,
            work: share * spacings,
            spacings,
            found: own,
            kept,
            others_lost: others - others_kept,
        }
    }

    /// Finds no more blocks and lets everything arrive that is on its way.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        self.simulation.set_mining(false);
        let until_us = self.simulation.now_us() + SETTLE_US;
        while self.simulation.now_us() < until_us && self.simulation.step()?.is_some() {}
        Ok(())
    }

    /// Whether the honest node's chain holds the transaction, whose first output nobody spends; and since which height.
    pub fn confirmed_at(&self, txid: Txid) -> Result<Option<u32>, StoreError> {
        let coin = self.simulation.core(HONEST).coin(&Outpoint { txid, index: 0 }, false)?;
        Ok(coin.map(|coin| coin.height))
    }
}
