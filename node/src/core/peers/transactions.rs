//! Fetching transactions: a newly met peer's mempool, once both know the same chain, and the parents of orphans.

use super::requests::Asked;
use super::{Context, Peers};
use crate::core::event::{Misbehaviour, PeerKey};
use crate::core::message::{Request, TRANSACTIONS_PER_MESSAGE_MAX};
use chain_spec::{Encode, Transaction, Txid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Transactions asked for in one request.
const TRANSACTIONS_PER_REQUEST_MAX: usize = 1_000;
/// Transactions of one answer from a peer's mempool that are relayed to everybody: after a partition, or when this node has
/// just started between others, those lack them too.
const RELAYED_MAX: usize = 1_000;
/// The same, bytes.
const RELAYED_BYTES_MAX: usize = 1_000_000;
/// Transactions that were asked for.
#[derive(Debug)]
pub(crate) struct TransactionsDelivery {
    /// Each with whether it is relayed to everybody if it is accepted.
    pub transactions: Vec<(Arc<Transaction>, bool)>,
    /// Parents of orphans rather than what a peer's mempool holds.
    pub are_parents: bool,
    /// What to ask for next: what of the peer's mempool has not come. `None` if nothing more is asked.
    rest: Option<Vec<Txid>>,
}

impl Peers {
    /// Asks one peer at a time for its mempool, once its headers are known and our blocks have caught up.
    pub(super) fn ask_mempools(&mut self, cx: &mut Context<'_>) {
        let is_busy = self
            .outstanding
            .values()
            .any(|owed| matches!(owed.asked, Asked::Mempool | Asked::Transactions { are_parents: false, .. }));
        if is_busy || cx.is_behind() {
            return;
        }
        let next = self.peers.iter().find(|(_, state)| {
            state.starting_height.is_some()
                && !state.is_mempool_known
                && !state.is_distrusted
                && state.back_off_until <= cx.now
        });
        let Some(peer) = next.map(|(peer, _)| *peer) else { return };
        if self.ask(peer, Asked::Mempool, Request::Mempool, cx).is_some()
            && let Some(state) = self.peers.get_mut(&peer)
        {
            state.is_mempool_known = true;
        }
    }

    /// The ids of a peer's mempool: what we lack is asked for.
    pub(super) fn mempool_ids_came(&mut self, peer: PeerKey, txids: Vec<Txid>, cx: &mut Context<'_>) {
        if txids.len() > TRANSACTIONS_PER_MESSAGE_MAX {
            self.misbehaved(peer, Misbehaviour::Flood("transaction ids in one message"), cx);
            return;
        }
        txids.iter().for_each(|txid| self.seen_elsewhere(txid, peer));
        self.ask_transactions(peer, txids, cx);
    }

    fn ask_transactions(&mut self, peer: PeerKey, mut txids: Vec<Txid>, cx: &mut Context<'_>) {
        let (mut seen, mempool) = (BTreeSet::new(), cx.mempool);
        txids.retain(|txid| mempool.pool().get(txid).is_none() && !mempool.is_orphan(txid) && seen.insert(*txid));
        if txids.is_empty() {
            self.ask_mempools(cx);
            return;
        }
        let first = txids.iter().take(TRANSACTIONS_PER_REQUEST_MAX).copied().collect();
        self.ask(peer, Asked::Transactions { txids, are_parents: false }, Request::Transactions { txids: first }, cx);
    }

    /// Asks a peer for transactions that one it sent spends from.
    pub(crate) fn ask_parents(&mut self, peer: PeerKey, mut txids: Vec<Txid>, cx: &mut Context<'_>) {
        txids.retain(|txid| !cx.mempool.is_orphan(txid));
        if !txids.is_empty() {
            let asked = Asked::Transactions { txids: txids.clone(), are_parents: true };
            self.ask(peer, asked, Request::Transactions { txids }, cx);
        }
    }

    /// Transactions from a peer, as far as they were asked for.
    pub(super) fn transactions_came(
        &mut self,
        peer: PeerKey,
        asked: Vec<Txid>,
        are_parents: bool,
        mut transactions: Vec<Arc<Transaction>>,
        cx: &mut Context<'_>,
    ) -> TransactionsDelivery {
        // With one peer, there is nobody else to tell.
        let has_others = self.peers.len() > 1;
        let (expected, came) = (asked.iter().take(TRANSACTIONS_PER_REQUEST_MAX), transactions.len());
        let expected: BTreeSet<&Txid> = expected.collect();
        let unexpected = transactions.iter().position(|transaction| !expected.contains(&transaction.txid()));
        if let Some(unexpected) = unexpected {
            self.misbehaved(peer, Misbehaviour::BadAnswer("transactions that were not asked for"), cx);
            transactions.truncate(unexpected);
        }
        // Answers are cut at a size, so what is left is asked for again, unless nothing at all came.
        let skipped = if came == 0 { TRANSACTIONS_PER_REQUEST_MAX } else { 0 };
        let mut bytes = 0;
        let mut is_relayed = |place, transaction: &Transaction| {
            bytes += transaction.encoded_len();
            are_parents || (has_others && place < RELAYED_MAX && bytes <= RELAYED_BYTES_MAX)
        };
        TransactionsDelivery {
            transactions: transactions
                .into_iter()
                .enumerate()
                .map(|(place, transaction)| {
                    let is_relayed = is_relayed(place, &transaction);
                    (transaction, is_relayed)
                })
                .collect(),
            are_parents,
            rest: (unexpected.is_none() && !are_parents).then(|| asked.into_iter().skip(skipped).collect()),
        }
    }

    /// Delivered transactions were judged, and none broke a rule: asks for what is left of the peer's mempool.
    pub(crate) fn transactions_judged(&mut self, peer: PeerKey, delivery: TransactionsDelivery, cx: &mut Context<'_>) {
        if let Some(rest) = delivery.rest {
            self.ask_transactions(peer, rest, cx);
        }
    }
}
