//! Lock times: absolute (a transaction's, against height or median-time-past) and relative (an input's, BIP68).
use super::{BlockContext, Coins, SpendError};
use crate::coin::Coin;
use crate::hash::Txid;
use crate::transaction::Transaction;

/// Lock times below are heights, from here on Unix seconds (Core: `LOCKTIME_THRESHOLD`).
const TIME_THRESHOLD: u32 = 500_000_000;
/// The sequence number that waives the lock time.
pub const SEQUENCE_FINAL: u32 = u32::MAX;
/// Set: no relative lock time (BIP68).
pub const SEQUENCE_DISABLE: u32 = 1 << 31;
/// Set: the relative lock time counts units of 512 seconds, else blocks.
const SEQUENCE_TIME: u32 = 1 << 22;
/// The relative lock time itself.
const SEQUENCE_MASK: u32 = 0xffff;
/// A unit of relative time is 2⁹ seconds.
const SEQUENCE_TIME_SHIFT: u32 = 9;

/// Whether a transaction may stand in a block at `height` when the clock it is held against shows `time_s` (Core:
/// `IsFinalTx`).
pub fn is_final(transaction: &Transaction, height: u32, time_s: u32) -> bool {
    let lock_time = transaction.lock_time;
    let reached = lock_time < if lock_time < TIME_THRESHOLD { height } else { time_s };
    lock_time == 0 || reached || transaction.inputs.iter().all(|input| input.sequence == SEQUENCE_FINAL)
}

/// [`is_final`] against median-time-past (BIP113), or the block's own time where that does not yet apply.
pub(super) fn check_final(
    transaction: &Transaction,
    txid: Txid,
    context: BlockContext,
    has_csv: bool,
) -> Result<(), SpendError> {
    let time_s = if has_csv { context.median_time_past_s } else { context.block_time_s };
    if is_final(transaction, context.height, time_s) {
        return Ok(());
    }
    Err(SpendError::NonFinal { txid, lock_time: transaction.lock_time })
}

/// BIP68 (Core: `CalculateSequenceLocks`, `EvaluateSequenceLocks`).
pub(super) fn check_relative(
    transaction: &Transaction,
    spent: &[Coin],
    txid: Txid,
    context: BlockContext,
    coins: &dyn Coins,
) -> Result<(), SpendError> {
    // The version is compared without a sign, as Bitcoin does: -1 has relative lock times.
    if (transaction.version as u32) < 2 {
        return Ok(());
    }
    for (index, (input, coin)) in transaction.inputs.iter().zip(spent).enumerate() {
        if !is_reached(input.sequence, coin.height, context, coins) {
            return Err(SpendError::RelativeLock { txid, input: index });
        }
    }
    Ok(())
}

fn is_reached(sequence: u32, coin_height: u32, context: BlockContext, coins: &dyn Coins) -> bool {
    if sequence & SEQUENCE_DISABLE != 0 {
        return true;
    }
    let wait = u64::from(sequence & SEQUENCE_MASK);
    if sequence & SEQUENCE_TIME == 0 {
        return u64::from(coin_height) + wait <= u64::from(context.height);
    }
    // Time runs from the median-time-past before the coin's block to the one before this block.
    let made_s = if coin_height >= context.height {
        context.median_time_past_s
    } else {
        coins.median_time_past_before(coin_height)
    };
    u64::from(made_s) + (wait << SEQUENCE_TIME_SHIFT) <= u64::from(context.median_time_past_s)
}
