//! Keeping pace with the chain: mined transactions leave, conflicting ones are dropped, and after a reorganisation those of
//! the disconnected blocks come back.

use super::Mempool;
use super::accept::Origin;
use super::pool::Entry;
use crate::core::chain_view::ChainView;
use crate::core::event::{Output, Time};
use crate::core::message::Gossip;
use crate::core::rejection::AcceptError;
use crate::core::store::StoreError;
use chain_spec::der::SignatureEncoding;
use chain_spec::{ChainSpec, CheckedBlock, Encode, Transaction, Txid};
use std::sync::Arc;

/// Transactions of disconnected blocks that are relayed to everybody after a reorganisation, at most.
const RELAYED_MAX: usize = 1_000;
/// Transactions of disconnected blocks that may come back, bytes, but for the last (Core: `MAX_DISCONNECTED_TX_POOL_BYTES`).
const DISCONNECTED_BYTES_MAX: usize = 20_000_000;

/// Transactions that may come back after a reorganisation, in dependency order (Core: `DisconnectedBlockTransactions`).
#[derive(Debug, Default)]
pub(super) struct DisconnectedTransactions {
    /// Of disconnected blocks, lowest block first.
    mined: Vec<Arc<Transaction>>,
    mined_bytes: usize,
    /// Pooled before, in order of arrival.
    pooled: Vec<Entry>,
}

impl Mempool {
    /// A block was disconnected; of one reorganisation, the lowest comes first. Its transactions and the pooled ones are set
    /// aside until [`Mempool::readmit`] judges them against the new tip. Of a very deep reorganisation, the lowest blocks'
    /// transactions come back.
    pub(crate) fn block_disconnected(&mut self, block: &CheckedBlock, height: u32, spec: &ChainSpec) {
        self.submitted.block_disconnected(block);
        // A signature that was good below BIP66's height need not be above it.
        let is_strict = spec.signature_encoding(height) == SignatureEncoding::Strict;
        for (transaction, txid) in block.block().transactions.iter().zip(block.txids()).skip(1) {
            if is_strict {
                self.pool.set_checked(*txid);
            }
            if self.disconnected.mined_bytes < DISCONNECTED_BYTES_MAX {
                self.disconnected.mined_bytes += transaction.encoded_len();
                self.disconnected.mined.push(Arc::new(transaction.clone()));
            }
        }
        self.disconnected.pooled.append(&mut self.pool.drain());
    }

    /// A block was connected: its transactions leave, and those they conflict with.
    pub(crate) fn block_connected(&mut self, block: &CheckedBlock, height: u32, now: Time) {
        if self.pool.is_empty() && self.orphans.is_empty() && self.submitted.is_empty() {
            return;
        }
        self.submitted.block_connected(block, height);
        for (transaction, txid) in block.block().transactions.iter().zip(block.txids()).skip(1) {
            self.drop_mined(transaction, txid);
        }
        self.pool.decay(now);
    }

    fn drop_mined(&mut self, transaction: &Transaction, txid: &Txid) {
        if self.pool.remove_mined(txid) {
            return;
        }
        for input in &transaction.inputs {
            if let Some(conflicting) = self.pool.spender(&input.outpoint) {
                self.pool.remove_with_descendants(&conflicting);
            }
        }
    }

    /// Judges what a reorganisation set aside against the new tip: transactions of disconnected blocks first, as they were
    /// mined, then the pooled ones, as they came. Those that no longer fit are dropped, and with them all that need them.
    pub(crate) fn readmit(
        &mut self,
        chain: &dyn ChainView,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<(), StoreError> {
        // What the store kept comes first: it may have replaced what was mined.
        if !self.submitted.is_restored() {
            return Ok(());
        }
        let DisconnectedTransactions { mined, pooled, .. } = std::mem::take(&mut self.disconnected);
        let (mut relayed, is_reorganised) = (0, !mined.is_empty());
        for transaction in mined {
            match self.check(&transaction, Origin::Returning, now, chain) {
                Ok(candidate) => {
                    self.pool.insert(candidate.entry);
                    // Those who were on the better branch all along have seen it in no block and, perhaps, in no mempool.
                    if relayed < RELAYED_MAX {
                        relayed += 1;
                        outputs.push(Output::Publish(Gossip::Transaction(transaction)));
                    }
                }
                Err(AcceptError::Rejected(_)) => {}
                Err(AcceptError::Store(error)) => return Err(error),
            }
        }
        for old in pooled {
            match self.check(old.transaction.transaction(), Origin::Returning, now, chain) {
                Ok(mut candidate) => {
                    (candidate.entry.time, candidate.entry.height) = (old.time, old.height);
                    self.pool.insert(candidate.entry);
                }
                Err(AcceptError::Rejected(_)) => {}
                Err(AcceptError::Store(error)) => return Err(error),
            }
        }
        self.pool.trim(now);
        if is_reorganised {
            self.keep_needed(outputs);
        }
        Ok(())
    }
}
