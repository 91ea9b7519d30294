//! What blocks do to the mempool: mined transactions leave, conflicting ones are dropped, and after a reorganisation the
//! undone ones come back.

use super::Entry;
use super::accept::{Entrance, POOLED_TIME_MS_MAX};
use crate::core::Core;
use crate::core::chain::tree::NodeId;
use crate::core::event::{Output, Time};
use crate::core::message::Gossip;
use crate::core::store::StoreError;
use chain_spec::rules::spend::SignatureEncoding;
use chain_spec::{CheckedBlock, Encode, Transaction};
use std::sync::Arc;

/// Undone transactions that are told to everybody after a reorganisation, at most.
const RETOLD_MAX: usize = 1_000;

/// Undone transactions that may come back, bytes, but for the last (Core: `MAX_DISCONNECTED_TX_POOL_BYTES`).
const UNDONE_BYTES_MAX: usize = 20_000_000;

/// Transactions that may come back after a reorganisation, in dependency order.
#[derive(Debug, Default)]
pub(crate) struct Returning {
    /// Undone, lowest block first.
    undone: Vec<Arc<Transaction>>,
    undone_bytes: usize,
    /// Pooled before, in order of arrival.
    pooled: Vec<Entry>,
}

impl Core {
    /// Follows blocks undone and connected, both lowest first. After a reorganisation, pooled transactions are set aside until
    /// [`Core::readmit`] judges them against the new tip.
    pub(crate) fn mempool_after_blocks(
        &mut self,
        disconnected: &[NodeId],
        connected: &[NodeId],
        now: Time,
    ) -> Result<(), StoreError> {
        for id in disconnected {
            let body = self.stored_body(*id)?;
            self.local_undone(&body);
            self.give_back(&body, self.chain.tree.node(*id).height);
        }
        if !disconnected.is_empty() {
            self.returning.pooled.append(&mut self.mempool.drain());
        }
        if self.mempool.is_empty() && self.orphans.is_empty() && self.local.is_empty() {
            return Ok(());
        }
        for id in connected {
            let body = self.stored_body(*id)?;
            self.local_mined(&body, self.chain.tree.node(*id).height);
            for (transaction, txid) in body.block().transactions.iter().zip(body.txids()).skip(1) {
                self.drop_mined(transaction, txid);
                self.resolve_orphans(*txid);
            }
        }
        self.mempool.decay(now);
        Ok(())
    }

    /// Sets an undone block's transactions aside. Of a very deep reorganisation, the lowest blocks' come back.
    fn give_back(&mut self, block: &CheckedBlock, height: u32) {
        // A signature that was good below BIP66's height need not be above it.
        let is_strict = self.spec.signature_encoding(height) == SignatureEncoding::Strict;
        for (transaction, txid) in block.block().transactions.iter().zip(block.txids()).skip(1) {
            if is_strict {
                self.mempool.set_verified(*txid);
            }
            if self.returning.undone_bytes < UNDONE_BYTES_MAX {
                self.returning.undone_bytes += transaction.encoded_len();
                self.returning.undone.push(Arc::new(transaction.clone()));
            }
        }
    }

    fn drop_mined(&mut self, transaction: &Transaction, txid: &chain_spec::Txid) {
        if self.mempool.remove_mined(txid) {
            return;
        }
        for input in &transaction.inputs {
            if let Some(conflicting) = self.mempool.spender(&input.outpoint) {
                self.mempool.remove_with_descendants(&conflicting);
            }
        }
    }

    /// Judges what a reorganisation set aside against the new tip: undone transactions first, as they were mined, then the
    /// pooled ones, as they came. Those that no longer fit are dropped, and with them all that need them.
    pub(crate) fn readmit(&mut self, now: Time) -> Result<(), StoreError> {
        // What the store kept comes first: it may have replaced what was undone.
        if !self.local.is_restored() {
            return Ok(());
        }
        let Returning { undone, pooled, .. } = std::mem::take(&mut self.returning);
        let (mut told, is_reorganised) = (0, !undone.is_empty());
        for transaction in undone {
            if let Ok(judged) = self.judge_transaction(&transaction, Entrance::Returning, now)? {
                self.mempool.insert(judged.entry);
                // Those who were on the better branch all along have seen it in no block and, perhaps, in no mempool.
                if told < RETOLD_MAX {
                    told += 1;
                    self.outputs.push(Output::Publish(Gossip::Transaction(transaction)));
                }
            }
        }
        for old in pooled {
            let transaction = old.transaction.transaction();
            if let Ok(mut judged) = self.judge_transaction(transaction, Entrance::Returning, now)? {
                (judged.entry.time, judged.entry.height) = (old.time, old.height);
                self.mempool.insert(judged.entry);
            }
        }
        self.mempool.trim(now);
        if is_reorganised {
            self.keep_needed();
        }
        Ok(())
    }

    /// Drops what has waited too long.
    pub(crate) fn expire_transactions(&mut self, now: Time) {
        self.orphans.expire(now);
        self.mempool.decay(now);
        let Some(oldest) = now.0.checked_sub(POOLED_TIME_MS_MAX) else { return };
        for txid in self.mempool.expired(Time(oldest)) {
            self.mempool.remove_with_descendants(&txid);
        }
    }
}
