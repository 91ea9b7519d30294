//! Context-free rules of a block (Core: `CheckBlock`, less the header's).
use super::Reject;
use crate::{Block, BlockHash, ChainSpec, Header, Txid};
use std::sync::Arc;
/// A block that has passed [`check_block`], with its hash, txids and size. Share it as `Arc<CheckedBlock>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedBlock {
    block: Arc<Block>,
    hash: BlockHash,
    txids: Vec<Txid>,
    size: usize,
}
impl CheckedBlock {
    /// The block.
    pub fn block(&self) -> &Arc<Block> {
        &self.block
    }
    /// Its header.
    pub fn header(&self) -> &Header {
        &self.block.header
    }
    /// Its hash.
    pub fn hash(&self) -> BlockHash {
        self.hash
    }
    /// Its transactions' ids, the coinbase's first.
    pub fn txids(&self) -> &[Txid] {
        &self.txids
    }
    /// Its bytes.
    pub fn size(&self) -> usize {
        self.size
    }
    /// A block read back from our own store, whose check passed before it was written: only ids are recomputed.
    pub fn from_store(_block: Arc<Block>) -> CheckedBlock {
        todo!()
    }
}
/// The rule a block breaks. A *mutated* one (bad Merkle root or duplicated leaves) says nothing about its hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// x
    #[error("no coinbase")]
    CoinbaseMissing,
}
impl BlockError {
    /// The body does not belong to the header: the hash must not be marked invalid (CVE-2012-2459).
    pub fn is_mutation(&self) -> bool {
        todo!()
    }
}
impl Reject for BlockError {
    fn reason(&self) -> &'static str {
        todo!()
    }
}
/// Checks size, coinbase place, Merkle root, signature operations and every transaction.
pub fn check_block(_block: Arc<Block>, _spec: &ChainSpec) -> Result<CheckedBlock, BlockError> {
    todo!()
}
