//! Rules that need coins: a block, or a transaction, against the coins it spends (Core: `ContextualCheckBlock`,
//! `CheckTxInputs`, `ConnectBlock`).
//!
//! Nothing here changes a coin: a rule reads coins through [`Coins`], and what connecting a block would do is returned as
//! [`Connected`]. Core's `bad-txns-fee-outofrange` is absent, since it cannot be reached: a fee is at most the sum of the
//! inputs, which is within the cap by then.
mod error;
mod input_script;
mod lock_time;

use crate::amount::Amount;
use crate::coin::{BlockUndo, Coin};
pub use crate::der::SignatureEncoding;
use crate::hash::Txid;
use crate::rules::block::CheckedBlock;
use crate::script::Script;
use crate::spec::ChainSpec;
use crate::transaction::{Outpoint, Transaction};
pub use error::{ScriptError, SpendError};
pub use input_script::{InputCheck, check_input_script, check_input_scripts};
pub use lock_time::{SEQUENCE_DISABLE, SEQUENCE_FINAL, is_final};

use std::collections::HashMap;

/// What the rules ask of the chain at the block they judge: its height and its times. For a transaction that waits in the
/// mempool, those of the next block.
#[derive(Clone, Copy, Debug)]
pub struct BlockContext {
    /// Height of the block, which is its parent's plus one.
    pub height: u32,
    /// Median-time-past of the block's parent (BIP113), Unix seconds.
    pub median_time_past_s: u32,
    /// Time in the block's own header, Unix seconds. Below `csv_height` absolute lock times are compared with it.
    pub block_time_s: u32,
}

impl BlockContext {
    fn has_csv(self, spec: &ChainSpec) -> bool {
        self.height >= spec.csv_height
    }
}

/// Coins as a rule sees them. The caller has fetched what the block needs, so that no disk error can look like a broken rule.
///
/// A block needs the coin of every input, and, unless [`ChainSpec::ids_are_unique`] says that no id can come twice, of every
/// output it makes (for BIP30). Coins that the block itself makes are looked after by [`connect_block`].
pub trait Coins {
    /// The unspent coin, if there is one.
    fn coin(&self, outpoint: &Outpoint) -> Option<&Coin>;
    /// Median-time-past (Unix seconds) of the block *before* height `height` on this branch, for BIP68's time locks; for
    /// height 0, of genesis itself. Asked only for heights below the context's height.
    fn median_time_past_before(&self, height: u32) -> u32;
}

/// What connecting a block changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The coins spent, in input order. With the block itself this is all the change there is.
    pub undo: BlockUndo,
    /// The sum of the transactions' fees, which the coinbase may claim on top of the subsidy.
    pub fees: Amount,
}

/// The rules of a block that need the headers before it, but no coin (Core: `ContextualCheckBlock`): lock times and the height
/// in the coinbase. They can be checked as soon as the body is there, whether or not its branch ever becomes active.
///
/// # Errors
/// [`SpendError::NonFinal`], [`SpendError::CoinbaseHeight`].
pub fn check_block_in_context(block: &CheckedBlock, spec: &ChainSpec, context: BlockContext) -> Result<(), SpendError> {
    for (transaction, txid) in block.block().transactions.iter().zip(block.txids()) {
        lock_time::check_final(transaction, *txid, context, context.has_csv(spec))?;
    }
    has_height_in_coinbase(block, spec, context.height)
}

