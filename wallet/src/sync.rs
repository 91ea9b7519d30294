//! Brings the ledger up to a node's active chain and mempool.
//!
//! Blocks are asked for by height in batches and must link to the last one seen; where they do not, the node has
//! reorganised, and the ledger is rolled back to the highest remembered block that is still active. Transactions of ours
//! that the mempool has lost are sent again. Neighbours: [`crate::client`] asks, [`crate::ledger`] remembers.
//!
//! The node is not trusted with values: a block must have the proof of work it states, within the chain's limit, and
//! exactly the transactions that its header commits to; a mempool transaction must have the id that was asked for, and the
//! owner's signature where it spends a coin of ours.
//! Absent: the rules that need the whole chain (signatures of others, who may spend what), which the node has checked.

mod blocks;

use std::collections::HashSet;
use std::sync::Arc;

use chain_spec::rules::spend::{SignatureEncoding, check_input_script};
use chain_spec::{ChainSpec, CheckedBlock, Coin, Script, Transaction, TxOut, Txid};
use serde_json::json;

pub use blocks::BlockReader;
use blocks::decode;

use crate::client::{Client, ClientError};
use crate::keystore::{KeyError, Keyring};
use crate::ledger::{Ledger, Owns};
use crate::view::{State, View};

/// Transactions asked for at once.
const BATCH_MAX: usize = 256;
/// Reorganisations during one sync after which it gives up.
const REORGS_MAX: usize = 100;
/// Mempool transactions looked at; a larger mempool's rest is seen once it is in a block.
const MEMPOOL_MAX: usize = 100_000;

/// Why the wallet could not follow the node.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The node could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The node is on another chain.
    #[error(
        "the node at {url} is on chain {found:?}, this wallet belongs to chain {expected:?}: name a node of that chain with --rpc"
    )]
    WrongChain {
        /// The node's address.
        url: String,
        /// Its chain's name.
        found: String,
        /// The wallet's.
        expected: String,
    },
    /// No point at which to stop.
    #[error("the node's chain changed {REORGS_MAX} times during one sync: try again when it has settled")]
    Unsettled,
    /// A key could not be derived.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// The height reached.
    pub height: u32,
    /// Blocks read.
    pub connected: u32,
    /// Blocks undone because they left the active chain.
    pub rolled_back: u32,
    /// Transactions sent again.
    pub rebroadcast: Vec<Txid>,
    /// Own transactions the node did not take again, and why.
    pub refused: Vec<(Txid, String)>,
    /// Payments this file made or received that were confirmed before this sync and are not any more.
    pub reversed: Vec<Reversal>,
}

/// A payment that a reorganisation took out of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversal {
    /// The payment.
    pub txid: Txid,
    /// The transaction that spends the same coins now, if one does: the payment will not confirm again.
    pub by: Option<Txid>,
}

impl Reversal {
    fn of(txid: Txid) -> Reversal {
        Reversal { txid, by: None }
    }
}

/// What to do about own payments that the node's mempool lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Send them again.
    Resend,
    /// Leave them.
    Leave,
}

/// How far a long sync is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Height scanned.
    pub height: u32,
    /// Height to reach.
    pub target: u32,
}

/// The keys a scan looks for.
pub trait Keys {
    /// Whether the public key hash is ours; notes that it was used.
    fn observe(&mut self, hash: &[u8; 20]) -> Result<bool, KeyError>;
    /// How many keys are watched: a change means that a block must be looked at again.
    fn watched(&self) -> usize;
}

impl Keys for Keyring {
    fn observe(&mut self, hash: &[u8; 20]) -> Result<bool, KeyError> {
        Keyring::observe(self, hash)
    }
    fn watched(&self) -> usize {
        Keyring::watched(self)
    }
}

/// Connects a block if it follows the ledger's tip; gives whether it does. Repeats it while it makes the look-ahead grow: a
/// later output of the same block may pay a key that an earlier one brought into view.
pub fn connect_block(
    ledger: &mut Ledger,
    keys: &mut dyn Keys,
    spec: &ChainSpec,
    block: &CheckedBlock,
) -> Result<bool, KeyError> {
    let height = match ledger.tip() {
        Some((height, hash)) if block.header().previous == hash => height + 1,
        None => 0,
        Some(_) => return Ok(false),
    };
    loop {
        let watched = keys.watched();
        // Where genesis' outputs are no coins, only its place in the chain matters.
        let is_coinless = height == 0 && !spec.genesis_spendable;
        let owns: &mut Owns = if is_coinless { &mut |_| Ok(false) } else { &mut |hash| keys.observe(hash) };
        ledger.connect(height, block, owns)?;
        if keys.watched() == watched {
            return Ok(true);
        }
    }
}

