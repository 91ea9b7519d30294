//! What the wallet knows of the chain: which blocks it has seen and every transaction that concerns it.
//!
//! A pure state machine without I/O. Blocks are connected and rolled back; everything else (coins, balance, the state of a
//! transaction) is derived from the transactions and the block each is in, so that a reorganisation has nothing to undo
//! but those positions. A transaction concerns the wallet if it pays one of our keys, spends one of our coins, or spends
//! what another concerned transaction spends: the last is how a double spend of a payment to us is noticed.
//!
//! Neighbours: [`crate::sync`] feeds it; [`crate::view`] answers questions from it; [`crate::record`] makes it durable.
//! Absent: validation (the node did that) and unspendable or foreign scripts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chain_spec::{Amount, BlockHash, CheckedBlock, Outpoint, Transaction, Txid};

use crate::keystore::KeyError;

/// Below the tip, this many blocks are remembered one by one …
const CHECKPOINTS_DENSE: u32 = 288;
/// … and before them every this many. A deeper reorganisation rescans from the checkpoint below its fork.
const CHECKPOINTS_SPARSE: u32 = 1_000;

/// Where in the active chain a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The block's height.
    pub height: u32,
    /// The transaction's place in it, 0 for the coinbase.
    pub index: u32,
}

/// A transaction that concerns the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// Its place in the active chain, if it has one.
    pub position: Option<Position>,
    /// The block's time, or when the wallet first saw it, Unix seconds.
    pub time_s: u32,
    /// Made by this wallet file, so rebroadcast until it confirms.
    pub sent: bool,
    /// Given up by the user: its coins may be spent again.
    pub abandoned: bool,
    /// The node's mempool held it at the last look.
    pub in_mempool: bool,
    /// Orders what was first seen at the same time.
    pub sequence: u64,
}

/// An output that pays one of our keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnOutput {
    /// Its value.
    pub value: Amount,
    /// The key it pays.
    pub public_key_hash: [u8; 20],
}

/// Says whether a public key hash is ours; told of every one in the outputs it sees.
pub type Owns<'a> = dyn FnMut(&[u8; 20]) -> Result<bool, KeyError> + 'a;

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    checkpoints: BTreeMap<u32, BlockHash>,
    entries: BTreeMap<Txid, Entry>,
    own: HashMap<Outpoint, OwnOutput>,
    spenders: HashMap<Outpoint, Vec<Txid>>,
    sequence_next: u64,
}

impl Ledger {
    /// The last block seen: height and hash. `None` before the genesis block.
    pub fn tip(&self) -> Option<(u32, BlockHash)> {
        self.checkpoints.last_key_value().map(|(&height, &hash)| (height, hash))
    }

