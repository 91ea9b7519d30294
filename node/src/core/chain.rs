//! The chain: the block tree, which branch of it is active, and the candidates to become so.
//!
//! [`tree`] knows headers; [`accept`] lets headers and bodies in; [`activate`] moves the active tip; [`block_override`] carries out an
//! operator's wishes; [`orphans`] holds blocks whose parent is unknown. Coins are in [`coins`](super::coins).

pub(crate) mod accept;
pub(crate) mod activate;
pub(crate) mod block_override;
pub(crate) mod connect;
pub(crate) mod orphans;
pub(crate) mod tree;

use super::hash_map::{IdMap, IdState};
use super::store::{Store, StoreError};
use chain_spec::{Block, BlockHash, BlockUndo, ChainSpec, CheckedBlock, Work};
use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tree::{BlockTree, NodeId};

/// Bodies kept in memory between being stored and being connected or asked for, bytes of blocks.
const BODIES_BYTES_MAX: usize = 32 << 20;
/// The same, blocks; bounds what thousands of cores in one process keep.
const BODIES_MAX: usize = 512;

/// Chain state in memory.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Every known header.
    pub(crate) tree: BlockTree,
    /// The active chain by height.
    active: Vec<NodeId>,
    /// Complete, sound branches with at least the tip's work: the greatest is the next tip.
    candidates: BTreeSet<Candidate>,
    /// Recently stored bodies.
    pub(crate) bodies: Bodies,
    /// Undo data emitted in this call, which the store does not show yet.
    pub(crate) undo_of_this_call: IdMap<BlockHash, Arc<BlockUndo>>,
    /// Counts down with every `preciousblock`; below every sequence number a block gets by arriving.
    precious_next: i64,
    /// The tip's work when `preciousblock` was last used.
    precious_work: Work,
    state: IdState,
}

/// Most work first, then first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    work: Work,
    sequence: Reverse<i64>,
    id: NodeId,
}

impl Chain {
    /// A chain of genesis alone.
    pub(crate) fn new(spec: &ChainSpec, state: IdState) -> Chain {
        let tree = BlockTree::new(spec.genesis.header, spec.genesis.transactions.len() as u32, state);
        let mut chain = Chain {
            tree,
            active: vec![NodeId::GENESIS],
            candidates: BTreeSet::new(),
            bodies: Bodies::new(state),
            undo_of_this_call: IdMap::with_hasher(state),
            precious_next: -1,
            precious_work: Work::ZERO,
            state,
        };
        chain.rebuild_candidates();
        chain
    }

    /// The active tip.
    pub(crate) fn tip(&self) -> NodeId {
        self.active[self.active.len() - 1]
    }
    /// The tip's height.
    pub(crate) fn height(&self) -> u32 {
        (self.active.len() - 1) as u32
    }
    /// The active block at a height.
    pub(crate) fn active_at(&self, height: u32) -> Option<NodeId> {
        self.active.get(height as usize).copied()
    }
    /// Whether a block is in the active chain.
    pub(crate) fn is_active(&self, id: NodeId) -> bool {
        self.active_at(self.tree.node(id).height) == Some(id)
    }
    /// The last active block of a branch.
    pub(crate) fn fork_from_active(&self, id: NodeId) -> NodeId {
        self.tree.fork(id, self.tip())
    }

    fn candidate(&self, id: NodeId) -> Candidate {
        let node = self.tree.node(id);
        Candidate { work: node.work, sequence: Reverse(node.sequence), id }
    }

    /// Considers a complete branch, if it is sound and not beaten by the tip.
    pub(crate) fn add_candidate(&mut self, id: NodeId) {
        let candidate = self.candidate(id);
        if self.tree.node(id).is_sound() && candidate >= self.candidate(self.tip()) {
            self.candidates.insert(candidate);
        }
    }

    /// The branch that should be active.
    pub(crate) fn best_candidate(&self) -> NodeId {
        self.candidates.last().map_or(self.tip(), |candidate| candidate.id)
    }