/// All rules of a block against its parent's coins, [`check_block_in_context`] among them, except signatures, which
/// [`check_input_scripts`] checks and callers may spread over threads or skip for txids they have already verified (a txid commits
/// to the coins it spends and to its scripts).
///
/// # Errors
/// The first rule broken, in Core's order; a transaction's failure names the transaction.
pub fn connect_block(
    block: &CheckedBlock,
    spec: &ChainSpec,
    context: BlockContext,
    coins: &dyn Coins,
) -> Result<Connected, SpendError> {
    let transactions = &block.block().transactions;
    check_block_in_context(block, spec, context)?;
    overwrites_no_coin(block, spec, context.height, coins)?;
    let mut view = BlockView::new(coins, transactions.len());
    let mut connected = Connected { undo: BlockUndo::default(), fees: Amount::ZERO };
    connected.undo.spent.reserve_exact(transactions.len() - 1);
    view.make(&transactions[0], block.txids()[0], context.height);
    for (transaction, txid) in transactions.iter().zip(block.txids()).skip(1) {
        let (spent, fee) = view.spend(transaction, *txid, spec, context)?;
        connected.fees = add_fee(connected.fees, fee, *txid, spec)?;
        connected.undo.spent.push(spent);
        view.make(transaction, *txid, context.height);
    }
    claims_no_more_than_reward(&transactions[0], spec, context.height, connected.fees)?;
    Ok(connected)
}

/// The rules of one transaction that waits for a block, except signatures: its inputs exist, are mature and cover its outputs,
/// and its lock times are reached at `context`. Returns the coins spent, in input order, and the fee.
///
/// Lock times are judged as from `csv_height` on even below it, as Core's mempool does: the block that takes the transaction
/// may stand above it, and what is reached by the later rules is reached by the earlier ones.
///
/// # Errors
/// The first rule broken, in the order Core's mempool finds it.
pub fn check_spends(
    transaction: &Transaction,
    txid: Txid,
    spec: &ChainSpec,
    context: BlockContext,
    coins: &dyn Coins,
) -> Result<(Vec<Coin>, Amount), SpendError> {
    lock_time::check_final(transaction, txid, context, true)?;
    check_inputs(transaction, txid, spec, context, true, coins, |outpoint| coins.coin(outpoint).cloned())
}

/// Everything of [`check_spends`] but finality; `take` yields each input's coin once.
fn check_inputs(
    transaction: &Transaction,
    txid: Txid,
    spec: &ChainSpec,
    context: BlockContext,
    has_csv: bool,
    coins: &dyn Coins,
    mut take: impl FnMut(&Outpoint) -> Option<Coin>,
) -> Result<(Vec<Coin>, Amount), SpendError> {
    let mut spent = Vec::with_capacity(transaction.inputs.len());
    for input in &transaction.inputs {
        let outpoint = input.outpoint;
        spent.push(take(&outpoint).ok_or(SpendError::MissingOrSpent { txid, outpoint })?);
    }
    are_mature(transaction, &spent, txid, spec, context.height)?;
    let total_in = sum_of_inputs(&spent, txid, spec)?;
    let fee = fee_left(transaction, total_in, txid)?;
    if has_csv {
        lock_time::check_relative(transaction, &spent, txid, context, coins)?;
    }
    Ok((spent, fee))
}

/// The coinbase's script starts with a push of the block's height (BIP34).
fn has_height_in_coinbase(block: &CheckedBlock, spec: &ChainSpec, height: u32) -> Result<(), SpendError> {
    let script = &block.block().transactions[0].inputs[0].script;
    if height < spec.bip34_height || script.as_bytes().starts_with(&Script::height_prefix(height)) {
        return Ok(());
    }
    Err(SpendError::CoinbaseHeight { height, script: script.clone() })
}

/// No transaction has the id of an earlier one with coins left (BIP30), which it would overwrite.
fn overwrites_no_coin(
    block: &CheckedBlock,
    spec: &ChainSpec,
    height: u32,
    coins: &dyn Coins,
) -> Result<(), SpendError> {
    if spec.bip30_exceptions.contains(&(height, block.hash())) {
        return Ok(());
    }
    for (transaction, txid) in block.block().transactions.iter().zip(block.txids()) {
        for index in 0..transaction.outputs.len() as u32 {
            let outpoint = Outpoint { txid: *txid, index };
            if coins.coin(&outpoint).is_some() {
                return Err(SpendError::OverwritesCoin(outpoint));
            }
        }
    }
    Ok(())
}

