//! Transactions whose parents have not come yet: kept for a while, bounded, and tried again when one comes.

use crate::core::event::{PeerKey, Time};
use chain_spec::{CheckedTransaction, Txid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Orphans kept, transactions (Core: `DEFAULT_MAX_ORPHAN_TRANSACTIONS`).
pub(crate) const ORPHANS_MAX: usize = 100;
/// Orphans kept of one peer, transactions: one peer cannot push out all others'.
const ORPHANS_PER_PEER_MAX: usize = 50;
/// Time an orphan is kept, milliseconds.
const ORPHAN_TIME_MS_MAX: u64 = 5 * 60 * 1_000;

/// One orphan.
#[derive(Clone, Debug)]
pub(crate) struct Orphan {
    /// The transaction; at most [`TRANSACTION_BYTES_MAX`](super::policy::TRANSACTION_BYTES_MAX) bytes.
    pub transaction: Arc<CheckedTransaction>,
    /// Who sent it.
    pub peer: PeerKey,
    since: Time,
}

/// The pool; the oldest goes first.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    by_txid: BTreeMap<Txid, (u64, Orphan)>,
    by_parent: BTreeMap<Txid, BTreeSet<Txid>>,
    order: BTreeMap<u64, Txid>,
    sequence_next: u64,
}

impl Orphans {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_txid.is_empty()
    }
    /// Whether a transaction waits here.
    pub(crate) fn contains(&self, txid: &Txid) -> bool {
        self.by_txid.contains_key(txid)
    }
    /// All, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Orphan> {
        self.order.values().filter_map(|txid| self.by_txid.get(txid)).map(|(_, orphan)| orphan)
    }
    /// Orphans kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.by_txid.len()
    }

    /// Keeps an orphan.
    pub(crate) fn insert(&mut self, transaction: Arc<CheckedTransaction>, peer: PeerKey, now: Time) {
        let txid = transaction.txid();
        if self.contains(&txid) {
            return;
        }
        let of_peer = |orphans: &Orphans| -> Vec<Txid> {
            let theirs = orphans.order.values().filter(|txid| orphans.by_txid[*txid].1.peer == peer);
            theirs.copied().collect()
        };
        let theirs = of_peer(self);
        if theirs.len() >= ORPHANS_PER_PEER_MAX {
            self.remove(&theirs[0]);
        }
        for input in &transaction.transaction().inputs {
            self.by_parent.entry(input.outpoint.txid).or_default().insert(txid);
        }
        self.order.insert(self.sequence_next, txid);
        self.by_txid.insert(txid, (self.sequence_next, Orphan { transaction, peer, since: now }));
        self.sequence_next += 1;
        while self.by_txid.len() > ORPHANS_MAX {
            let Some(oldest) = self.order.values().next().copied() else { return };
            self.remove(&oldest);
        }
    }

    /// Takes the orphans that wait for a transaction, oldest first.
    pub(crate) fn take_children(&mut self, parent: &Txid) -> Vec<Orphan> {
        let Some(children) = self.by_parent.get(parent) else { return Vec::new() };
        let children: Vec<Txid> = children.iter().copied().collect();
        let mut taken: Vec<(u64, Orphan)> = children.iter().filter_map(|txid| self.remove(txid)).collect();
        taken.sort_by_key(|(sequence, _)| *sequence);
        taken.into_iter().map(|(_, orphan)| orphan).collect()
    }

    /// Drops what has waited too long.
    pub(crate) fn expire(&mut self, now: Time) {
        while let Some((_, txid)) = self.order.first_key_value() {
            let txid = *txid;
            let is_late = self.by_txid[&txid].1.since.0.saturating_add(ORPHAN_TIME_MS_MAX) <= now.0;
            if !is_late {
                return;
            }
            self.remove(&txid);
        }
    }

    /// Drops what a peer sent.
    pub(crate) fn remove_peer(&mut self, peer: PeerKey) {
        let theirs: Vec<Txid> =
            self.by_txid.iter().filter(|(_, (_, orphan))| orphan.peer == peer).map(|(txid, _)| *txid).collect();
        theirs.iter().for_each(|txid| {
            self.remove(txid);
        });
    }

    fn remove(&mut self, txid: &Txid) -> Option<(u64, Orphan)> {
        let (sequence, orphan) = self.by_txid.remove(txid)?;
        self.order.remove(&sequence);
        for input in &orphan.transaction.transaction().inputs {
            if let Some(children) = self.by_parent.get_mut(&input.outpoint.txid) {
                children.remove(txid);
                if children.is_empty() {
                    self.by_parent.remove(&input.outpoint.txid);
                }
            }
        }
        Some((sequence, orphan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tests::world::{genesis_coin, spec, spend};
    use chain_spec::Outpoint;
    use chain_spec::rules::transaction::check_transaction;

    fn orphan(number: u64) -> Arc<CheckedTransaction> {
        let nowhere = Outpoint { index: 9_999, ..genesis_coin(&spec(), 0).0 };
        Arc::new(check_transaction(spend(&[nowhere], 0, &[(number, 1)])).unwrap())
    }

    #[test]
    fn neither_one_peer_nor_all_together_pass_their_bounds_and_time_takes_the_rest() {
        let mut orphans = Orphans::default();
        let kept = orphan(1_000_000);
        orphans.insert(kept.clone(), PeerKey(0), Time(0));
        for number in 0..ORPHANS_PER_PEER_MAX as u64 * 2 {
            orphans.insert(orphan(number), PeerKey(1), Time(1));
        }
        assert_eq!(orphans.len(), ORPHANS_PER_PEER_MAX + 1);
        assert!(orphans.contains(&kept.txid()), "another peer's flood does not push it out");
        for peer in 2..6 {
            for number in 0..30 {
                orphans.insert(orphan(peer * 1_000 + number), PeerKey(peer), Time(2));
            }
        }
        assert_eq!(orphans.len(), ORPHANS_MAX);
        orphans.remove_peer(PeerKey(5));
        assert_eq!(orphans.len(), ORPHANS_MAX - 30);
        orphans.expire(Time(2 + ORPHAN_TIME_MS_MAX));
        assert!(orphans.is_empty() && orphans.by_parent.is_empty());
    }
}
