//! Blocks and undo data by hash: what memory still holds, and the [`Store`] for the rest.
//!
//! What a call hands to the store can be read from it only in the next call, so it is kept here at least until then.

use crate::core::hash_map::{IdMap, IdState};
use crate::core::store::{Store, StoreError};
use chain_spec::{Block, BlockHash, BlockUndo, CheckedBlock};
use std::collections::VecDeque;
use std::sync::Arc;

/// Bodies kept in memory between being stored and being connected or asked for, bytes of blocks.
const BODIES_BYTES_MAX: usize = 32 << 20;
/// The same, blocks; bounds what thousands of cores in one process keep.
const BODIES_MAX: usize = 512;

/// Stored bodies still in memory, oldest dropped first, and this call's undo data.
#[derive(Debug)]
pub(super) struct Bodies {
    blocks: IdMap<BlockHash, Arc<CheckedBlock>>,
    order: VecDeque<BlockHash>,
    bytes: usize,
    /// Emitted in this call.
    undo: IdMap<BlockHash, Arc<BlockUndo>>,
    state: IdState,
}

impl Bodies {
    /// Nothing in memory.
    pub(super) fn new(state: IdState) -> Bodies {
        let (blocks, undo) = (IdMap::with_hasher(state), IdMap::with_hasher(state));
        Bodies { blocks, order: VecDeque::new(), bytes: 0, undo, state }
    }

    /// Keeps a body at least until the end of this call.
    pub(super) fn insert(&mut self, body: Arc<CheckedBlock>) {
        let (hash, size) = (body.hash(), body.size());
        if self.blocks.insert(hash, body).is_none() {
            self.order.push_back(hash);
            self.bytes += size;
        }
    }

    /// Lets go of bodies that are deleted.
    pub(super) fn forget(&mut self, hashes: &[BlockHash]) {
        for hash in hashes {
            if let Some(body) = self.blocks.remove(hash) {
                self.bytes -= body.size();
            }
        }
        self.order.retain(|hash| self.blocks.contains_key(hash));
    }

    /// Keeps undo data until the end of this call.
    pub(super) fn insert_undo(&mut self, hash: BlockHash, undo: Arc<BlockUndo>) {
        self.undo.insert(hash, undo);
    }

    /// A stored body with its txids.
    pub(super) fn body(&self, hash: &BlockHash, store: &dyn Store) -> Result<Option<Arc<CheckedBlock>>, StoreError> {
        if let Some(body) = self.blocks.get(hash) {
            return Ok(Some(body.clone()));
        }
        Ok(store.block(hash)?.map(|block| Arc::new(CheckedBlock::from_store(block))))
    }

    /// A stored block.
    pub(super) fn block(&self, hash: &BlockHash, store: &dyn Store) -> Result<Option<Arc<Block>>, StoreError> {
        match self.blocks.get(hash) {
            Some(body) => Ok(Some(body.block().clone())),
            None => store.block(hash),
        }
    }

    /// A connected block's undo data.
    pub(super) fn undo(&self, hash: &BlockHash, store: &dyn Store) -> Result<Option<Arc<BlockUndo>>, StoreError> {
        match self.undo.get(hash) {
            Some(undo) => Ok(Some(undo.clone())),
            None => store.undo(hash),
        }
    }

    /// Ends a call: what was handed to the store can be read from it now, so memory need not hold more than its bound.
    pub(super) fn end_call(&mut self) {
        if !self.undo.is_empty() {
            self.undo = IdMap::with_hasher(self.state);
        }
        while self.bytes > BODIES_BYTES_MAX || self.order.len() > BODIES_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(body) = self.blocks.remove(&oldest) {
                self.bytes -= body.size();
            }
        }
    }
}
