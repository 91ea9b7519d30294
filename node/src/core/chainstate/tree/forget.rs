//! A bound on headers that nobody ever shows a block for.
//!
//! Headers come before bodies, so whoever does the work can make us keep headers alone. The best header chain is what we
//! want to have; beside it, only so many are kept, those of the branches that grew last: a branch whose headers are still
//! coming must not lose its start, and one that was dropped comes again with its next block. What is kept always reaches
//! down to genesis. Absent: blocks whose body is stored, which take disk, not memory, and blocks found invalid, which cost
//! their maker a body.

use super::{BlockTree, Fault, NodeId};
use chain_spec::BlockHash;
use std::cmp::Reverse;

/// Headers that were dropped.
pub(crate) struct Forgotten {
    /// Which.
    pub hashes: Vec<BlockHash>,
    /// Where every node of before is now.
    places: Vec<Option<NodeId>>,
}

impl Forgotten {
    /// Where a node is now; `None` if it was dropped.
    pub(crate) fn place(&self, before: NodeId) -> Option<NodeId> {
        self.places.get(before.0 as usize).copied().flatten()
    }
}

impl BlockTree {
    /// Drops headers if there may be more than the bound beside the best chain. Every [`NodeId`] of before is then void.
    /// Linear in all nodes, so it is done once for every so many new headers: half the bound is kept.
    pub(crate) fn forget_headers(&mut self) -> Option<Forgotten> {
        if self.bodiless <= self.forget_above {
            return None;
        }
        let kept = self.headers_aside_max / 2;
        let aside = self.headers_aside();
        let forgotten = (aside.len() > kept).then(|| self.forget(&aside[kept..]));
        self.forget_above = self.bodiless + kept;
        forgotten
    }

    /// Headers that may be dropped, the most wanted first; each comes after its ancestors.
    fn headers_aside(&self) -> Vec<NodeId> {
        let count = self.nodes.len();
        // Nodes stand in the order they came, so the last place of a branch says when it grew.
        let (mut is_needed, mut grew) = (vec![false; count], vec![0; count]);
        is_needed[self.best_header.0 as usize] = true;
        for (place, node) in self.nodes.iter().enumerate().rev() {
            is_needed[place] |= node.was_stored() || node.fault == Fault::Own;
            if node.is_sound() {
                grew[place] = grew[place].max(place);
            }
            let parent = node.parent.0 as usize;
            is_needed[parent] |= is_needed[place];
            grew[parent] = grew[parent].max(grew[place]);
        }
        let mut aside: Vec<NodeId> =
            (0..count).filter(|place| !is_needed[*place]).map(|place| NodeId(place as u32)).collect();
        aside.sort_by_key(|id| (Reverse(grew[id.0 as usize]), self.node(*id).height));
        aside
    }

    fn forget(&mut self, dropped: &[NodeId]) -> Forgotten {
        let mut is_dropped = vec![false; self.nodes.len()];
        dropped.iter().for_each(|id| is_dropped[id.0 as usize] = true);
        let mut next = 0;
        let places: Vec<Option<NodeId>> = is_dropped
            .iter()
            .map(|is_dropped| {
                let place = NodeId(next);
                next += u32::from(!is_dropped);
                (!is_dropped).then_some(place)
            })
            .collect();
        let hashes = dropped.iter().map(|id| self.node(*id).hash).collect();
        let forgotten = Forgotten { hashes, places };
        let moved = |id: NodeId| forgotten.place(id).unwrap_or(NodeId::GENESIS);
        let mut place = 0;
        self.nodes.retain_mut(|node| {
            (node.parent, node.skip) = (moved(node.parent), moved(node.skip));
            place += 1;
            !is_dropped[place - 1]
        });
        for hash in &forgotten.hashes {
            self.by_hash.remove(hash);
        }
        self.by_hash.values_mut().for_each(|id| *id = moved(*id));
        let unlinked = std::mem::take(&mut self.unlinked).into_iter();
        self.unlinked =
            unlinked.map(|(parent, waiting)| (moved(parent), waiting.into_iter().map(moved).collect())).collect();
        self.best_header = moved(self.best_header);
        self.dirty = self.dirty.iter().filter_map(|id| forgotten.place(*id)).collect();
        self.bodiless -= forgotten.hashes.len();
        forgotten
    }
}
