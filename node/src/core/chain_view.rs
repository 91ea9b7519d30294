//! A tip and its coins, read-only: all that judging a transaction or the dry run of a block needs to see of a chain.
//!
//! Ground floor of the core. The [`chainstate`](super::chainstate) is one; the [`mempool`](super::mempool) and
//! [`DryRun`](super::chainstate::dry_run::DryRun) look at one.

use super::store::StoreError;
use chain_spec::{ChainSpec, Coin, Outpoint, Transaction, TxOut, Txid};

/// A tip, the chain below it and its coins.
pub(crate) trait ChainView {
    /// The chain's parameters.
    fn spec(&self) -> &ChainSpec;
    /// The tip's height.
    fn height(&self) -> u32;
    /// Median-time-past of the active block at a height (the tip's, above it), Unix seconds.
    fn median_time_past_at(&self, height: u32) -> u32;
    /// An unspent coin of the active chain.
    fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError>;
}

/// The outpoint of each output of a transaction that can ever be spent.
pub(crate) fn made_coins(transaction: &Transaction, txid: Txid) -> impl Iterator<Item = (Outpoint, &TxOut)> {
    let numbered = transaction.outputs.iter().enumerate();
    numbered
        .filter(|(_, output)| !output.script.is_unspendable())
        .map(move |(index, output)| (Outpoint { txid, index: index as u32 }, output))
}
