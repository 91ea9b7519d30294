//! When and how the coin cache is written out: rarely, as one commit with the tip and the index entries inside.
//!
//! The store applies a commit of any size whole or not at all, so the coins on disk always stand at one block.

use super::Chainstate;
use crate::core::effects::Effects;
use crate::core::event::{Output, Time};
use crate::core::store::{Commit, StoreError};
use chain_spec::BlockHash;

/// Blocks connected between two flushes: bounds the roll-forward after a crash, blocks.
const UNFLUSHED_BLOCKS_MAX: u32 = 20_000;
/// Time between two flushes of coins, milliseconds.
const COINS_FLUSH_INTERVAL_MS: u64 = 10 * 60 * 1_000;
/// Time between two commits of index entries alone, milliseconds.
const INDEX_FLUSH_INTERVAL_MS: u64 = 30 * 1_000;
/// Unwritten index entries that are committed without waiting, entries.
const DIRTY_ENTRIES_MAX: usize = 8_000;

/// What the last flush left.
#[derive(Debug)]
pub(super) struct FlushState {
    coins_at: Time,
    index_at: Time,
    /// Blocks connected or disconnected since the coins were flushed.
    pub(super) blocks_since: u32,
}

impl FlushState {
    /// As if everything had been flushed at `now`.
    pub(super) fn new(now: Time) -> FlushState {
        FlushState { coins_at: now, index_at: now, blocks_since: 0 }
    }
}

impl Chainstate {
    /// Ends a call: forgets headers that are too many, writes out what is due (everything, if the node stops), and lets go of
    /// what the store can show from the next call on.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn end_call(&mut self, now: Time, is_stopping: bool, effects: &mut Effects) -> Result<(), StoreError> {
        self.forget_headers(effects);
        if is_stopping {
            self.flush_coins(now, false, Vec::new(), effects);
        } else {
            self.flush_if_due(now, effects);
            self.prune_if_due(now, effects)?;
        }
        self.bodies.end_call();
        Ok(())
    }

    /// Ends opening: as [`Chainstate::end_call`], but what was just read is not forgotten yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn end_opening(&mut self, now: Time, effects: &mut Effects) -> Result<(), StoreError> {
        self.flush_if_due(now, effects);
        self.prune_if_due(now, effects)?;
        self.bodies.end_call();
        Ok(())
    }

    /// Writes out what is due.
    fn flush_if_due(&mut self, now: Time, effects: &mut Effects) {
        let is_full = self.coins.bytes() > self.coin_cache_bytes_max;
        let is_late = now.0.saturating_sub(self.flush.coins_at.0) >= COINS_FLUSH_INTERVAL_MS;
        let is_long = self.flush.blocks_since >= UNFLUSHED_BLOCKS_MAX;
        if is_full || is_long || (is_late && self.flush.blocks_since > 0) {
            self.flush_coins(now, !is_full, Vec::new(), effects);
        } else if self.chain.tree.dirty_len() >= DIRTY_ENTRIES_MAX
            || now.0.saturating_sub(self.flush.index_at.0) >= INDEX_FLUSH_INTERVAL_MS
        {
            self.flush_index(now, effects);
        }
    }

    /// Drops headers that nobody shows a block for, from memory and from the index.
    fn forget_headers(&mut self, effects: &mut Effects) {
        let forgotten = self.chain.forget_headers();
        if !forgotten.is_empty() {
            tracing::info!("forgot {} headers without blocks on branches of less work", forgotten.len());
            effects.outputs.push(Output::Commit(Commit { forgotten, ..Commit::default() }));
        }
    }

    /// Commits changed index entries.
    pub(crate) fn flush_index(&mut self, now: Time, effects: &mut Effects) {
        self.flush.index_at = now;
        let entries = self.chain.tree.take_dirty();
        if !entries.is_empty() {
            effects.outputs.push(Output::Commit(Commit { entries, ..Commit::default() }));
        }
    }

    /// Commits all coin changes, their tip and changed index entries, and has the bodies and undo data of `pruned` deleted. `keep`
    /// leaves unspent coins in the cache.
    pub(super) fn flush_coins(&mut self, now: Time, keep: bool, pruned: Vec<BlockHash>, effects: &mut Effects) {
        self.flush = FlushState::new(now);
        effects.outputs.push(Output::Commit(Commit {
            coins: self.coins.take_changes(keep),
            coins_tip: Some(self.tip().hash),
            entries: self.chain.tree.take_dirty(),
            forgotten: Vec::new(),
            pruned,
        }));
    }
}