/// One scan of one node.
pub struct Scan<'a> {
    /// Whom to ask.
    pub client: &'a Client,
    /// What is known, and grows.
    pub ledger: &'a mut Ledger,
    /// What to look for.
    pub keys: &'a mut dyn Keys,
    /// The chain.
    pub spec: &'a ChainSpec,
    /// Told after each batch.
    pub progress: &'a mut dyn FnMut(Progress),
}

impl Scan<'_> {
    /// Follows the node's active chain to its tip.
    pub fn blocks(&mut self) -> Result<SyncReport, SyncError> {
        self.check_chain()?;
        let mut report = SyncReport::default();
        let mut reader = BlockReader::new(self.client, self.spec);
        for _ in 0..REORGS_MAX {
            report.rolled_back += self.roll_back_to_fork(&mut report.reversed)?;
            let target = self.client.block_count()?;
            while let Some(from) = self.next_height().filter(|from| *from <= target) {
                let (count, blocks) = reader.next(from, target)?;
                let complete = blocks.len() == count as usize;
                for block in blocks {
                    if !connect_block(self.ledger, self.keys, self.spec, &block)? {
                        break;
                    }
                    report.connected += 1;
                }
                let height = self.height();
                (self.progress)(Progress { height, target });
                if !complete || self.next_height() != Some(from + count) {
                    break; // reorganised under our hands: look for the fork again
                }
            }
            let tip =
                self.client.read::<String>("getbestblockhash", self.client.call("getbestblockhash", json!([]))?)?;
            if self.ledger.tip().is_some_and(|(_, hash)| hash.to_string() == tip) {
                report.height = self.height();
                return Ok(report);
            }
        }
        Err(SyncError::Unsettled)
    }

    fn height(&self) -> u32 {
        self.ledger.tip().map_or(0, |(height, _)| height)
    }

    fn next_height(&self) -> Option<u32> {
        self.ledger.tip().map_or(Some(0), |(height, _)| height.checked_add(1))
    }

    fn check_chain(&self) -> Result<(), SyncError> {
        if self.client.block_hash(0)? == Some(self.spec.genesis_hash()) {
            return Ok(());
        }
        let info = self.client.call("getblockchaininfo", json!([]))?;
        Err(SyncError::WrongChain {
            url: self.client.url().to_owned(),
            found: info["chain"].as_str().unwrap_or("unknown").to_owned(),
            expected: self.spec.name.clone(),
        })
    }

    /// Forgets what is no longer in the active chain. Returns how many blocks that were.
    fn roll_back_to_fork(&mut self, reversed: &mut Vec<Reversal>) -> Result<u32, SyncError> {
        let Some((tip, _)) = self.ledger.tip() else { return Ok(0) };
        let known: Vec<_> = self.ledger.checkpoints().collect();
        for (height, hash) in known {
            if self.client.block_hash(height)? == Some(hash) {
                reversed.extend(self.ledger.roll_back(Some(height)).into_iter().map(Reversal::of));
                return Ok(tip - height);
            }
        }
        reversed.extend(self.ledger.roll_back(None).into_iter().map(Reversal::of));
        Ok(tip + 1)
    }

    /// Looks at the node's mempool, and sends own transactions again that it lacks if `lost` says so.
    pub fn mempool(&mut self, now_s: u32, lost: Lost, report: &mut SyncReport) -> Result<(), SyncError> {
        let present: HashSet<Txid> = self.client.mempool()?.into_iter().take(MEMPOOL_MAX).collect();
        self.ledger.set_mempool(|txid| present.contains(txid));
        let unknown: Vec<Txid> = present.iter().filter(|txid| self.ledger.entry(txid).is_none()).copied().collect();
        let mut transactions: Vec<Arc<Transaction>> = Vec::new();
        for txids in unknown.chunks(BATCH_MAX) {
            let queries = txids.iter().map(|txid| json!([txid.to_string()])).collect();
            // One that left the mempool since brings an error, and is not asked about again.
            for (value, txid) in self.client.batch("getrawtransaction", queries)?.into_iter().zip(txids) {
                let Ok(value) = value else { continue };
                let transaction: Transaction = decode(self.client, "getrawtransaction", &value)?;
                if transaction.txid() != *txid {
                    let reason = format!("not the transaction {txid}");
                    return Err(self.client.bad_answer("getrawtransaction", reason).into());
                }
                transactions.push(Arc::new(transaction));
            }
        }
        // A child may come before its parent, which makes it ours; so go round until nothing new concerns us.
        loop {
            let before = transactions.len();
            let mut rest = Vec::new();
            for transaction in transactions {
                self.check_own_spends(&transaction)?;
                if !self.ledger.observe(&transaction, now_s, &mut |hash| self.keys.observe(hash))? {
                    rest.push(transaction);
                }
            }
            transactions = rest;
            if transactions.len() == before {
                break;
            }
        }
        if lost == Lost::Resend {
            self.rebroadcast(report)?;
        }
        self.settle_reversals(&mut report.reversed);
        Ok(())
    }

    /// A mempool transaction that spends a coin of ours must have our signature, or nobody could mine it: a node that makes
    /// one up would take the coin out of our hands for as long as it likes.
    fn check_own_spends(&self, transaction: &Transaction) -> Result<(), SyncError> {
        for (index, input) in transaction.inputs.iter().enumerate() {
            let Some(own) = self.ledger.own_output(&input.outpoint) else { continue };
            let script = Script::pay_to_public_key_hash(&own.public_key_hash);
            let coin = Coin { output: TxOut { value: own.value, script }, height: 0, is_coinbase: false };
            check_input_script(transaction, index, &coin, SignatureEncoding::Strict).map_err(|_| {
                let reason = format!("{} spends {} without its owner's signature", transaction.txid(), input.outpoint);
                self.client.bad_answer("getrawtransaction", reason)
            })?;
        }
        Ok(())
    }

    /// Keeps what is still unconfirmed of what a reorganisation undid, each with the transaction that took its coins.
    fn settle_reversals(&self, reversed: &mut Vec<Reversal>) {
        reversed.sort_by_key(|reversal| reversal.txid);
        reversed.dedup();
        reversed.retain(|reversal| {
            self.ledger.entry(&reversal.txid).is_some_and(|entry| {
                let is_payment = !entry.transaction.is_coinbase() && self.ledger.involves_us(&reversal.txid, entry);
                entry.position.is_none() && is_payment
            })
        });
        if reversed.is_empty() {
            return;
        }
        let view = View::new(self.ledger, 0);
        for reversal in reversed {
            if let Some(State::Conflicted { by }) = view.state(&reversal.txid) {
                reversal.by = Some(by);
            }
        }
    }

    /// Sends again what the mempool lacks: our payments, and those to us, which a reorganisation may have put out and
    /// which we want confirmed no less than their senders.
    fn rebroadcast(&mut self, report: &mut SyncReport) -> Result<(), SyncError> {
        let view = View::new(self.ledger, 0);
        let mut lost: Vec<_> = self
            .ledger
            .entries()
            .filter(|(txid, entry)| entry.sent || self.ledger.involves_us(txid, entry))
            .filter(|(txid, _)| view.state(txid) == Some(State::Unconfirmed { in_mempool: false }))
            .map(|(txid, entry)| (entry.sequence, *txid, entry.transaction.clone(), entry.sent))
            .collect();
        lost.sort_by_key(|(sequence, ..)| *sequence);
        // A child is refused before its parent is there, so go round as long as something is taken.
        loop {
            let before = lost.len();
            let mut refused = Vec::new();
            let mut rest = Vec::new();
            for (sequence, txid, transaction, sent) in lost {
                match self.client.send_transaction(&transaction) {
                    Ok(()) => {
                        self.ledger.set_in_mempool(&txid);
                        report.rebroadcast.push(txid);
                    }
                    Err(ClientError::Rpc { error, .. }) => {
                        refused.extend(sent.then_some((txid, error.message)));
                        rest.push((sequence, txid, transaction, sent));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            if rest.is_empty() || rest.len() == before {
                report.refused = refused;
                return Ok(());
            }
            lost = rest;
        }
    }
}
