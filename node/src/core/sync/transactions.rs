//! Fetching transactions: a newly met peer's mempool, once both know the same chain, and the parents of orphans.

use super::{Asked, Core};
use crate::core::event::{Misbehaviour, Output, PeerKey, Time};
use crate::core::mempool::accept::{Class, Entrance};
use crate::core::message::{Gossip, Request, TRANSACTIONS_PER_MESSAGE_MAX};
use crate::core::relay::acceptance_of;
use crate::core::store::StoreError;
use chain_spec::{Transaction, Txid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Transactions asked for in one request.
const TRANSACTIONS_PER_REQUEST_MAX: usize = 1_000;
/// Transactions of a newly met peer's mempool that are told on to everybody: after a partition the others lack them too.
const TOLD_ON_MAX: usize = 1_000;
/// Time after which a peer that comes is no longer one of the first, milliseconds.
const REUNION_AFTER_MS: u64 = 5_000;
/// How far the active tip may be behind the best header for transactions to make sense, blocks.
const BEHIND_MAX: u32 = 24;
/// Time without progress after which headers without bodies no longer count as being behind, milliseconds.
const BEHIND_PATIENCE_MS: u64 = 30_000;

impl Core {
    /// Whether the active chain is still catching up with headers that bodies keep coming for.
    pub(crate) fn is_behind(&self, now: Time) -> bool {
        let best = self.chain.tree.node(self.chain.tree.best_header()).height;
        let is_moving = now.0.saturating_sub(self.tip_changed_at.0) < BEHIND_PATIENCE_MS;
        is_moving && best > self.chain.height().saturating_add(BEHIND_MAX)
    }

    /// Asks one peer at a time for its mempool, once its headers are known and our blocks have caught up.
    pub(crate) fn ask_mempools(&mut self, now: Time) {
        let is_busy = self
            .sync
            .outstanding
            .values()
            .any(|owed| matches!(owed.asked, Asked::Mempool | Asked::Transactions { are_parents: false, .. }));
        if is_busy || self.is_behind(now) {
            return;
        }
        let next = self.sync.peers.iter().find(|(_, state)| {
            state.starting_height.is_some()
                && !state.is_mempool_known
                && !state.is_distrusted
                && state.rest_until <= now
        });
        let Some(peer) = next.map(|(peer, _)| *peer) else { return };
        if self.ask(peer, Asked::Mempool, Request::Mempool, now).is_some()
            && let Some(state) = self.sync.peers.get_mut(&peer)
        {
            state.is_mempool_known = true;
        }
    }

    /// The ids of a peer's mempool: what we lack is asked for.
    pub(crate) fn mempool_ids_came(&mut self, peer: PeerKey, txids: Vec<Txid>, now: Time) {
        if txids.len() > TRANSACTIONS_PER_MESSAGE_MAX {
            self.offend(peer, Misbehaviour::Flood("transaction ids in one message"));
            return;
        }
        self.ask_transactions(peer, txids, now);
    }

    fn ask_transactions(&mut self, peer: PeerKey, mut txids: Vec<Txid>, now: Time) {
        let mut seen = BTreeSet::new();
        txids.retain(|txid| self.mempool.get(txid).is_none() && !self.orphans.contains(txid) && seen.insert(*txid));
        if txids.is_empty() {
            self.ask_mempools(now);
            return;
        }
        let first = txids.iter().take(TRANSACTIONS_PER_REQUEST_MAX).copied().collect();
        self.ask(peer, Asked::Transactions { txids, are_parents: false }, Request::Transactions { txids: first }, now);
    }

    /// Transactions from a peer.
    pub(crate) fn transactions_came(
        &mut self,
        peer: PeerKey,
        asked: Vec<Txid>,
        are_parents: bool,
        transactions: Vec<Arc<Transaction>>,
        now: Time,
    ) -> Result<(), StoreError> {
        let wanted: BTreeSet<&Txid> = asked.iter().take(TRANSACTIONS_PER_REQUEST_MAX).collect();
        let is_reunion = self.is_reunion(peer);
        for (place, transaction) in transactions.iter().enumerate() {
            if !wanted.contains(&transaction.txid()) {
                self.offend(peer, Misbehaviour::BadAnswer("transactions that were not asked for"));
                return Ok(());
            }
            let is_told_on = are_parents || (is_reunion && place < TOLD_ON_MAX);
            if let Err(Class::Rule) = self.take_transaction(peer, transaction, is_told_on, now)? {
                self.offend(peer, Misbehaviour::BrokeRule("a transaction that breaks a rule"));
                return Ok(());
            }
        }
        if !are_parents {
            // Answers are cut at a size, so what is left is asked for again, unless nothing at all came.
            let skipped = if transactions.is_empty() { TRANSACTIONS_PER_REQUEST_MAX } else { 0 };
            self.ask_transactions(peer, asked.into_iter().skip(skipped).collect(), now);
        }
        Ok(())
    }

    /// Whether a peer came when others had long been here: it may bring what a whole part of the network lacks. A node that
    /// has just joined has nothing to tell.
    fn is_reunion(&self, peer: PeerKey) -> bool {
        let Some(came) = self.sync.peer(peer).map(|state| state.since.0) else { return false };
        self.sync.peers.values().any(|other| other.since.0 + REUNION_AFTER_MS <= came)
    }

    /// A transaction from a peer: into the pool, or among the orphans, or neither.
    pub(crate) fn take_transaction(
        &mut self,
        peer: PeerKey,
        transaction: &Arc<Transaction>,
        is_told_on: bool,
        now: Time,
    ) -> Result<Result<(), Class>, StoreError> {
        let refusal = match self.judge_transaction(transaction, Entrance::New, now)? {
            Ok(judged) => match self.admit(judged, now) {
                Ok(txid) => {
                    self.resolve_orphans(txid);
                    if is_told_on {
                        self.outputs.push(Output::Publish(Gossip::Transaction(transaction.clone())));
                    }
                    return Ok(Ok(()));
                }
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        };
        if let Class::ParentsMissing(parents, checked) = &refusal.class
            && !self.orphans.contains(&checked.txid())
        {
            self.orphans.insert(checked.clone(), peer, now);
            let mut txids = parents.clone();
            txids.retain(|txid| !self.orphans.contains(txid));
            if !txids.is_empty() {
                let asked = Asked::Transactions { txids: txids.clone(), are_parents: true };
                self.ask(peer, asked, Request::Transactions { txids }, now);
            }
        }
        Ok(Err(refusal.class))
    }

    /// Notes that a transaction came or was mined; orphans that waited for it are tried at the end of the call.
    pub(crate) fn resolve_orphans(&mut self, txid: Txid) {
        if !self.orphans.is_empty() {
            self.arrived.push(txid);
        }
    }

    /// Tries the orphans whose parents came.
    pub(crate) fn try_orphans(&mut self, now: Time) -> Result<(), StoreError> {
        while let Some(parent) = self.arrived.pop() {
            for orphan in self.orphans.take_children(&parent) {
                let txid = orphan.transaction.txid();
                let held = self.relay.take_held(&txid);
                let transaction = orphan.transaction.transaction();
                // One whose gossip was given up, or that came as an answer, is told on from here.
                let result = self.take_transaction(orphan.peer, transaction, held.is_none(), now)?;
                match (held, &result) {
                    (Some((id, since)), Err(Class::ParentsMissing(..))) => self.relay.hold(txid, id, since),
                    (Some((id, _)), _) => {
                        self.outputs.push(Output::GossipAcceptance { id, acceptance: acceptance_of(&result) })
                    }
                    (None, Err(Class::Rule)) => {
                        self.offend(orphan.peer, Misbehaviour::BrokeRule("a transaction that breaks a rule"));
                    }
                    (None, _) => {}
                }
            }
        }
        Ok(())
    }
}
