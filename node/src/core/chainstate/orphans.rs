//! Blocks that were submitted here before their parent: kept, bounded, until it comes. Peers' blocks never get here; their
//! headers are asked for first.

use chain_spec::{BlockHash, CheckedBlock};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Blocks without a known parent, blocks.
pub(crate) const ORPHANS_MAX: usize = 256;
/// The same, bytes.
const ORPHANS_BYTES_MAX: usize = 16 << 20;

/// The pool; the oldest goes first.
#[derive(Debug, Default)]
pub(crate) struct OrphanBlocks {
    by_parent: BTreeMap<BlockHash, Vec<Arc<CheckedBlock>>>,
    /// Parent and hash in the order they came.
    order: VecDeque<(BlockHash, BlockHash)>,
    bytes: usize,
}

impl OrphanBlocks {
    /// Keeps a block whose proof of work and body have been checked.
    pub(crate) fn insert(&mut self, block: Arc<CheckedBlock>) {
        let (parent, hash) = (block.header().previous, block.hash());
        let siblings = self.by_parent.entry(parent).or_default();
        if siblings.iter().any(|known| known.hash() == hash) {
            return;
        }
        self.bytes += block.size();
        siblings.push(block);
        self.order.push_back((parent, hash));
        while self.order.len() > ORPHANS_MAX || self.bytes > ORPHANS_BYTES_MAX {
            let Some((parent, hash)) = self.order.pop_front() else { return };
            self.remove(&parent, &hash);
        }
    }

    /// Takes the blocks whose parent has come.
    pub(crate) fn take_children(&mut self, parent: &BlockHash) -> Vec<Arc<CheckedBlock>> {
        let children = self.by_parent.remove(parent).unwrap_or_default();
        if !children.is_empty() {
            self.bytes -= children.iter().map(|block| block.size()).sum::<usize>();
            self.order.retain(|(waits_for, _)| waits_for != parent);
        }
        children
    }

    /// Blocks held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    fn remove(&mut self, parent: &BlockHash, hash: &BlockHash) {
        let Some(siblings) = self.by_parent.get_mut(parent) else { return };
        if let Some(place) = siblings.iter().position(|block| block.hash() == *hash) {
            self.bytes -= siblings.swap_remove(place).size();
        }
        if siblings.is_empty() {
            self.by_parent.remove(parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tests::world::{block_on, spec};
    use chain_spec::rules::block::check_block;

    #[test]
    fn the_oldest_goes_when_the_bound_is_reached() {
        let spec = spec();
        let mut orphans = OrphanBlocks::default();
        let parent = spec.genesis.header;
        for tag in 0..ORPHANS_MAX as u64 + 1 {
            let block = Arc::new(check_block(block_on(&parent, 1, &[], 0, tag, &spec), &spec).unwrap());
            orphans.insert(block.clone());
            orphans.insert(block);
        }
        assert_eq!(orphans.len(), ORPHANS_MAX);
        let children = orphans.take_children(&parent.hash());
        assert_eq!((children.len(), orphans.len(), orphans.bytes), (ORPHANS_MAX, 0, 0));
        let first = block_on(&parent, 1, &[], 0, 0, &spec).hash();
        assert!(children.iter().all(|block| block.hash() != first));
    }
}
