//! When and how the coin cache is written out: rarely, in commits of bounded size, the tip inside the last one.
//!
//! A flush that needs several commits names the two blocks its coins lie between (Core: head blocks); if it is interrupted,
//! [`open`](crate::core::open) undoes and redoes the blocks of both branches, tolerant of coins already there or gone.

use crate::core::Core;
use crate::core::event::{Output, Time};
use crate::core::store::Commit;

/// Coin changes, or index entries, in one commit. Tests split flushes that a real store would not.
pub(crate) const COMMIT_OPERATIONS_MAX: usize = if cfg!(test) { 8 } else { 10_000 };
/// Blocks connected between two flushes: bounds the roll-forward after a crash, blocks.
const UNFLUSHED_BLOCKS_MAX: u32 = 20_000;
/// Time between two flushes of coins, milliseconds.
const COINS_FLUSH_INTERVAL_MS: u64 = 10 * 60 * 1_000;
/// Time between two commits of index entries alone, milliseconds.
const INDEX_FLUSH_INTERVAL_MS: u64 = 30 * 1_000;
/// Unwritten index entries that are committed without waiting, entries.
const DIRTY_ENTRIES_MAX: usize = 8_000;

/// What the last flush left.
#[derive(Debug, Default)]
pub(crate) struct FlushState {
    coins_at: Time,
    index_at: Time,
    /// Blocks connected or disconnected since the coins were flushed.
    pub(crate) blocks_since: u32,
    /// Coins in the store lie between the tip in the store and this block.
    pub(crate) interrupted_from: Option<chain_spec::BlockHash>,
}

impl FlushState {
    /// As if everything had been flushed at `now`.
    pub(crate) fn new(now: Time) -> FlushState {
        FlushState { coins_at: now, index_at: now, blocks_since: 0, interrupted_from: None }
    }
}

impl Core {
    /// Writes out what is due. Only at the end of a call: the store shows what was written from the next call on.
    pub(crate) fn flush_if_due(&mut self, now: Time) {
        let is_full = self.coins.bytes() > self.config.coin_cache_bytes_max;
        let is_late = now.0.saturating_sub(self.flush.coins_at.0) >= COINS_FLUSH_INTERVAL_MS;
        let is_long = self.flush.blocks_since >= UNFLUSHED_BLOCKS_MAX;
        if is_full || is_long || (is_late && self.flush.blocks_since > 0) {
            self.flush_coins(now, !is_full);
        } else if self.chain.tree.dirty_len() >= DIRTY_ENTRIES_MAX
            || now.0.saturating_sub(self.flush.index_at.0) >= INDEX_FLUSH_INTERVAL_MS
        {
            self.flush_index(now);
        }
    }

    /// Drops headers that nobody shows a block for, from memory and from the index.
    pub(crate) fn forget_headers(&mut self) {
        let forgotten = self.chain.forget_headers();
        if !forgotten.is_empty() {
            tracing::info!("forgot {} headers without blocks on branches of less work", forgotten.len());
            self.outputs.push(Output::Commit(Commit { forgotten, ..Commit::default() }));
        }
    }

    /// Commits changed index entries.
    pub(crate) fn flush_index(&mut self, now: Time) {
        self.flush.index_at = now;
        let entries = self.chain.tree.take_dirty();
        for part in entries.chunks(COMMIT_OPERATIONS_MAX) {
            self.outputs.push(Output::Commit(Commit { entries: part.to_vec(), ..Commit::default() }));
        }
    }

    /// Commits index entries, then all coin changes and the tip. `keep` leaves unspent coins in the cache.
    pub(crate) fn flush_coins(&mut self, now: Time, keep: bool) {
        self.flush_index(now);
        self.flush.coins_at = now;
        let tip = self.chain.tree.node(self.chain.tip()).hash;
        let from = self.flush.interrupted_from.take().unwrap_or(self.coins_tip);
        self.flush.blocks_since = 0;
        let mut changes = self.coins.take_changes(keep);
        self.coins_tip = tip;
        while changes.len() > COMMIT_OPERATIONS_MAX {
            let rest = changes.split_off(COMMIT_OPERATIONS_MAX);
            let coins_between = Some((from, tip));
            self.outputs.push(Output::Commit(Commit { coins: changes, coins_between, ..Commit::default() }));
            changes = rest;
        }
        let coins_tip = Some(tip);
        self.outputs.push(Output::Commit(Commit { coins: changes, coins_tip, ..Commit::default() }));
    }
}
