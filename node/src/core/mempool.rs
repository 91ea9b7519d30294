//! Transactions that wait to be mined.

use super::event::Time;
use chain_spec::{Amount, CheckedTransaction, Outpoint, Txid};
use std::sync::Arc;

/// One pooled transaction and what it hangs together with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The transaction.
    pub transaction: Arc<CheckedTransaction>,
    /// What it leaves to the miner.
    pub fee: Amount,
    /// When it came.
    pub time: Time,
    /// Height of the active tip when it came.
    pub height: u32,
    /// Pooled transactions it spends from, ascending by id.
    pub depends: Vec<Txid>,
    /// Pooled transactions that spend from it, ascending by id.
    pub spent_by: Vec<Txid>,
    /// Itself and all pooled transactions it needs.
    pub ancestor_count: u32,
    /// Their bytes.
    pub ancestor_size: usize,
    /// Their fees.
    pub ancestor_fees: Amount,
    /// Itself and all pooled transactions that need it.
    pub descendant_count: u32,
    /// Their bytes.
    pub descendant_size: usize,
    /// Their fees.
    pub descendant_fees: Amount,
    /// By Bitcoin's legacy count.
    pub signature_operations: u32,
    /// Submitted here rather than heard of.
    pub is_local: bool,
}

/// The pool.
#[derive(Debug)]
pub struct Mempool {
    _todo: (),
}

impl Mempool {
    /// Pooled transactions.
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Bytes of all pooled transactions.
    pub fn bytes(&self) -> usize {
        todo!()
    }
    /// The bound on [`Mempool::bytes`].
    pub fn bytes_max(&self) -> usize {
        todo!()
    }
    /// Memory in use, bytes, estimated.
    pub fn usage_bytes(&self) -> usize {
        todo!()
    }
    /// Lowest fee rate accepted at this moment, units per 1,000 bytes: the configured one, or more while the pool is full.
    pub fn fee_rate_min(&self) -> u64 {
        todo!()
    }
    /// A pooled transaction.
    pub fn get(&self, _txid: &Txid) -> Option<&Entry> {
        todo!()
    }
    /// All pooled transactions in the order they came.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        std::iter::empty()
    }
    /// The pooled transaction that spends a coin.
    pub fn spender(&self, _outpoint: &Outpoint) -> Option<Txid> {
        todo!()
    }
    /// All pooled transactions this one needs, parents before children, without itself.
    pub fn ancestors(&self, _txid: &Txid) -> Vec<Txid> {
        todo!()
    }
    /// All pooled transactions that need this one, parents before children, without itself.
    pub fn descendants(&self, _txid: &Txid) -> Vec<Txid> {
        todo!()
    }
    /// Grows by one with every change, for waiters.
    pub fn version(&self) -> u64 {
        todo!()
    }
}
