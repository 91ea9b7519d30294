//! The optional index from transactions to the block they are in (`--txindex`).
//!
//! An entry is written whenever a block is connected, and never removed: after a reorganisation the new branch's blocks
//! overwrite what they share with the old one, and the reader checks that a block is in the active chain.

use super::keys::{self, IndexValue, Meta};
use super::load::{BATCH_OPERATIONS_MAX, BatchWriter};
use super::shared::Shared;
use crate::core::store::StoreError;
use chain_spec::{BlockHash, Txid};
use rustc_hash::FxHashSet;

/// The ids of a stored block's transactions; empty if it is not stored.
pub(super) fn txids(shared: &Shared, hash: &BlockHash) -> Result<Vec<Txid>, StoreError> {
    if let Some(recent) = shared.recent(hash) {
        return Ok(recent.txids().to_vec());
    }
    let Some(place) = shared.block_position(hash)? else { return Ok(Vec::new()) };
    let block = shared.read_block(hash, place.position)?;
    Ok(block.transactions.iter().map(|transaction| transaction.txid()).collect())
}

/// Writes a stored block's entries.
pub(super) fn add_stored(shared: &Shared, writer: &mut BatchWriter<'_>, hash: &BlockHash) -> Result<(), StoreError> {
    for txid in txids(shared, hash)? {
        writer.insert(&keys::hash_key(keys::TRANSACTION, txid.as_bytes()), hash.as_bytes().as_slice())?;
    }
    Ok(())
}

/// Adds a connected block's entries to the next commit; when they get many they are written at once, which is harmless
/// since a connected block's undo data is found again and its entries with it.
pub(super) fn add_pending(shared: &Shared, hash: &BlockHash) -> Result<(), StoreError> {
    let txids = txids(shared, hash)?;
    let mut pending = shared.pending_mut();
    pending.transactions.extend(txids.into_iter().map(|txid| (txid, *hash)));
    if pending.transactions.len() < BATCH_OPERATIONS_MAX / 2 {
        return Ok(());
    }
    let mut writer = BatchWriter::new(shared);
    for (txid, hash) in pending.transactions.drain() {
        writer.insert(&keys::hash_key(keys::TRANSACTION, txid.as_bytes()), hash.as_bytes().as_slice())?;
    }
    writer.flush()
}

/// Builds the index over blocks that were connected while it was off, or notes that it is off from now on.
pub(super) fn switch(shared: &Shared, meta: &mut Meta) -> Result<(), StoreError> {
    if shared.txindex == meta.txindex {
        return Ok(());
    }
    let mut writer = BatchWriter::new(shared);
    if shared.txindex {
        tracing::info!("building the transaction index");
        let active = active_chain(shared, meta)?;
        let mut connected = Vec::new();
        shared.state.for_each(keys::UNDO, |key, _| {
            connected.push(keys::hash_of(key).ok_or_else(|| shared.state.unreadable(key))?);
            Ok(())
        })?;
        // The active chain last: its blocks overwrite what abandoned ones share with them.
        for hash in connected.iter().filter(|hash| !active.contains(*hash)).chain(&active) {
            add_stored(shared, &mut writer, hash)?;
        }
        writer.flush()?;
    }
    meta.txindex = shared.txindex;
    writer.insert(&keys::META, keys::encode(meta)?)?;
    writer.flush()?;
    shared.state.sync()
}

/// The blocks under the committed coins.
fn active_chain(shared: &Shared, meta: &Meta) -> Result<FxHashSet<BlockHash>, StoreError> {
    let mut active = FxHashSet::default();
    let mut next = meta.coins_tip.or(meta.coins_between.map(|(old, _)| old));
    while let Some(hash) = next {
        let value: Option<IndexValue> = shared.state.value(&keys::hash_key(keys::INDEX, &hash))?;
        let Some(entry) = value.and_then(|value| value.entry()) else { break };
        active.insert(BlockHash::from_bytes(hash));
        next = (entry.height > 0).then(|| *entry.header.previous.as_bytes());
    }
    Ok(active)
}
