//! Context-free rules of a block (Core: `CheckBlock`, less the header's).
use super::RuleError;
use super::transaction::{self, TransactionError};
use crate::block::{Block, Header};
use crate::encode::compact_size_len;
use crate::hash::{BlockHash, MerkleRoot, Txid};
use crate::merkle::merkle_root;
use crate::spec::ChainSpec;
use std::sync::Arc;

/// Bytes of a block for each signature operation it may hold (Core: `MAX_BLOCK_SIZE / 50`).
pub const BYTES_PER_SIGNATURE_OPERATION: usize = 50;
/// Bytes of a transaction that can be mistaken for an inner node of the Merkle tree (CVE-2017-12842).
const INNER_NODE_LEN: usize = 64;

/// A block that has passed [`check_block`], with its hash, txids and size. Share it as `Arc<CheckedBlock>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedBlock {
    block: Arc<Block>,
    hash: BlockHash,
    txids: Vec<Txid>,
    size: usize,
}
impl CheckedBlock {
    /// The block that passed the checks.
    pub fn block(&self) -> &Arc<Block> {
        &self.block
    }
    /// The block's 80-byte header.
    pub fn header(&self) -> &Header {
        &self.block.header
    }
    /// The header's hash, which was computed once when the block was checked.
    pub fn hash(&self) -> BlockHash {
        self.hash
    }
    /// Its transactions' ids, the coinbase's first.
    pub fn txids(&self) -> &[Txid] {
        &self.txids
    }
    /// Length of the block's encoding, bytes.
    pub fn size(&self) -> usize {
        self.size
    }
    /// A block read back from our own store, whose check passed before it was written: only ids are recomputed.
    pub fn from_store(block: Arc<Block>) -> CheckedBlock {
        let ids = Ids::of(&block);
        CheckedBlock { hash: block.hash(), txids: ids.txids, size: ids.block_size, block }
    }
}

/// The rule a block breaks. A *mutated* one (bad Merkle root or duplicated leaves) says nothing about its hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The transactions are not the ones the header commits to.
    #[error("the transactions' Merkle root is {found}, the header says {stated}")]
    MerkleRoot {
        /// Over the block's transactions.
        found: MerkleRoot,
        /// In the header.
        stated: MerkleRoot,
    },
    /// The list ends in a repetition that leaves the Merkle root as it was (CVE-2012-2459).
    #[error("the list of transactions repeats its end, which leaves the Merkle root unchanged")]
    DuplicatedTransactions,
    /// No transactions, or more bytes than the chain allows.
    #[error(
        "the block has {transactions} transactions and {size} bytes; it must have one at least and {size_max} bytes at most"
    )]
    Length {
        /// How many transactions.
        transactions: usize,
        /// Length of the block's encoding, bytes.
        size: usize,
        /// The chain's limit, bytes.
        size_max: usize,
    },
    /// The first transaction is not a coinbase.
    #[error("the first transaction is not a coinbase")]
    CoinbaseMissing {
        /// One of the transactions is as long as an inner node of the Merkle tree, so the list may be a forgery of another.
        looks_mutated: bool,
    },
    /// Another transaction is a coinbase too.
    #[error("transaction {index} is a coinbase, which only the first may be")]
    CoinbaseMultiple {
        /// Its position in the block, from 0.
        index: usize,
    },
    /// A transaction breaks a rule of its own.
    #[error("transaction {index} ({txid}): {error}")]
    Transaction {
        /// The transaction's position in the block, from 0.
        index: usize,
        /// The transaction that breaks a rule.
        txid: Txid,
        /// The rule that it breaks.
        error: TransactionError,
    },
    /// Too many signature operations by the legacy count.
    #[error("the block's scripts have {found} signature operations, the most is {max}")]
    SignatureOperations {
        /// In all scripts of the block.
        found: u64,
        /// One per 50 bytes of the largest block.
        max: u64,
    },
}
impl BlockError {
    /// The body does not belong to the header: the hash must not be marked invalid (CVE-2012-2459; Core: `BLOCK_MUTATED`
    /// and `IsBlockMutated`).
    pub fn is_mutation(&self) -> bool {
        matches!(
            self,
            BlockError::MerkleRoot { .. }
                | BlockError::DuplicatedTransactions
                | BlockError::CoinbaseMissing { looks_mutated: true }
        )
    }
}
impl RuleError for BlockError {
    fn reason(&self) -> &'static str {
        match self {
            BlockError::MerkleRoot { .. } => "bad-txnmrklroot",
            BlockError::DuplicatedTransactions => "bad-txns-duplicate",
            BlockError::Length { .. } => "bad-blk-length",
            BlockError::CoinbaseMissing { .. } => "bad-cb-missing",
            BlockError::CoinbaseMultiple { .. } => "bad-cb-multiple",
            BlockError::Transaction { error, .. } => error.reason(),
            BlockError::SignatureOperations { .. } => "bad-blk-sigops",
        }
    }
}

