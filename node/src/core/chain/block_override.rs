//! An operator's wishes: `invalidateblock`, `reconsiderblock`, `preciousblock`, with Core's meaning.

use super::tree::NodeId;
use crate::core::Core;
use crate::core::event::{Accepted, BlockOverride, Rejection, Time};
use crate::core::store::StoreError;
use chain_spec::BlockHash;

impl Core {
    /// Carries out a wish and moves the tip if it must. The wish is in the store before it is answered, but for
    /// `preciousblock`, which Core forgets too when it stops.
    pub(crate) fn override_block(
        &mut self,
        hash: &BlockHash,
        change: BlockOverride,
        now: Time,
    ) -> Result<Result<Accepted, Rejection>, StoreError> {
        let Some(id) = self.chain.tree.find(hash) else {
            return Ok(Err(Rejection {
                reason: "Block not found".into(),
                detail: format!("block {hash} is not known"),
            }));
        };
        match change {
            BlockOverride::Invalidate if id == NodeId::GENESIS => {
                let detail = format!("block {hash} is the genesis block, which cannot be invalid");
                return Ok(Err(Rejection { reason: "genesis".into(), detail }));
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
        self.activate(now, None)?;
        self.flush_index(now);
        Ok(Ok(Accepted::Overridden))
    }
}

impl super::Chain {
    /// Lets a block win ties against every block of equal work.
    fn prefer(&mut self, id: NodeId) {
        let (node, tip) = (self.tree.node(id), self.tree.node(self.tip()));
        if node.work < tip.work {
            return;
        }
        if tip.work > self.precious_work {
            self.precious_next = -1;
        }
        self.precious_work = tip.work;
        let stale = self.candidate(id);
        self.candidates.remove(&stale);
        self.tree.node_mut(id).sequence = self.precious_next;
        self.precious_next = self.precious_next.saturating_sub(1);
        if self.tree.node(id).is_linked {
            self.add_candidate(id);
        }
    }
}
