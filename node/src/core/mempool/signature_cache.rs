//! Transactions whose signatures were checked before: they left the mempool but may come back in a block.

use crate::core::hash_map::{IdSet, IdState};
use chain_spec::Txid;
use std::collections::VecDeque;

/// Ids remembered; the oldest is forgotten first.
const TRANSACTIONS_MAX: usize = 50_000;

/// The set.
#[derive(Debug)]
pub(crate) struct SignatureCache {
    txids: IdSet<Txid>,
    order: VecDeque<Txid>,
}

impl SignatureCache {
    /// Nothing yet.
    pub(crate) fn new(state: IdState) -> SignatureCache {
        SignatureCache { txids: IdSet::with_hasher(state), order: VecDeque::new() }
    }
    /// Whether an id is remembered.
    pub(crate) fn contains(&self, txid: &Txid) -> bool {
        self.txids.contains(txid)
    }
    /// Remembers an id.
    pub(crate) fn insert(&mut self, txid: Txid) {
        if !self.txids.insert(txid) {
            return;
        }
        self.order.push_back(txid);
        if self.order.len() > TRANSACTIONS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.txids.remove(&oldest);
        }
    }
}
