//! Transactions submitted here: kept in the store until they are mined deep enough or can no longer be, so that what was
//! reported as accepted survives kill -9.

use super::accept::Entrance;
use crate::core::Core;
use crate::core::event::{Accepted, Output, Rejected, Time};
use crate::core::message::Gossip;
use crate::core::store::StoreError;
use chain_spec::{CheckedBlock, CheckedTransaction, Transaction, Txid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Confirmations after which a transaction is no longer kept, blocks.
const CONFIRMATIONS_KEPT: u32 = 6;

/// The kept transactions: at which height they were mined, if they were.
#[derive(Debug, Default)]
pub(crate) struct Local {
    mined_at: BTreeMap<Txid, Option<u32>>,
}

impl Local {
    /// Whether a transaction is kept.
    pub(crate) fn contains(&self, txid: &Txid) -> bool {
        self.mined_at.contains_key(txid)
    }
}

impl Core {
    /// A transaction from somebody local: judged, kept, told to everybody.
    pub(crate) fn submit_transaction(
        &mut self,
        transaction: &Arc<Transaction>,
        now: Time,
    ) -> Result<Result<Accepted, Rejected>, StoreError> {
        let admitted = match self.judge_transaction(transaction, Entrance::New, now)? {
            Ok(mut judged) => {
                judged.entry.is_local = true;
                let checked = judged.entry.transaction.clone();
                self.admit(judged, now).map(|txid| (txid, checked))
            }
            Err(refusal) => Err(refusal),
        };
        match admitted {
            Ok((txid, checked)) => {
                self.local.mined_at.insert(txid, None);
                self.outputs.push(Output::StoreTransaction(checked));
                self.outputs.push(Output::Publish(Gossip::Transaction(transaction.clone())));
                self.resolve_orphans(txid);
                Ok(Ok(Accepted::Transaction(txid)))
            }
            Err(refusal) => Ok(Err(refusal.rejected(&transaction.txid()))),
        }
    }

    /// Takes back into the pool what was kept when the node stopped.
    pub(crate) fn restore_local(
        &mut self,
        transactions: Vec<Arc<CheckedTransaction>>,
        now: Time,
    ) -> Result<(), StoreError> {
        for kept in transactions {
            let txid = kept.txid();
            match self.judge_transaction(kept.transaction(), Entrance::Returning, now)? {
                Ok(mut judged) => {
                    judged.entry.is_local = true;
                    self.mempool.insert(judged.entry);
                    self.local.mined_at.insert(txid, None);
                }
                // Mined since, perhaps just now: kept until it is deep enough, counted from the tip.
                Err(refusal) if refusal.reason == "txn-already-known" => {
                    self.local.mined_at.insert(txid, Some(self.chain.height()));
                }
                Err(_) => self.outputs.push(Output::ForgetTransactions(vec![txid])),
            }
        }
        Ok(())
    }

    /// Notes which kept transactions blocks took and gave back.
    pub(super) fn local_after_blocks(&mut self, undone: &[Arc<CheckedBlock>], connected: &[Arc<CheckedBlock>]) {
        if self.local.mined_at.is_empty() {
            return;
        }
        for txid in undone.iter().flat_map(|block| block.txids()) {
            if let Some(mined_at) = self.local.mined_at.get_mut(txid) {
                *mined_at = None;
            }
        }
        for block in connected {
            let height = self.chain.tree.find(&block.hash()).map(|id| self.chain.tree.node(id).height);
            for txid in block.txids() {
                if let Some(mined_at) = self.local.mined_at.get_mut(txid) {
                    *mined_at = height;
                }
            }
        }
    }

    /// Lets go of kept transactions that are mined deep enough or were dropped from the pool.
    pub(crate) fn forget_local(&mut self) {
        if self.local.mined_at.is_empty() {
            return;
        }
        let tip = self.chain.height();
        let is_over = |txid: &Txid, mined_at: &Option<u32>| match mined_at {
            Some(height) => tip >= height.saturating_add(CONFIRMATIONS_KEPT),
            None => self.mempool.get(txid).is_none(),
        };
        let over: Vec<Txid> =
            self.local.mined_at.iter().filter(|(txid, mined)| is_over(txid, mined)).map(|(txid, _)| *txid).collect();
        if !over.is_empty() {
            for txid in &over {
                self.local.mined_at.remove(txid);
            }
            self.outputs.push(Output::ForgetTransactions(over));
        }
    }
}
