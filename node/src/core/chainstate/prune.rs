//! Deleting old blocks: which, and when. How is the store's affair: it deletes whole files (Core: `blockstorage.cpp`, `PruneOneBlockFile`).
//!
//! The newest [`BLOCKS_KEPT`] blocks of the active chain are always kept, with whatever stands beside them. Index entries are
//! kept of all blocks. The coins are committed together with the deletion, so that nothing that was deleted is needed to roll
//! forward after a crash. What was deleted cannot be undone: a branch that forks off below it is refused
//! (see [`chain`](super::chain)), as is `invalidateblock`.

use super::Chainstate;
use super::tree::NodeId;
use crate::core::chain_view::ChainView;
use crate::core::config::Prune;
use crate::core::effects::Effects;
use crate::core::event::Time;
use crate::core::rejection::{AcceptError, Rejection, RejectionKind};
use crate::core::store::StoreError;
use chain_spec::BlockHash;

/// Blocks below the tip that are never deleted (Core: `MIN_BLOCKS_TO_KEEP`).
pub(crate) const BLOCKS_KEPT: u32 = 288;
/// Blocks that must be connected before it is looked again whether something can be deleted, when nothing could.
const RETRY_BLOCKS: u32 = 16;

/// What is to be deleted by itself.
#[derive(Debug)]
pub(super) struct Pruning {
    mode: Prune,
    /// A shorter chain is not pruned, blocks.
    after_height: u32,
    /// Below this height it is not looked again, because last time nothing could be deleted.
    look_at_height: u32,
}

impl Pruning {
    /// Nothing has been deleted yet.
    pub(super) fn new(mode: Prune, after_height: u32) -> Pruning {
        Pruning { mode, after_height, look_at_height: 0 }
    }
}

impl Chainstate {
    /// The height of the highest block of the active chain whose body was deleted; all above it are here.
    pub(crate) fn prune_height(&self) -> Option<u32> {
        let highest = self.chain.pruned_to?;
        (0..=highest).rev().find(|height| self.active_at(*height).is_some_and(|node| !node.has_body()))
    }
    /// The lowest height from which on no block was deleted.
    pub(crate) fn blocks_from_height(&self) -> u32 {
        self.chain.pruned_to.map_or(0, |height| height + 1)
    }

    /// Deletes the oldest files while blocks take more than the operator allows.
    pub(super) fn prune_if_due(&mut self, now: Time, effects: &mut Effects) -> Result<(), StoreError> {
        let Prune::Target(target_bytes) = self.pruning.mode else { return Ok(()) };
        let mut bytes = self.store.block_bytes();
        let from_height = self.pruning.look_at_height.max(self.pruning.after_height + 1);
        if bytes <= target_bytes || self.height() < from_height {
            return Ok(());
        }
        let mut pruned = Vec::new();
        for file in self.store.block_files()? {
            if bytes <= target_bytes {
                break;
            }
            if self.may_go(&file.blocks, u32::MAX) {
                bytes = bytes.saturating_sub(file.bytes);
                pruned.extend(file.blocks);
            }
        }
        self.pruning.look_at_height = if pruned.is_empty() { self.height() + RETRY_BLOCKS } else { 0 };
        self.prune(pruned, now, effects);
        Ok(())
    }

    /// Deletes every file whose blocks are all at a height or below it, as an operator orders.
    ///
    /// # Errors
    /// The node keeps all blocks, the chain is too short, or the store cannot be read.
    pub(crate) fn prune_to(&mut self, height: u32, now: Time, effects: &mut Effects) -> Result<(), AcceptError> {
        let refused =
            |reason: &'static str| Rejection::new(RejectionKind::NotOverridable, reason, String::new()).into();
        if self.pruning.mode == Prune::Off {
            return Err(refused("Cannot prune blocks because node is not in prune mode."));
        }
        if self.height() < self.pruning.after_height {
            return Err(refused("Blockchain is too short for pruning."));
        }
        let mut pruned = Vec::new();
        for file in self.store.block_files()? {
            if self.may_go(&file.blocks, height) {
                pruned.extend(file.blocks);
            }
        }
        self.prune(pruned, now, effects);
        Ok(())
    }

    /// Whether a file's blocks are all old enough. One that is not in the tree is of no use.
    fn may_go(&self, blocks: &[BlockHash], height_max: u32) -> bool {
        let height_max = self.height().saturating_sub(BLOCKS_KEPT).min(height_max);
        let height = |hash: &BlockHash| self.find(hash).map_or(0, |node| node.height);
        self.height() > BLOCKS_KEPT && blocks.iter().all(|hash| height(hash) <= height_max)
    }

    fn prune(&mut self, pruned: Vec<BlockHash>, now: Time, effects: &mut Effects) {
        if pruned.is_empty() {
            return;
        }
        let ids: Vec<NodeId> = pruned.iter().filter_map(|hash| self.chain.tree.find(hash)).collect();
        for id in ids {
            self.chain.tree.set_pruned(id);
            self.chain.pruned_to = self.chain.pruned_to.max(Some(self.chain.tree.node(id).height));
        }
        self.bodies.forget(&pruned);
        tracing::info!("pruned {} old blocks; all from height {} on are here", pruned.len(), self.blocks_from_height());
        self.flush_coins(now, true, pruned, effects);
    }
}
