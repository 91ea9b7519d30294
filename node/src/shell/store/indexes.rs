//! The optional indexes over connected blocks beside the transaction index: filters (`--blockfilterindex`) and the spenders of
//! coins (`--txospenderindex`).
//!
//! What a block adds is written with the commit that connects it, and never removed: a filter is its block's wherever that
//! stands, and a spender names its block, so that the reader can check that it is in the active chain. An index that is
//! switched on later is built when the store is opened.

use super::block_filter::{filter_of, header_of};
use super::keys::{self, Meta};
use super::redo::Change;
use super::shared::Shared;
use super::txindex;
use crate::core::store::{BlockFilter, Spender, StoreError};
use chain_spec::{Block, BlockHash, BlockUndo, Outpoint, Txid};
use rustc_hash::FxHashMap;

/// Which of these indexes a store keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) struct Kept {
    pub(super) filters: bool,
    pub(super) spenders: bool,
}

/// What blocks added that is not in the database yet.
#[derive(Debug, Default)]
pub(super) struct PendingIndexes {
    filters: FxHashMap<BlockHash, BlockFilter>,
    spenders: FxHashMap<Outpoint, Spender>,
}

impl PendingIndexes {
    /// As changes of the database.
    pub(super) fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        let filters = self
            .filters
            .iter()
            .map(|(hash, filter)| Change::set(keys::hash_key(keys::FILTER, hash.as_bytes()), filter_value(filter)));
        let spenders = self.spenders.iter().map(|(outpoint, spender)| Change {
            key: keys::spender_key(outpoint),
            value: Some(spender_value(spender)),
        });
        filters.chain(spenders)
    }
    /// A filter that is not in the database yet.
    pub(super) fn filter(&self, hash: &BlockHash) -> Option<&BlockFilter> {
        self.filters.get(hash)
    }
    /// A spender that is not in the database yet.
    pub(super) fn spender(&self, outpoint: &Outpoint) -> Option<&Spender> {
        self.spenders.get(outpoint)
    }
}

fn filter_value(filter: &BlockFilter) -> Vec<u8> {
    [&filter.header[..], &filter.filter].concat()
}

fn spender_value(spender: &Spender) -> Vec<u8> {
    [*spender.txid.as_bytes(), *spender.block.as_bytes()].concat()
}

/// Reads what [`filter_value`] wrote.
pub(super) fn read_filter(value: &[u8]) -> Option<BlockFilter> {
    let (header, filter) = value.split_first_chunk::<32>()?;
    Some(BlockFilter { header: *header, filter: filter.to_vec() })
}

/// Reads what [`spender_value`] wrote.
pub(super) fn read_spender(value: &[u8]) -> Option<Spender> {
    let (txid, block) = value.split_first_chunk::<32>()?;
    Some(Spender { txid: Txid::from_bytes(*txid), block: BlockHash::from_bytes(block.try_into().ok()?) })
}

/// The genesis block's filter, which needs no coins.
pub(super) fn genesis_filter(genesis: &Block) -> BlockFilter {
    let filter = filter_of(&genesis.header.hash(), genesis, &BlockUndo::default());
    BlockFilter { header: header_of(&filter, &[0; 32]), filter }
}

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
                // The genesis block, which has no undo data.
                continue;
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
