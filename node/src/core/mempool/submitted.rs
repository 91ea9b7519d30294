//! Transactions submitted here: kept in the store until they are mined deep enough or can no longer be, so that what was
//! reported as accepted survives kill -9.

use super::Mempool;
use super::accept::{Origin, check_burn, check_fee_limit};
use crate::core::chain_view::ChainView;
use crate::core::event::{Accepted, Output, Submission, Time};
use crate::core::message::Gossip;
use crate::core::rejection::{AcceptError, Rejection, RejectionKind};
use crate::core::store::StoreError;
use chain_spec::{CheckedBlock, CheckedTransaction, Outpoint, Txid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Confirmations after which a transaction is no longer kept, blocks.
const CONFIRMATIONS_KEPT: u32 = 6;

/// The kept transactions.
#[derive(Debug, Default)]
pub(super) struct SubmittedTransactions {
    /// `None` while pooled. Else the height from which [`CONFIRMATIONS_KEPT`] are counted: where it was mined, or where it was
    /// found not to fit when the node started again.
    kept: BTreeMap<Txid, Option<u32>>,
    /// Kept by the store and not yet judged: the chain was not as far as the store's blocks.
    unrestored: Vec<Arc<CheckedTransaction>>,
}

impl SubmittedTransactions {
    /// With what the store kept, for [`Mempool::restore_submitted`].
    pub(super) fn new(unrestored: Vec<Arc<CheckedTransaction>>) -> SubmittedTransactions {
        SubmittedTransactions { kept: BTreeMap::new(), unrestored }
    }
    /// Nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
    /// Whether what the store kept is in its place again.
    pub(super) fn is_restored(&self) -> bool {
        self.unrestored.is_empty()
    }
    /// Kept transactions that a block held are no longer mined.
    pub(super) fn block_disconnected(&mut self, block: &CheckedBlock) {
        for txid in block.txids() {
            if let Some(height) = self.kept.get_mut(txid) {
                *height = None;
            }
        }
    }
    /// Kept transactions that a block holds are mined.
    pub(super) fn block_connected(&mut self, block: &CheckedBlock, at: u32) {
        for txid in block.txids() {
            if let Some(height) = self.kept.get_mut(txid) {
                *height = Some(at);
            }
        }
    }
}

impl Mempool {
    /// A transaction from somebody local: judged once, kept, relayed to everybody.
    ///
    /// # Errors
    /// It is not accepted: by the rules, by policy, or by its submitter's own limits. One that is in the mempool already is
    /// kept as its submitter's own all the same.
    pub(crate) fn submit(
        &mut self,
        submission: &Submission,
        chain: &dyn ChainView,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<Accepted, AcceptError> {
        let Submission { transaction, limits, .. } = submission;
        check_burn(transaction, limits)?;
        match self.judge_and_admit(submission, chain, now) {
            Ok(txid) => {
                self.keep(txid, outputs);
                outputs.push(Output::Publish(Gossip::Transaction(transaction.clone())));
                Ok(Accepted::Transaction(txid))
            }
            Err(AcceptError::Rejected(rejection)) => {
                let txid = transaction.txid();
                if rejection.kind == RejectionKind::AlreadyInMempool {
                    // It came from a peer or a disconnected block, and from now on is the submitter's own, who submits it again
                    // because it does not spread.
                    self.keep(txid, outputs);
                    outputs.push(Output::Publish(Gossip::Transaction(transaction.clone())));
                } else if is_mined(chain, txid, transaction.outputs.len())? {
                    let detail = format!("transaction {txid}: it is in the chain already");
                    let kind = RejectionKind::AlreadyInChain;
                    return Err(Rejection::new(kind, "txn-already-known", detail).into());
                }
                Err(rejection.into())
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn judge_and_admit(
        &mut self,
        Submission { transaction, limits, .. }: &Submission,
        chain: &dyn ChainView,
        now: Time,
    ) -> Result<Txid, AcceptError> {
        let candidate = self.check(transaction, Origin::New, now, chain)?;
        check_fee_limit(&candidate, limits)?;
        Ok(self.admit(candidate, now)?)
    }

    /// Keeps a transaction, if it is pooled, and the pooled ones it needs, whoever sent them: without them it could not come
    /// back.
    pub(super) fn keep(&mut self, txid: Txid, outputs: &mut Vec<Output>) {
        let needed = self.pool.ancestors(&txid);
        for txid in needed.into_iter().chain([txid]) {
            let Some(entry) = self.pool.get(&txid) else { continue };
            if self.submitted.kept.insert(txid, None).is_none() {
                outputs.push(Output::StoreTransaction(entry.transaction.clone()));
            }
        }
    }

    /// Keeps what kept transactions need since a reorganisation has disconnected it.
    pub(super) fn keep_needed(&mut self, outputs: &mut Vec<Output>) {
        let pooled: Vec<Txid> =
            self.submitted.kept.iter().filter(|(_, height)| height.is_none()).map(|(txid, _)| *txid).collect();
        pooled.into_iter().for_each(|txid| self.keep(txid, outputs));
    }

    /// Takes back into the pool what was kept when the node stopped. To be called once the chain stands where its blocks lead.
    /// It comes before what a reorganisation on the way has disconnected: a kept transaction may have replaced one of those.
    /// Those that are pooled again.
    pub(crate) fn restore_submitted(
        &mut self,
        chain: &dyn ChainView,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<Vec<Txid>, StoreError> {
        if self.submitted.is_restored() {
            return Ok(Vec::new());
        }
        let kept = std::mem::take(&mut self.submitted.unrestored);
        let missing = self.restore(kept, chain, now, outputs)?;
        self.readmit(chain, now, outputs)?;
        let missing = self.restore(missing, chain, now, outputs)?;
        let from = Some(chain.height());
        self.submitted.kept.extend(missing.iter().map(|kept| (kept.txid(), from)));
        let pooled = self.submitted.kept.iter().filter(|(_, height)| height.is_none());
        Ok(pooled.map(|(txid, _)| *txid).collect())
    }

    /// Takes kept transactions back in whatever order they can stand; those whose parents are not there are returned.
    fn restore(
        &mut self,
        mut waiting: Vec<Arc<CheckedTransaction>>,
        chain: &dyn ChainView,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<Vec<Arc<CheckedTransaction>>, StoreError> {
        loop {
            let (count, mut missing) = (waiting.len(), Vec::new());
            for kept in waiting {
                let txid = kept.txid();
                let rejection = match self.check(kept.transaction(), Origin::Returning, now, chain) {
                    Ok(candidate) => {
                        self.pool.insert(candidate.entry);
                        self.submitted.kept.insert(txid, None);
                        continue;
                    }
                    Err(AcceptError::Rejected(rejection)) => rejection,
                    Err(AcceptError::Store(error)) => return Err(error),
                };
                match rejection.kind {
                    RejectionKind::AlreadyInMempool => drop(self.submitted.kept.insert(txid, None)),
                    RejectionKind::MissingInputs { parents } if !parents.is_empty() => missing.push(kept),
                    RejectionKind::Rule(_) => outputs.push(Output::ForgetTransactions(vec![txid])),
                    // Mined since, or out of place for now: kept a while longer.
                    _ => drop(self.submitted.kept.insert(txid, Some(chain.height()))),
                }
            }
            // A parent that was kept later than its child is pooled by now.
            if missing.len() == count || missing.is_empty() {
                return Ok(missing);
            }
            waiting = missing;
        }
    }

    /// Lets go of kept transactions that are mined deep enough or were dropped from the pool.
    pub(crate) fn forget_submitted(&mut self, tip_height: u32, outputs: &mut Vec<Output>) {
        if self.submitted.kept.is_empty() {
            return;
        }
        let is_over = |txid: &Txid, height: &Option<u32>| match height {
            _ if self.pool.get(txid).is_some() => false,
            Some(height) => tip_height >= height.saturating_add(CONFIRMATIONS_KEPT),
            None => true,
        };
        let kept = self.submitted.kept.iter();
        let over: Vec<Txid> = kept.filter(|(txid, height)| is_over(txid, height)).map(|(txid, _)| *txid).collect();
        if !over.is_empty() {
            for txid in &over {
                self.submitted.kept.remove(txid);
            }
            outputs.push(Output::ForgetTransactions(over));
        }
    }
}

/// Whether a transaction is in the active chain and has an output left.
fn is_mined(chain: &dyn ChainView, txid: Txid, outputs: usize) -> Result<bool, StoreError> {
    for index in 0..outputs as u32 {
        if chain.coin(&Outpoint { txid, index })?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
