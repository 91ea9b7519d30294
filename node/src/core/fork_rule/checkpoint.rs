//! Keeps to a block that the operator trusts: a branch without it is not followed.
//!
//! Bitcoin Core held such blocks in its source from 2010 to 2024, below which no branch could be replaced. Whoever publishes
//! them decides what the chain is; a federation that votes on them is the same rule with more publishers.

use super::{ForkRule, Rivals};
use chain_spec::BlockHash;

/// The block at a height.
#[derive(Debug)]
pub(super) struct Checkpoint {
    height: u32,
    hash: BlockHash,
}

impl Checkpoint {
    /// Every branch that reaches `height` must have this block there.
    pub(super) fn new(height: u32, hash: BlockHash) -> Checkpoint {
        Checkpoint { height, hash }
    }
}

impl ForkRule for Checkpoint {
    fn may_replace(&self, rivals: &Rivals<'_>) -> bool {
        let is_held = rivals.fork_height < self.height && rivals.active.height >= self.height;
        match (rivals.rival_at)(self.height) {
            Some(hash) => hash == self.hash,
            // A branch that ends below the checkpoint: it may only replace one that has not reached it either.
            None => !is_held,
        }
    }
}
