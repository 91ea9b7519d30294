//! Context-free rules of a transaction (Core: `CheckTransaction`).
use super::RuleError;
use crate::amount::Amount;
use crate::encode::Encode;
use crate::hash::Txid;
use crate::transaction::{Outpoint, Transaction};
use std::collections::HashSet;
use std::sync::Arc;

/// Most bytes of a transaction: those of Bitcoin's largest block.
pub const TRANSACTION_SIZE_MAX: usize = 1_000_000;
/// Fewest and most bytes of a coinbase's script.
pub const COINBASE_SCRIPT_LEN: std::ops::RangeInclusive<usize> = 2..=100;
/// Inputs up to which comparing each with each is quicker than hashing them.
const COMPARE_PAIRS_MAX: usize = 16;

/// A transaction that has passed [`check_transaction`], with its txid and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedTransaction {
    transaction: Arc<Transaction>,
    txid: Txid,
    size: usize,
}
impl CheckedTransaction {
    /// The transaction that passed the checks.
    pub fn transaction(&self) -> &Arc<Transaction> {
        &self.transaction
    }
    /// The transaction's id, which was computed once when it was checked.
    pub fn txid(&self) -> Txid {
        self.txid
    }
    /// Length of the transaction's encoding, bytes.
    pub fn size(&self) -> usize {
        self.size
    }
}

/// The rule a transaction breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// Spends nothing.
    #[error("the transaction has no inputs")]
    NoInputs,
    /// Makes nothing.
    #[error("the transaction has no outputs")]
    NoOutputs,
    /// Larger than [`TRANSACTION_SIZE_MAX`].
    #[error("the transaction has {size} bytes, the most is {TRANSACTION_SIZE_MAX}")]
    Oversize {
        /// Length of the transaction's encoding, bytes.
        size: usize,
    },
    /// A value with the top bit set, which Bitcoin reads as a negative number.
    #[error("output {output} has a negative value")]
    ValueNegative {
        /// Which output.
        output: usize,
    },
    /// A value over the cap.
    #[error("output {output} has value {value}, over the cap of 21000000 coins")]
    ValueTooLarge {
        /// Which output.
        output: usize,
        /// What the output claims to be worth.
        value: Amount,
    },
    /// The outputs' sum is over the cap (CVE-2010-5139).
    #[error("outputs 0 to {output} have a total value over the cap of 21000000 coins")]
    TotalTooLarge {
        /// The output that carries the sum over the cap.
        output: usize,
    },
    /// Two inputs spend one coin (CVE-2018-17144).
    #[error("two inputs spend {0}")]
    DuplicateInput(Outpoint),
    /// A coinbase's script has a length outside [`COINBASE_SCRIPT_LEN`].
    #[error("the coinbase script has {length} bytes instead of 2 to 100")]
    CoinbaseScriptLength {
        /// Length of the coinbase's script, bytes.
        length: usize,
    },
    /// A transaction that is no coinbase has a coinbase's input.
    #[error("input {input} spends the null outpoint, which only a coinbase does")]
    NullInput {
        /// Which input.
        input: usize,
    },
}
impl RuleError for TransactionError {
    fn reason(&self) -> &'static str {
        match self {
            TransactionError::NoInputs => "bad-txns-vin-empty",
            TransactionError::NoOutputs => "bad-txns-vout-empty",
            TransactionError::Oversize { .. } => "bad-txns-oversize",
            TransactionError::ValueNegative { .. } => "bad-txns-vout-negative",
            TransactionError::ValueTooLarge { .. } => "bad-txns-vout-toolarge",
            TransactionError::TotalTooLarge { .. } => "bad-txns-txouttotal-toolarge",
            TransactionError::DuplicateInput(_) => "bad-txns-inputs-duplicate",
            TransactionError::CoinbaseScriptLength { .. } => "bad-cb-length",
            TransactionError::NullInput { .. } => "bad-txns-prevout-null",
        }
    }
}

