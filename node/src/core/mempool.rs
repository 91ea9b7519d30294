//! The mempool: transactions that wait to be mined, those whose parents are missing, and those submitted here.
//!
//! [`pool`] is the data structure; [`accept`] decides what enters it, by the rules, by [`policy`] and by [`replace`];
//! [`submitted`] keeps what was submitted here; [`package`] takes transactions together; [`orphans`] wait for their parents;
//! [`follow`] keeps pace with the chain.
//!
//! It stands on the core's vocabulary and sees the chain only as a [`ChainView`](super::chain_view::ChainView).

pub mod accept;
mod fee_rate;
mod follow;
mod orphans;
mod package;
pub mod policy;
pub mod pool;
pub mod replace;
mod script_reason;
mod signature_cache;
mod submitted;
#[cfg(test)]
mod tests;

pub(crate) use accept::JudgedTransaction;
pub use accept::Tested;
pub(crate) use fee_rate::FeeRate;
pub(crate) use orphans::{ORPHANS_MAX, Orphan};
pub use pool::{Entry, Pool};

use super::event::{PeerKey, Time};
use super::hash_map::IdState;
use super::signatures::CheckedSignatures;
use chain_spec::{CheckedTransaction, Txid};
use follow::DisconnectedTransactions;
use orphans::Orphans;
use std::sync::Arc;
use submitted::SubmittedTransactions;

/// All transactions that are not in the active chain.
#[derive(Debug)]
pub(crate) struct Mempool {
    pool: Pool,
    orphans: Orphans,
    submitted: SubmittedTransactions,
    disconnected: DisconnectedTransactions,
}

impl Mempool {
    /// Empty, but for what the store kept of transactions submitted here.
    pub(crate) fn new(
        bytes_max: usize,
        fee_rate_min: u64,
        kept: Vec<Arc<CheckedTransaction>>,
        state: IdState,
    ) -> Mempool {
        Mempool {
            pool: Pool::new(bytes_max, fee_rate_min, state),
            orphans: Orphans::default(),
            submitted: SubmittedTransactions::new(kept),
            disconnected: DisconnectedTransactions::default(),
        }
    }

    /// Transactions that may be mined.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }
    /// Whether no transaction waits for its parents.
    pub(crate) fn has_no_orphans(&self) -> bool {
        self.orphans.is_empty()
    }
    /// Whether a transaction waits for its parents.
    pub(crate) fn is_orphan(&self, txid: &Txid) -> bool {
        self.orphans.contains(txid)
    }
    /// The transactions that wait for their parents, the oldest first, and who sent them.
    pub(crate) fn orphans(&self) -> impl Iterator<Item = (&Arc<CheckedTransaction>, PeerKey)> {
        self.orphans.iter().map(|orphan| (&orphan.transaction, orphan.peer))
    }
    /// Takes the orphans that wait for a transaction, oldest first.
    pub(crate) fn take_orphans_of(&mut self, parent: &Txid) -> Vec<Orphan> {
        self.orphans.take_children(parent)
    }
    /// Drops the orphans that a peer sent.
    pub(crate) fn forget_peer(&mut self, peer: PeerKey) {
        self.orphans.remove_peer(peer);
    }
    /// Has a transaction, pooled now or later, treated as if it paid so many units more or less.
    pub(crate) fn prioritise(&mut self, txid: Txid, fee_delta: i64) {
        self.pool.prioritise(txid, fee_delta);
    }
    /// Takes a caller's word that a transaction's signatures are good.
    pub(crate) fn trust_signatures(&mut self, txid: Txid) {
        self.pool.set_checked(txid);
    }

    /// Drops what has waited too long.
    pub(crate) fn expire(&mut self, now: Time) {
        self.orphans.expire(now);
        self.pool.decay(now);
        let Some(oldest) = now.0.checked_sub(accept::POOLED_TIME_MS_MAX) else { return };
        for txid in self.pool.expired(Time(oldest)) {
            self.pool.remove_with_descendants(&txid);
        }
    }
}

impl CheckedSignatures for Mempool {
    fn are_checked(&self, txid: &Txid) -> bool {
        self.pool.are_checked(txid)
    }
}
