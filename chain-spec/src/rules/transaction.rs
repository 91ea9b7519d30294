//! Context-free rules of a transaction (Core: `CheckTransaction`).
use super::Reject;
use crate::{Transaction, Txid};
use std::sync::Arc;
/// A transaction that has passed [`check_transaction`], with its txid and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedTransaction {
    transaction: Arc<Transaction>,
    txid: Txid,
    size: usize,
}
impl CheckedTransaction {
    /// The transaction.
    pub fn transaction(&self) -> &Arc<Transaction> {
        &self.transaction
    }
    /// Its txid.
    pub fn txid(&self) -> Txid {
        self.txid
    }
    /// Its bytes.
    pub fn size(&self) -> usize {
        self.size
    }
}
/// The rule a transaction breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// x
    #[error("no inputs")]
    NoInputs,
}
impl Reject for TransactionError {
    fn reason(&self) -> &'static str {
        todo!()
    }
}
/// Checks all context-free rules.
pub fn check_transaction(_transaction: Arc<Transaction>) -> Result<CheckedTransaction, TransactionError> {
    todo!()
}
