//! Refuses a reorganisation that undoes more than so many blocks, however much work the other branch has.
//!
//! Bitcoin ABC 0.18.5 (2018) finalised what lies ten blocks below its tip in this way. An attacker who is deeper than that
//! gains nothing; but nodes that were apart for longer never agree again, and a newcomer can be led onto either branch.

use super::{ForkRule, Rivals};

/// At most so many blocks are undone.
#[derive(Debug)]
pub(super) struct ReorganisationLimit {
    blocks: u32,
}

impl ReorganisationLimit {
    /// Undoing `blocks` blocks is still allowed, one more is not.
    pub(super) fn new(blocks: u32) -> ReorganisationLimit {
        ReorganisationLimit { blocks }
    }
}

impl ForkRule for ReorganisationLimit {
    fn may_replace(&self, rivals: &Rivals<'_>) -> bool {
        rivals.depth() <= self.blocks
    }
}