    /// Considers every block again: after an operator's wish or a failure, weaker branches may be the best there are.
    pub(crate) fn rebuild_candidates(&mut self) {
        let is_tip_sound = self.tree.node(self.tip()).is_sound();
        let floor = self.candidate(self.tip());
        let fit = |candidate: &Candidate| !is_tip_sound || *candidate >= floor;
        let ids = self.tree.iter().filter(|(_, node)| node.is_linked && node.is_sound()).map(|(id, _)| id);
        self.candidates = ids.map(|id| self.candidate(id)).filter(fit).collect();
    }

    /// Moves the tip: the active chain is cut above `fork`, then `path` is appended.
    fn set_active(&mut self, fork: NodeId, path: &[NodeId]) {
        self.active.truncate(self.tree.node(fork).height as usize + 1);
        self.active.extend_from_slice(path);
        let tip = self.candidate(self.tip());
        self.candidates = self.candidates.split_off(&tip);
        self.candidates.insert(tip);
    }

    /// Where the active chain starts over when a store is opened: `tip` and its ancestors.
    pub(crate) fn reset_active(&mut self, tip: NodeId) {
        self.active = vec![NodeId::GENESIS];
        let path = self.tree.path(NodeId::GENESIS, tip);
        self.active.extend(path);
        self.rebuild_candidates();
    }

    /// A stored body with its txids, from memory or the store.
    pub(crate) fn body(&self, hash: &BlockHash, store: &dyn Store) -> Result<Option<Arc<CheckedBlock>>, StoreError> {
        if let Some(body) = self.bodies.get(hash) {
            return Ok(Some(body.clone()));
        }
        Ok(store.block(hash)?.map(|block| Arc::new(CheckedBlock::from_store(block))))
    }

    /// A stored block, from memory or the store.
    pub(crate) fn block(&self, hash: &BlockHash, store: &dyn Store) -> Result<Option<Arc<Block>>, StoreError> {
        match self.bodies.get(hash) {
            Some(body) => Ok(Some(body.block().clone())),
            None => store.block(hash),
        }
    }

    /// A connected block's undo data, from this call's outputs or the store.
    pub(crate) fn undo(&self, hash: &BlockHash, store: &dyn Store) -> Result<Option<Arc<BlockUndo>>, StoreError> {
        match self.undo_of_this_call.get(hash) {
            Some(undo) => Ok(Some(undo.clone())),
            None => store.undo(hash),
        }
    }

    /// Drops headers that nobody shows a block for, when they are too many; whose they were. No [`NodeId`] may be kept across.
    pub(crate) fn forget_headers(&mut self) -> Vec<BlockHash> {
        let Some(forgotten) = self.tree.forget_headers() else { return Vec::new() };
        self.active = self.active.iter().filter_map(|id| forgotten.place(*id)).collect();
        self.rebuild_candidates();
        forgotten.hashes
    }

    /// Ends a call: what was handed to the store can be read from it now, so memory need not hold more than its bound.
    pub(crate) fn end_call(&mut self) {
        if !self.undo_of_this_call.is_empty() {
            self.undo_of_this_call = IdMap::with_hasher(self.state);
        }
        self.bodies.shrink();
    }
}

/// Stored bodies still in memory, oldest dropped first.
#[derive(Debug)]
pub(crate) struct Bodies {
    blocks: IdMap<BlockHash, Arc<CheckedBlock>>,
    order: VecDeque<BlockHash>,
    bytes: usize,
}

impl Bodies {
    fn new(state: IdState) -> Bodies {
        Bodies { blocks: IdMap::with_hasher(state), order: VecDeque::new(), bytes: 0 }
    }
    fn get(&self, hash: &BlockHash) -> Option<&Arc<CheckedBlock>> {
        self.blocks.get(hash)
    }
    /// Keeps a body at least until the end of this call.
    pub(crate) fn insert(&mut self, body: Arc<CheckedBlock>) {
        let (hash, size) = (body.hash(), body.size());
        if self.blocks.insert(hash, body).is_none() {
            self.order.push_back(hash);
            self.bytes += size;
        }
    }
    fn shrink(&mut self) {
        while self.bytes > BODIES_BYTES_MAX || self.order.len() > BODIES_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(body) = self.blocks.remove(&oldest) {
                self.bytes -= body.size();
            }
        }
    }
}
