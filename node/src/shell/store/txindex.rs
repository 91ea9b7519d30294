//! The optional index from transactions to the block they are in (`--txindex`).
//!
//! An entry is written whenever a block is connected, and never removed: after a reorganisation the new branch's blocks
//! overwrite what they share with the old one, and the reader checks that a block is in the active chain.

use super::keys::{self, IndexValue, Meta};
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

/// Writes a stored block's entries, but none over those of the blocks in `kept`. They are not part of a commit: one that is
/// there too early does no harm.
pub(super) fn add_stored(shared: &Shared, hash: &BlockHash, kept: &FxHashSet<BlockHash>) -> Result<(), StoreError> {
    for txid in txids(shared, hash)? {
        let key = keys::hash_key(keys::TRANSACTION, txid.as_bytes());
        let old = shared.state.get(&key)?.and_then(|old| old.as_ref().try_into().ok()).map(BlockHash::from_bytes);
        if old.is_none_or(|old| !kept.contains(&old)) {
            shared.state.set(&key, hash.as_bytes().to_vec())?;
        }
    }
    Ok(())
}

/// Builds the index over blocks that were connected while it was off, or notes that it is off from now on.
pub(super) fn switch(shared: &Shared, meta: &mut Meta) -> Result<(), StoreError> {
    if shared.txindex == meta.txindex {
        return Ok(());
    }
    if shared.txindex {
        tracing::info!("building the transaction index");
        let active = active_chain(shared, meta)?;
        let mut connected = Vec::new();
        shared.state.for_all(keys::UNDO, |key, _| {
            connected.push(keys::hash_of(key).ok_or_else(|| shared.state.unreadable(key))?);
            Ok(())
        })?;
        // The active chain last: its blocks overwrite what abandoned ones share with them.
        for hash in connected.iter().filter(|hash| !active.contains(*hash)).chain(&active) {
            add_stored(shared, hash, &FxHashSet::default())?;
        }
        shared.state.flush()?;
    }
    meta.txindex = shared.txindex;
    shared.state.set_meta(meta)?;
    shared.state.flush()?;
    shared.state.sync()
}

/// The blocks under the committed coins, the genesis block first.
pub(super) fn active_in_order(shared: &Shared, meta: &Meta) -> Result<Vec<BlockHash>, StoreError> {
    let (mut active, mut next) = (Vec::new(), meta.coins_tip);
    while let Some(hash) = next {
        let value: Option<IndexValue> = shared.state.value(&keys::hash_key(keys::INDEX, &hash))?;
        let Some(entry) = value.and_then(|value| value.entry()) else { break };
        active.push(BlockHash::from_bytes(hash));
        next = (entry.height > 0).then(|| *entry.header.previous.as_bytes());
    }
    active.reverse();
    Ok(active)
}

/// The blocks under the committed coins.
pub(super) fn active_chain(shared: &Shared, meta: &Meta) -> Result<FxHashSet<BlockHash>, StoreError> {
    Ok(active_in_order(shared, meta)?.into_iter().collect())
}