/// Checks all context-free rules, with Bitcoin's cap on values ([`Amount::MAX_MONEY`]).
///
/// # Errors
/// The first rule broken, in Core's order.
pub fn check_transaction(transaction: Arc<Transaction>) -> Result<CheckedTransaction, TransactionError> {
    check_transaction_within(transaction, Amount::MAX_MONEY)
}

/// Checks all context-free rules, with a chain's own cap on values ([`ChainSpec::money_max`](crate::spec::ChainSpec::money_max)).
///
/// # Errors
/// The first rule broken, in Core's order.
pub fn check_transaction_within(
    transaction: Arc<Transaction>,
    money_max: Amount,
) -> Result<CheckedTransaction, TransactionError> {
    let mut bytes = Vec::with_capacity(transaction.encoded_len());
    let txid = transaction.txid_with(&mut bytes);
    check(&transaction, bytes.len(), money_max)?;
    Ok(CheckedTransaction { transaction, txid, size: bytes.len() })
}

/// The rules, for a caller that knows the size.
pub(super) fn check(transaction: &Transaction, size: usize, money_max: Amount) -> Result<(), TransactionError> {
    has_inputs(transaction)?;
    has_outputs(transaction)?;
    fits(size)?;
    has_values_within_cap(transaction, money_max)?;
    has_distinct_inputs(transaction)?;
    if transaction.is_coinbase() { has_coinbase_script_length(transaction) } else { has_no_null_input(transaction) }
}

fn has_inputs(transaction: &Transaction) -> Result<(), TransactionError> {
    if transaction.inputs.is_empty() { Err(TransactionError::NoInputs) } else { Ok(()) }
}

fn has_outputs(transaction: &Transaction) -> Result<(), TransactionError> {
    if transaction.outputs.is_empty() { Err(TransactionError::NoOutputs) } else { Ok(()) }
}

fn fits(size: usize) -> Result<(), TransactionError> {
    if size > TRANSACTION_SIZE_MAX { Err(TransactionError::Oversize { size }) } else { Ok(()) }
}

/// Three rules in one pass, as the sum is checked after each value: negative, over the cap, sum over the cap.
fn has_values_within_cap(transaction: &Transaction, money_max: Amount) -> Result<(), TransactionError> {
    let mut total = Amount::ZERO;
    for (output, value) in transaction.outputs.iter().map(|output| output.value).enumerate() {
        if value.units() > i64::MAX as u64 {
            return Err(TransactionError::ValueNegative { output });
        }
        if value > money_max {
            return Err(TransactionError::ValueTooLarge { output, value });
        }
        total = total
            .checked_add(value)
            .filter(|total| *total <= money_max)
            .ok_or(TransactionError::TotalTooLarge { output })?;
    }
    Ok(())
}

fn has_distinct_inputs(transaction: &Transaction) -> Result<(), TransactionError> {
    let outpoints = || transaction.inputs.iter().map(|input| input.outpoint);
    let twice = if transaction.inputs.len() <= COMPARE_PAIRS_MAX {
        outpoints().enumerate().find(|(index, outpoint)| outpoints().take(*index).any(|other| other == *outpoint))
    } else {
        let mut seen = HashSet::with_capacity(transaction.inputs.len());
        outpoints().enumerate().find(|(_, outpoint)| !seen.insert(*outpoint))
    };
    twice.map_or(Ok(()), |(_, outpoint)| Err(TransactionError::DuplicateInput(outpoint)))
}

fn has_coinbase_script_length(transaction: &Transaction) -> Result<(), TransactionError> {
    let length = transaction.inputs[0].script.as_bytes().len();
    if COINBASE_SCRIPT_LEN.contains(&length) { Ok(()) } else { Err(TransactionError::CoinbaseScriptLength { length }) }
}

fn has_no_null_input(transaction: &Transaction) -> Result<(), TransactionError> {
    match transaction.inputs.iter().position(|input| input.outpoint.is_null()) {
        Some(input) => Err(TransactionError::NullInput { input }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
