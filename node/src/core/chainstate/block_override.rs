//! What an operator overrides: `invalidateblock`, `reconsiderblock`, `preciousblock`, with Core's meaning.

use super::Chainstate;
use super::tree::NodeId;
use crate::core::event::BlockOverride;
use crate::core::rejection::{Answer, Rejection, RejectionKind};
use chain_spec::BlockHash;

impl Chainstate {
    /// Overrides what is thought of a block. The chain has yet to follow.
    pub(crate) fn override_block(&mut self, hash: &BlockHash, change: BlockOverride) -> Answer<()> {
        let refused = |reason: &'static str, detail| Err(Rejection::new(RejectionKind::NotOverridable, reason, detail));
        let Some(id) = self.chain.tree.find(hash) else {
            return refused("Block not found", format!("block {hash} is not known"));
        };
        match change {
            BlockOverride::Invalidate if id == NodeId::GENESIS => {
                return refused("genesis", format!("block {hash} is the genesis block, which cannot be invalid"));
            }
            BlockOverride::Invalidate if self.chain.is_active(id) && self.is_below_pruned(id) => {
                let from = self.blocks_from_height();
                let detail = format!("the blocks below height {from} were pruned, and cannot be undone down to {hash}");
                return refused("Block not available (pruned data)", detail);
            }
            BlockOverride::Invalidate => {
                self.chain.tree.set_failed(id);
                self.chain.rebuild_candidates();
            }
            BlockOverride::Reconsider => {
                self.chain.tree.clear_failed(id);
                self.chain.rebuild_candidates();
            }
            BlockOverride::Precious => self.chain.prefer(id),
        }
        Ok(())
    }

    /// Whether undoing a block of the active chain would take blocks that were deleted.
    fn is_below_pruned(&self, id: NodeId) -> bool {
        self.chain.tree.node(id).height < self.blocks_from_height()
    }
}
