//! Looking after a store from outside the core: how large it is, and whether what it holds can still be read.

use super::error::damaged;
use super::keys::BlockPosition;
use super::shared::Shared;
use crate::core::store::StoreError;
use chain_spec::rules::block::check_block;
use chain_spec::{Block, BlockHash, BlockUndo, ChainSpec};
use std::sync::Arc;

/// Reads an open store beside the core, from any thread. It keeps the directory locked while it lives.
#[derive(Clone, Debug)]
pub struct Inspector(pub(super) Arc<Shared>);

/// How thoroughly [`Inspector::verify`] looks (Core: the first levels of `verifychain`; deeper ones need the chain's rules).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// The block is read and its checksum compared (level 0).
    Read,
    /// It passes the context-free rules as well (level 1).
    Check,
    /// Its undo data is read and fits it (level 2).
    Undo,
}

impl Inspector {
    /// Bytes of blocks, undo data and coin database on disk.
    pub fn size_on_disk(&self) -> Result<u64, StoreError> {
        let mut total = self.0.state.size_on_disk()?;
        for set in [&self.0.blocks, &self.0.undos] {
            total += set.list()?.iter().map(|(_, length)| length).sum::<u64>();
        }
        Ok(total)
    }

    /// Coins in the last commit.
    pub fn committed_coins(&self) -> Result<u64, StoreError> {
        Ok(self.0.state.meta()?.map_or(0, |meta| meta.coins.count))
    }

    /// Sums all committed coins and compares with what the commits said. Takes about 2 µs per coin; no commit may run meanwhile.
    pub fn verify_coins(&self) -> Result<(), StoreError> {
        self.0.state.check_coins()
    }

    /// Reads a block from the disk, whatever is cached, and checks it. `Ok(false)` if it, or its undo data at that depth, has
    /// not been stored.
    pub fn verify(&self, hash: &BlockHash, spec: &ChainSpec, depth: Depth) -> Result<bool, StoreError> {
        let Some(BlockPosition { position, .. }) = self.0.block_position(hash)? else { return Ok(false) };
        let block = Arc::new(self.0.read_block(hash, position)?);
        if depth >= Depth::Check && *hash != spec.genesis_hash() {
            check_block(block.clone(), spec)
                .map_err(|error| damaged(&self.0.blocks.path(position.file), position.offset.into(), error))?;
        }
        if depth < Depth::Undo {
            return Ok(true);
        }
        let Some(position) = self.0.undo_position(hash)? else { return Ok(false) };
        let undo = self.0.read_undo(hash, position)?;
        if fits(&block, &undo) {
            return Ok(true);
        }
        let what = format_args!("the undo data of block {hash} does not fit the block");
        Err(damaged(&self.0.undos.path(position.file), position.offset.into(), what))
    }
}

/// One spent coin per input of every transaction but the coinbase.
fn fits(block: &Block, undo: &BlockUndo) -> bool {
    let spending = block.transactions.iter().skip(1);
    spending.len() == undo.spent.len()
        && spending.zip(&undo.spent).all(|(transaction, spent)| transaction.inputs.len() == spent.len())
}
