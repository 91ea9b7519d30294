//! The optional indexes over connected blocks beside the transaction index: filters (`--blockfilterindex`) and the spenders of
//! coins (`--txospenderindex`).
//!
//! What a block adds is written with the commit that connects it, and never removed: a filter is its block's wherever that
//! stands, and a spender names its block, so that the reader can check that it is in the active chain. An index that is
//! switched on later is built when the store is opened.

use super::block_filter::{filter_of, header_of};
use super::index_entries::Kept;
use super::keys::{self, Meta};
use super::shared::Shared;
use super::txindex;
use crate::core::store::{BlockFilter, Spender, StoreError};
use chain_spec::{Block, BlockHash, BlockUndo};

/// Notes what a block that was connected adds.
pub(super) fn add(shared: &Shared, hash: &BlockHash, block: &Block, undo: &BlockUndo) -> Result<(), StoreError> {
    if shared.kept.filters && shared.filter(hash)?.is_none() {
        let filter = filter_of(hash, block, undo);
        let header = header_of(&filter, &header_before(shared, block)?);
        shared.pending_mut().indexes.filters.insert(*hash, BlockFilter { header, filter });
    }
    if shared.kept.spenders {
        let mut pending = shared.pending_mut();
        for transaction in block.transactions.iter().skip(1) {
            let spender = Spender { txid: transaction.txid(), block: *hash };
            let inputs = transaction.inputs.iter().map(|input| (input.outpoint, spender));
            pending.indexes.spenders.extend(inputs);
        }
    }
    Ok(())
}

/// The header of the filter below a block's.
fn header_before(shared: &Shared, block: &Block) -> Result<[u8; 32], StoreError> {
    let previous = block.header.previous;
    if let Some(filter) = shared.filter(&previous)? {
        return Ok(filter.header);
    }
    Err(StoreError(format!(
        "the filter of block {previous} is missing from the block filter index; start once without --blockfilterindex and \
         then with it again, which builds the index anew"
    )))
}

/// Builds the indexes that were off before over the active chain, and notes which are kept from now on.
pub(super) fn switch(shared: &Shared, meta: &Meta) -> Result<(), StoreError> {
    let before: Kept = shared.state.value(&keys::INDEXES)?.unwrap_or_default();
    let after = shared.kept;
    if before == after {
        return Ok(());
    }
    let is_built = (after.filters && !before.filters) || (after.spenders && !before.spenders);
    if is_built {
        tracing::info!("building the block filter and spender indexes that were off before");
        for hash in txindex::active_in_order(shared, meta)? {
            let (Some(place), Some(undo)) = (shared.block_position(&hash)?, shared.undo_position(&hash)?) else {
                if hash == shared.genesis.header.hash() {
                    continue;
                }
                return Err(StoreError(format!(
                    "an index cannot be built, because block {hash} was pruned; start without the index, or once with \
                     --reindex, which downloads the whole chain anew"
                )));
            };
            let (block, undo) = (shared.read_block(&hash, place.position)?, shared.read_undo(&hash, undo)?);
            add(shared, &hash, &block, &undo)?;
            let pending = std::mem::take(&mut shared.pending_mut().indexes);
            for change in pending.changes() {
                shared.state.set(&change.key, change.value.unwrap_or_default())?;
            }
        }
        shared.state.flush()?;
    }
    shared.state.set(&keys::INDEXES, keys::encode(&after)?)?;
    shared.state.flush()?;
    shared.state.sync()
}
