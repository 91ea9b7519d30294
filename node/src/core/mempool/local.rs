//! Transactions submitted here: kept in the store until they are mined deep enough or can no longer be, so that what was
//! reported as accepted survives kill -9.

use super::accept::{Class, Entrance, Refusal};
use crate::core::Core;
use crate::core::event::{Accepted, Output, Rejection, Time};
use crate::core::message::Gossip;
use crate::core::store::StoreError;
use chain_spec::{CheckedBlock, CheckedTransaction, Transaction, Txid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Confirmations after which a transaction is no longer kept, blocks.
const CONFIRMATIONS_KEPT: u32 = 6;

/// The kept transactions.
#[derive(Debug, Default)]
pub(crate) struct Local {
    /// `None` while pooled. Else the height from which [`CONFIRMATIONS_KEPT`] are counted: where it was mined, or where it was
    /// found not to fit when the node started again.
    kept: BTreeMap<Txid, Option<u32>>,
    /// Kept by the store and not yet judged: the chain was not as far as the store's blocks.
    unrestored: Vec<Arc<CheckedTransaction>>,
}

impl Local {
    /// With what the store kept, for [`Core::restore_local`].
    pub(crate) fn new(unrestored: Vec<Arc<CheckedTransaction>>) -> Local {
        Local { kept: BTreeMap::new(), unrestored }
    }
    /// Nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
    /// Whether what the store kept is in its place again.
    pub(crate) fn is_restored(&self) -> bool {
        self.unrestored.is_empty()
    }
}

impl Core {
    /// A transaction from somebody local: judged, kept, told to everybody.
    pub(crate) fn submit_transaction(
        &mut self,
        transaction: &Arc<Transaction>,
        now: Time,
    ) -> Result<Result<Accepted, Rejection>, StoreError> {
        let judged = self.judge_transaction(transaction, Entrance::New, now)?;
        match judged.and_then(|judged| self.admit(judged, now)) {
            Ok(txid) => {
                self.keep_local(txid);
                self.outputs.push(Output::Publish(Gossip::Transaction(transaction.clone())));
                self.resolve_orphans(txid);
                Ok(Ok(Accepted::Transaction(txid)))
            }
            Err(refusal) => {
                // Known from a peer or an undone block, it is somebody's own from now on.
                let txid = transaction.txid();
                self.keep_local(txid);
                Ok(Err(refusal.rejected(&txid)))
            }
        }
    }

    /// Keeps a transaction, if it is pooled, and the pooled ones it needs, whoever sent them: without them it could not come
    /// back.
    fn keep_local(&mut self, txid: Txid) {
        let needed = self.mempool.ancestors(&txid);
        for txid in needed.into_iter().chain([txid]) {
            let Some(entry) = self.mempool.get(&txid) else { continue };
            if self.local.kept.insert(txid, None).is_none() {
                self.outputs.push(Output::StoreTransaction(entry.transaction.clone()));
            }
        }
    }

    /// Keeps what kept transactions need since a reorganisation has undone it.
    pub(super) fn keep_needed(&mut self) {
        let pooled: Vec<Txid> =
            self.local.kept.iter().filter(|(_, height)| height.is_none()).map(|(txid, _)| *txid).collect();
        pooled.into_iter().for_each(|txid| self.keep_local(txid));
    }

    /// Takes back into the pool what was kept when the node stopped, once the chain stands where its blocks lead. It comes
    /// before what a reorganisation on the way has undone: a kept transaction may have replaced one of those.
    pub(crate) fn restore_local(&mut self, now: Time) -> Result<(), StoreError> {
        if self.activation_pending || self.local.unrestored.is_empty() {
            return Ok(());
        }
        let kept = std::mem::take(&mut self.local.unrestored);
        let missing = self.restore(kept, now)?;
        self.readmit(now)?;
        let missing = self.restore(missing, now)?;
        let from = Some(self.chain.height());
        self.local.kept.extend(missing.iter().map(|kept| (kept.txid(), from)));
        Ok(())
    }

    /// Takes kept transactions back in whatever order they can stand; those whose parents are not there are returned.
    fn restore(
        &mut self,
        mut waiting: Vec<Arc<CheckedTransaction>>,
        now: Time,
    ) -> Result<Vec<Arc<CheckedTransaction>>, StoreError> {
        loop {
            let (count, mut missing) = (waiting.len(), Vec::new());
            for kept in waiting {
                let txid = kept.txid();
                match self.judge_transaction(kept.transaction(), Entrance::Returning, now)? {
                    Ok(judged) => {
                        self.mempool.insert(judged.entry);
                        self.local.kept.insert(txid, None);
                    }
                    Err(Refusal { reason: "txn-already-in-mempool", .. }) => {
                        self.local.kept.insert(txid, None);
                    }
                    Err(Refusal { class: Class::ParentsMissing(..), .. }) => missing.push(kept),
                    Err(Refusal { class: Class::Rule, .. }) => {
                        self.outputs.push(Output::ForgetTransactions(vec![txid]));
                    }
                    // Mined since, or out of place for now: kept a while longer.
                    Err(_) => drop(self.local.kept.insert(txid, Some(self.chain.height()))),
                }
            }
            // A parent that was kept later than its child is pooled by now.
            if missing.len() == count || missing.is_empty() {
                return Ok(missing);
            }
            waiting = missing;
        }
    }

    /// Notes that kept transactions are no longer mined.
    pub(super) fn local_undone(&mut self, block: &CheckedBlock) {
        for txid in block.txids() {
            if let Some(height) = self.local.kept.get_mut(txid) {
                *height = None;
            }
        }
    }

    /// Notes that kept transactions are mined.
    pub(super) fn local_mined(&mut self, block: &CheckedBlock, at: u32) {
        for txid in block.txids() {
            if let Some(height) = self.local.kept.get_mut(txid) {
                *height = Some(at);
            }
        }
    }

    /// Lets go of kept transactions that are mined deep enough or were dropped from the pool.
    pub(crate) fn forget_local(&mut self) {
        if self.local.kept.is_empty() {
            return;
        }
        let tip = self.chain.height();
        let is_over = |txid: &Txid, height: &Option<u32>| match height {
            _ if self.mempool.get(txid).is_some() => false,
            Some(height) => tip >= height.saturating_add(CONFIRMATIONS_KEPT),
            None => true,
        };
        let over: Vec<Txid> =
            self.local.kept.iter().filter(|(txid, height)| is_over(txid, height)).map(|(txid, _)| *txid).collect();
        if !over.is_empty() {
            for txid in &over {
                self.local.kept.remove(txid);
            }
            self.outputs.push(Output::ForgetTransactions(over));
        }
    }
}