    /// The remembered blocks, highest first.
    pub fn checkpoints(&self) -> impl Iterator<Item = (u32, BlockHash)> + '_ {
        self.checkpoints.iter().rev().map(|(&height, &hash)| (height, hash))
    }

    /// All transactions that concern the wallet, in no useful order.
    pub fn entries(&self) -> impl Iterator<Item = (&Txid, &Entry)> {
        self.entries.iter()
    }

    /// One of them.
    pub fn entry(&self, txid: &Txid) -> Option<&Entry> {
        self.entries.get(txid)
    }

    /// Every output of theirs that pays us, spent or not.
    pub fn own_outputs(&self) -> impl Iterator<Item = (&Outpoint, &OwnOutput)> {
        self.own.iter()
    }

    /// The output an outpoint names, if it pays us.
    pub fn own_output(&self, outpoint: &Outpoint) -> Option<&OwnOutput> {
        self.own.get(outpoint)
    }

    /// The known transactions that spend an outpoint.
    pub fn spenders(&self, outpoint: &Outpoint) -> &[Txid] {
        self.spenders.get(outpoint).map_or(&[], Vec::as_slice)
    }

    /// Whether a transaction pays us or spends ours; otherwise it is known only as somebody's double spend.
    pub fn involves_us(&self, txid: &Txid, entry: &Entry) -> bool {
        let pays = |index| self.own.contains_key(&Outpoint { txid: *txid, index });
        (0..entry.transaction.outputs.len() as u32).any(pays)
            || entry.transaction.inputs.iter().any(|input| self.own.contains_key(&input.outpoint))
    }

    /// Adds the next block of the active chain. May be called again with the same block after `owns` learned new keys.
    /// The caller has checked that its parent is the tip.
    pub fn connect(&mut self, height: u32, block: &CheckedBlock, owns: &mut Owns) -> Result<(), KeyError> {
        let transactions = block.block().transactions.iter().zip(block.txids());
        for (index, (transaction, txid)) in (0..).zip(transactions) {
            if let Some(own) = self.concerns(transaction, owns)? {
                let position = Some(Position { height, index });
                self.insert(*txid, Arc::new(transaction.clone()), position, block.header().time, own);
            }
        }
        self.checkpoints.insert(height, block.hash());
        if let Some(old) = height.checked_sub(CHECKPOINTS_DENSE)
            && !old.is_multiple_of(CHECKPOINTS_SPARSE)
        {
            self.checkpoints.remove(&old);
        }
        Ok(())
    }

    /// Forgets every block above `height` (all of them for `None`). Their transactions become unconfirmed; gives them.
    pub fn roll_back(&mut self, height: Option<u32>) -> Vec<Txid> {
        let mut unconfirmed = Vec::new();
        let above = |at: u32| height.is_none_or(|height| at > height);
        self.checkpoints.retain(|&at, _| !above(at));
        for (txid, entry) in &mut self.entries {
            if entry.position.is_some_and(|position| above(position.height)) {
                entry.position = None;
                entry.in_mempool = false;
                unconfirmed.push(*txid);
            }
        }
        unconfirmed
    }

    /// Adds a transaction seen in the mempool at `time_s`, if it concerns us. Returns whether it does.
    pub fn observe(&mut self, transaction: &Arc<Transaction>, time_s: u32, owns: &mut Owns) -> Result<bool, KeyError> {
        let Some(own) = self.concerns(transaction, owns)? else { return Ok(false) };
        let entry = self.insert(transaction.txid(), transaction.clone(), None, time_s, own);
        (entry.in_mempool, entry.abandoned) = (true, false);
        Ok(true)
    }

    /// Adds a transaction this wallet made and is about to broadcast.
    pub fn record_sent(
        &mut self,
        transaction: &Arc<Transaction>,
        time_s: u32,
        owns: &mut Owns,
    ) -> Result<(), KeyError> {
        let own = self.concerns(transaction, owns)?.unwrap_or_default();
        let entry = self.insert(transaction.txid(), transaction.clone(), None, time_s, own);
        (entry.sent, entry.abandoned) = (true, false);
        Ok(())
    }

    /// Says which of the known transactions the node's mempool holds now.
    pub fn set_mempool(&mut self, contains: impl Fn(&Txid) -> bool) {
        for (txid, entry) in &mut self.entries {
            entry.in_mempool = entry.position.is_none() && contains(txid);
            entry.abandoned &= !entry.in_mempool;
        }
    }

    /// Marks one transaction as in the node's mempool: what conflicts with it is there no longer.
    pub fn set_in_mempool(&mut self, txid: &Txid) {
        let Some(entry) = self.entries.get_mut(txid).filter(|entry| entry.position.is_none()) else { return };
        entry.in_mempool = true;
        let inputs: Vec<Outpoint> = entry.transaction.inputs.iter().map(|input| input.outpoint).collect();
        let spenders = inputs.iter().flat_map(|outpoint| self.spenders.get(outpoint).into_iter().flatten());
        let rivals: Vec<Txid> = spenders.filter(|spender| *spender != txid).copied().collect();
        for rival in rivals {
            if let Some(rival) = self.entries.get_mut(&rival) {
                rival.in_mempool = false;
            }
        }
    }

    /// Gives up an unconfirmed transaction. Returns whether it was one.
    pub fn abandon(&mut self, txid: &Txid) -> bool {
        match self.entries.get_mut(txid) {
            Some(entry) if entry.position.is_none() => {
                (entry.abandoned, entry.in_mempool) = (true, false);
                true
            }
            _ => false,
        }
    }

    /// Removes an unconfirmed transaction altogether: one that the node refused at first sight.
    pub fn forget(&mut self, txid: &Txid) {
        let Some(entry) = self.entries.get(txid).filter(|entry| entry.position.is_none()) else { return };
        for input in &entry.transaction.inputs {
            if let Some(spenders) = self.spenders.get_mut(&input.outpoint) {
                spenders.retain(|spender| spender != txid);
            }
        }
        for index in 0..entry.transaction.outputs.len() as u32 {
            self.own.remove(&Outpoint { txid: *txid, index });
        }
        self.entries.remove(txid);
    }

    /// Puts back what was stored. The entry's own outputs are found again through `owns`.
    pub fn restore_entry(&mut self, entry: Entry, owns: &mut Owns) -> Result<(), KeyError> {
        let own = self.own_outputs_of(&entry.transaction, owns)?;
        let restored =
            self.insert(entry.transaction.txid(), entry.transaction.clone(), entry.position, entry.time_s, own);
        *restored = Entry { sequence: restored.sequence, ..entry };
        Ok(())
    }

    /// Puts back a remembered block.
    pub fn restore_checkpoint(&mut self, height: u32, hash: BlockHash) {
        self.checkpoints.insert(height, hash);
    }

    /// The outputs that pay us, or `None` if the transaction does not concern us at all.
    fn concerns(&self, transaction: &Transaction, owns: &mut Owns) -> Result<Option<Vec<(u32, OwnOutput)>>, KeyError> {
        let own = self.own_outputs_of(transaction, owns)?;
        let touches = |outpoint| self.own.contains_key(outpoint) || self.spenders.contains_key(outpoint);
        let concerned = !own.is_empty() || transaction.inputs.iter().any(|input| touches(&input.outpoint));
        Ok(concerned.then_some(own))
    }

    fn own_outputs_of(&self, transaction: &Transaction, owns: &mut Owns) -> Result<Vec<(u32, OwnOutput)>, KeyError> {
        let mut own = Vec::new();
        for (index, output) in (0..).zip(&transaction.outputs) {
            let Some(public_key_hash) = output.script.public_key_hash() else { continue };
            if output.value.is_money() && owns(&public_key_hash)? {
                own.push((index, OwnOutput { value: output.value, public_key_hash }));
            }
        }
        Ok(own)
    }

    fn insert(
        &mut self,
        txid: Txid,
        transaction: Arc<Transaction>,
        position: Option<Position>,
        time_s: u32,
        own: Vec<(u32, OwnOutput)>,
    ) -> &mut Entry {
        for (index, output) in own {
            self.own.insert(Outpoint { txid, index }, output);
        }
        for input in transaction.inputs.iter().filter(|input| !input.outpoint.is_null()) {
            let spenders = self.spenders.entry(input.outpoint).or_default();
            if !spenders.contains(&txid) {
                spenders.push(txid);
            }
        }
        let sequence = self.sequence_next;
        let entry = self.entries.entry(txid).or_insert_with(|| {
            self.sequence_next += 1;
            Entry { transaction, position: None, time_s, sent: false, abandoned: false, in_mempool: false, sequence }
        });
        if position.is_some() {
            (entry.position, entry.time_s) = (position, time_s);
            (entry.in_mempool, entry.abandoned) = (false, false);
        }
        entry
    }
}