/// Checks size, coinbase place, Merkle root, signature operations and every transaction.
///
/// # Errors
/// The first rule broken, in Core's order: the Merkle root comes first, since nothing else that is wrong with a body says
/// anything about a header it does not belong to.
pub fn check_block(block: Arc<Block>, spec: &ChainSpec) -> Result<CheckedBlock, BlockError> {
    let Ids { txids, sizes, block_size } = Ids::of(&block);
    has_merkle_root(&block, &txids)?;
    has_length(&block, block_size, spec)?;
    has_coinbase_first(&block, &sizes)?;
    has_one_coinbase(&block)?;
    for (index, (transaction, size)) in block.transactions.iter().zip(&sizes).enumerate() {
        transaction::check(transaction, *size, spec.money_max).map_err(|error| BlockError::Transaction {
            index,
            txid: txids[index],
            error,
        })?;
    }
    has_few_signature_operations(&block, spec)?;
    Ok(CheckedBlock { hash: block.hash(), txids, size: block_size, block })
}

/// What one pass over the transactions' bytes yields.
struct Ids {
    txids: Vec<Txid>,
    /// Bytes of each transaction.
    sizes: Vec<usize>,
    block_size: usize,
}
impl Ids {
    fn of(block: &Block) -> Ids {
        let count = block.transactions.len();
        let (mut txids, mut sizes) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut scratch = Vec::new();
        for transaction in &block.transactions {
            txids.push(transaction.txid_with(&mut scratch));
            sizes.push(scratch.len());
        }
        let block_size = Header::LEN + compact_size_len(count as u64) + sizes.iter().sum::<usize>();
        Ids { txids, sizes, block_size }
    }
}

/// Two rules over one tree: the root is the header's, and no repetition stands behind it.
fn has_merkle_root(block: &Block, txids: &[Txid]) -> Result<(), BlockError> {
    let (found, mutated) = merkle_root(txids);
    let stated = block.header.merkle_root;
    if found != stated {
        return Err(BlockError::MerkleRoot { found, stated });
    }
    if mutated { Err(BlockError::DuplicatedTransactions) } else { Ok(()) }
}

fn has_length(block: &Block, size: usize, spec: &ChainSpec) -> Result<(), BlockError> {
    let (transactions, size_max) = (block.transactions.len(), spec.block_size_max);
    if transactions == 0 || size > size_max {
        return Err(BlockError::Length { transactions, size, size_max });
    }
    Ok(())
}

fn has_coinbase_first(block: &Block, sizes: &[usize]) -> Result<(), BlockError> {
    if block.transactions[0].is_coinbase() {
        return Ok(());
    }
    Err(BlockError::CoinbaseMissing { looks_mutated: sizes.contains(&INNER_NODE_LEN) })
}

fn has_one_coinbase(block: &Block) -> Result<(), BlockError> {
    match block.transactions.iter().skip(1).position(|transaction| transaction.is_coinbase()) {
        Some(after_first) => Err(BlockError::CoinbaseMultiple { index: after_first + 1 }),
        None => Ok(()),
    }
}

fn has_few_signature_operations(block: &Block, spec: &ChainSpec) -> Result<(), BlockError> {
    let found = block.transactions.iter().map(|transaction| u64::from(transaction.signature_operations())).sum();
    let max = (spec.block_size_max / BYTES_PER_SIGNATURE_OPERATION) as u64;
    if found > max { Err(BlockError::SignatureOperations { found, max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
