//! Rules that need coins: a block, or a transaction, against the coins it spends (Core: `ContextualCheckBlock`,
//! `CheckTxInputs`, `ConnectBlock`).
use super::Reject;
use crate::{Amount, BlockUndo, ChainSpec, CheckedBlock, Coin, Outpoint, Transaction, Txid};

/// Where a block or transaction would stand.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its height.
    pub height: u32,
    /// Median-time-past of its parent, Unix seconds.
    pub median_time_past_s: u32,
    /// The block's own time (before `csv_height` lock times are held against it).
    pub block_time_s: u32,
}
/// Coins as a rule sees them. The caller has fetched what the block needs, so that no disk error can look like a broken rule.
pub trait Coins {
    /// The unspent coin, if there is one.
    fn coin(&self, outpoint: &Outpoint) -> Option<&Coin>;
    /// Median-time-past (Unix seconds) of the block *before* height `height` on this branch, for BIP68's time locks.
    fn median_time_past_before(&self, height: u32) -> u32;
}
/// The rule a spend breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpendError {
    /// x
    #[error("missing")]
    MissingOrSpent(Outpoint),
}
impl Reject for SpendError {
    fn reason(&self) -> &'static str {
        todo!()
    }
}
/// What connecting a block does, signatures aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The coins spent, in input order. With the block itself this is all the change there is.
    pub undo: BlockUndo,
    /// What the transactions left to the miner.
    pub fees: Amount,
}
/// All rules of a block against its parent's coins, except signatures, which [`check_unlock`] checks and callers may spread
/// over threads or skip for txids they have already verified (a txid commits to the coins it spends and to its scripts).
pub fn connect_block(
    _block: &CheckedBlock,
    _spec: &ChainSpec,
    _place: Place,
    _coins: &dyn Coins,
) -> Result<Connected, SpendError> {
    todo!()
}
/// Rules of one transaction against coins, except signatures: inputs exist, are mature, cover the outputs; final at `place`;
/// relative lock times. Returns the coins spent, in input order, and the fee.
pub fn check_spends(
    _transaction: &Transaction,
    _txid: Txid,
    _spec: &ChainSpec,
    _place: Place,
    _coins: &dyn Coins,
) -> Result<(Vec<Coin>, Amount), SpendError> {
    todo!()
}
/// Input `input` unlocks `coin`: exactly two pushes, the key hashes to the script's hash, strict DER, the signature verifies.
pub fn check_unlock(_transaction: &Transaction, _input: usize, _coin: &Coin) -> Result<(), SpendError> {
    todo!()
}