/// A coinbase's coins wait for [`ChainSpec::maturity_height`].
fn are_mature(
    transaction: &Transaction,
    spent: &[Coin],
    txid: Txid,
    spec: &ChainSpec,
    height: u32,
) -> Result<(), SpendError> {
    for (coin, input) in spent.iter().zip(&transaction.inputs) {
        let spendable_at = spec.maturity_height(coin);
        if height < spendable_at {
            return Err(SpendError::Immature { txid, outpoint: input.outpoint, height, spendable_at });
        }
    }
    Ok(())
}

/// Each coin and their sum are within the chain's cap.
fn sum_of_inputs(spent: &[Coin], txid: Txid, spec: &ChainSpec) -> Result<Amount, SpendError> {
    spent
        .iter()
        .try_fold(Amount::ZERO, |total, coin| {
            // A sum within the cap has no part above it.
            total.checked_add(coin.output.value).filter(|total| *total <= spec.money_max)
        })
        .ok_or(SpendError::InputsOutOfRange { txid })
}

/// What the inputs leave over the outputs; they must cover them.
fn fee_left(transaction: &Transaction, inputs: Amount, txid: Txid) -> Result<Amount, SpendError> {
    // The context-free check bounds the sum; a caller that skipped it gets the same answer as for too large a sum.
    let outputs = Amount::checked_sum(transaction.outputs.iter().map(|output| output.value));
    let outputs = outputs.unwrap_or(Amount::from_units(u64::MAX));
    inputs.checked_sub(outputs).ok_or(SpendError::InBelowOut { txid, inputs, outputs })
}

/// The block's fees stay within the cap.
fn add_fee(fees: Amount, fee: Amount, txid: Txid, spec: &ChainSpec) -> Result<Amount, SpendError> {
    fees.checked_add(fee).filter(|fees| *fees <= spec.money_max).ok_or(SpendError::FeesOutOfRange { txid })
}

/// The coinbase's outputs are at most subsidy and fees.
fn claims_no_more_than_reward(
    coinbase: &Transaction,
    spec: &ChainSpec,
    height: u32,
    fees: Amount,
) -> Result<(), SpendError> {
    let subsidy = spec.subsidy(height);
    let most = subsidy.checked_add(fees).unwrap_or(spec.money_max);
    let claimed = Amount::checked_sum(coinbase.outputs.iter().map(|output| output.value));
    match claimed.filter(|claimed| *claimed <= most) {
        Some(_) => Ok(()),
        None => {
            Err(SpendError::CoinbaseAmount { claimed: claimed.unwrap_or(Amount::from_units(u64::MAX)), subsidy, fees })
        }
    }
}

/// The parent's coins with those that earlier transactions of the block made (and not yet spent) or spent.
struct BlockView<'a> {
    parent: &'a dyn Coins,
    /// `None` once spent.
    changed: HashMap<Outpoint, Option<Coin>>,
}
impl<'a> BlockView<'a> {
    fn new(parent: &'a dyn Coins, transactions: usize) -> BlockView<'a> {
        BlockView { parent, changed: HashMap::with_capacity(transactions.saturating_mul(2)) }
    }
    fn spend(
        &mut self,
        transaction: &Transaction,
        txid: Txid,
        spec: &ChainSpec,
        context: BlockContext,
    ) -> Result<(Vec<Coin>, Amount), SpendError> {
        let BlockView { parent, changed } = self;
        let take = |outpoint: &Outpoint| match changed.insert(*outpoint, None) {
            Some(made_or_spent) => made_or_spent,
            None => parent.coin(outpoint).cloned(),
        };
        check_inputs(transaction, txid, spec, context, context.has_csv(spec), *parent, take)
    }
    fn make(&mut self, transaction: &Transaction, txid: Txid, height: u32) {
        let is_coinbase = transaction.is_coinbase();
        for (output, index) in transaction.outputs.iter().zip(0..) {
            if !output.script.is_unspendable() {
                let coin = Coin { output: output.clone(), height, is_coinbase };
                self.changed.insert(Outpoint { txid, index }, Some(coin));
            }
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
