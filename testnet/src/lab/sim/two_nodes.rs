//! One attacker against all others: two simulated nodes, with links that take no time, which is what Nakamoto, Rosenfeld,
//! Eyal and Sirer assume. The others are one node with the rest of the hash rate; γ says how they behave in a tie.

use super::honest::DividedMiners;
use super::links::LinkModel;
use super::setup::{Setup, simulated_chain};
use super::simulation::Simulation;
use crate::lab::strategy::attacker::{Attacker, StatusReport};
use crate::lab::strategy::{Command, Strategy};
use chain_spec::rules::spend::{SignatureEncoding, check_input_script};
use chain_spec::signature_hash::{SIGHASH_ALL, signature_hash};
use chain_spec::{Amount, ChainSpec, Coin, Outpoint, PrivateKey, Script, Transaction, TxIn, TxOut, Txid, merkle};
use node::core::fork_rule::ForkRules;
use node::core::state_machine::StateMachine;
use node::core::store::StoreError;
use std::sync::{Arc, mpsc};

/// The node of everybody but the attacker.
pub const HONEST: usize = 0;
/// The attacker's node.
pub const ATTACKER: usize = 1;
/// Mean seconds between simulated blocks. Nothing depends on it but header times.
const SPACING_S: u32 = 600;
/// What a payment leaves to its miner.
const FEE: Amount = Amount::from_units(10_000);
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

    /// Spends all of the coin, less a fee, to a script. The signature has been checked, for the nodes of all runs.
    pub fn spend(&self, to: &Script) -> anyhow::Result<Arc<Transaction>> {
        let public_key = self.key.public_key();
        let value = self.coin.output.value.checked_sub(FEE).unwrap_or(Amount::ZERO);
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

/// What the two nodes are.
pub struct Players<'a> {
    /// The chain.
    pub spec: &'a Arc<ChainSpec>,
    /// The attacker's share of the hash rate, in (0, 1).
    pub share: f64,
    /// The part of the others that mines on the attacker's branch in a tie, in [0, 1].
    pub gamma: f64,
    /// Transactions whose signatures have been checked.
    pub trusted: &'a [Txid],
    /// Draws everything.
    pub seed: u64,
}

/// The two nodes, connected and mining.
pub struct TwoNodes {
    /// The network.
    pub simulation: Simulation,
    commands: mpsc::Sender<Command>,
    report: StatusReport,
}

impl TwoNodes {
    /// The attacker plays `strategy`.
    pub fn new(players: &Players<'_>, strategy: Box<dyn Strategy>) -> Result<TwoNodes, StoreError> {
        let (commands, received) = mpsc::channel();
        let report = StatusReport::without_text();
        let mut attacker = Some((strategy, received, report.clone()));
        let setup = Setup {
            spec: Arc::clone(players.spec),
            shares: vec![1.0 - players.share, players.share],
            edges: vec![(HONEST, ATTACKER)],
            links: LinkModel::INSTANT,
            churn: None,
            fork_rules: ForkRules::default(),
            seed: players.seed,
        };
        let simulation = Simulation::with_machines(setup, |number, mut core| -> Box<dyn StateMachine> {
            players.trusted.iter().for_each(|txid| core.trust_signatures(*txid));
            match attacker.take_if(|_| number == ATTACKER) {
                Some((strategy, received, report)) => Box::new(Attacker::new(core, strategy, received, report)),
                None if players.gamma > 0.0 => Box::new(DividedMiners::new(core, players.gamma, players.seed)),
                None => Box::new(core),
            }
        })?;
        Ok(TwoNodes { simulation, commands, report })
    }

    /// Gives the attacker a command, which takes effect at once.
    pub fn command(&mut self, command: Command) -> Result<(), StoreError> {
        // The receiver lives in the simulation, as long as this does.
        let _ = self.commands.send(command);
        self.simulation.tick(ATTACKER)
    }

    /// Whether and how the strategy has ended.
    pub fn ended(&self) -> Option<bool> {
        self.report.status().ended
    }

    /// Whether both stand on one block and nothing is on its way.
    pub fn agree(&self) -> bool {
        let tip = |node| self.simulation.core(node).tip().hash;
        self.simulation.is_quiet() && tip(HONEST) == tip(ATTACKER)
    }

    /// Blocks the attacker's node is ahead of the honest one; 0 if it is not.
    pub fn lead(&self) -> u32 {
        let height = |node| self.simulation.core(node).tip().height;
        height(ATTACKER).saturating_sub(height(HONEST))
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
