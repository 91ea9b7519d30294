//! What blocks do to the mempool: mined transactions leave, conflicting ones are dropped, and after a reorganisation the
//! undone ones come back.

use super::Entry;
use super::accept::{Entrance, POOLED_TIME_MS_MAX};
use crate::core::Core;
use crate::core::event::{Output, Time};
use crate::core::message::Gossip;
use crate::core::store::StoreError;
use chain_spec::rules::spend::SignatureEncoding;
use chain_spec::{CheckedBlock, Transaction};
use std::sync::Arc;

/// Undone transactions that are told to everybody after a reorganisation, at most.
const RETOLD_MAX: usize = 1_000;

/// Transactions that may come back after a reorganisation, in dependency order.
#[derive(Debug, Default)]
pub(crate) struct Returning {
    /// Undone, lowest block first.
    undone: Vec<Arc<Transaction>>,
    /// Pooled before, in order of arrival.
    pooled: Vec<Entry>,
}

impl Core {
    /// Follows blocks undone (highest first) and connected (lowest first). After a reorganisation, pooled transactions are
    /// set aside until [`Core::readmit`] judges them against the new tip.
    pub(crate) fn mempool_after_blocks(
        &mut self,
        disconnected: &[Arc<CheckedBlock>],
        connected: &[Arc<CheckedBlock>],
        now: Time,
    ) {
        self.local_after_blocks(disconnected, connected);
        if !disconnected.is_empty() {
            for block in disconnected.iter().rev() {
                // A signature that was good below BIP66's height need not be above it.
                let height = self.chain.tree.find(&block.hash()).map_or(0, |id| self.chain.tree.node(id).height);
                let is_strict = self.spec.signature_encoding(height) == SignatureEncoding::Strict;
                for (transaction, txid) in block.block().transactions.iter().zip(block.txids()).skip(1) {
                    if is_strict {
                        self.mempool.set_verified(*txid);
                    }
                    self.returning.undone.push(Arc::new(transaction.clone()));
                }
            }
            self.returning.pooled.append(&mut self.mempool.drain());
        }
        if self.mempool.is_empty() && self.orphans.is_empty() {
            return;
        }
        for block in connected {
            for (transaction, txid) in block.block().transactions.iter().zip(block.txids()).skip(1) {
                self.drop_mined(transaction, txid);
                self.resolve_orphans(*txid);
            }
        }
        self.mempool.decay(now);
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
        let Returning { undone, pooled } = std::mem::take(&mut self.returning);
        let mut told = 0;
        for transaction in undone {
            if let Ok(mut judged) = self.judge_transaction(&transaction, Entrance::Returning, now)? {
                judged.entry.is_local = self.local.contains(&judged.entry.transaction.txid());
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
                (judged.entry.time, judged.entry.height, judged.entry.is_local) = (old.time, old.height, old.is_local);
                self.mempool.insert(judged.entry);
            }
        }
        self.mempool.trim(now);
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
