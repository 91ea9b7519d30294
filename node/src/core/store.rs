//! What the core reads from a store, and the commits it asks for. `shell/store` keeps it on disk; the simulator and tests in memory.
pub mod memory;

use chain_spec::{Block, BlockHash, BlockUndo, CheckedTransaction, Coin, Header, Outpoint, Txid};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The store failed. Fatal to the node; never a rule error, so no peer is blamed for our disk.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Reads. Writes are [`Output`](super::event::Output)s.
pub trait Store: Send {
    /// A committed coin.
    fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError>;
    /// A stored block.
    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError>;
    /// A fully validated block's undo data.
    fn undo(&self, hash: &BlockHash) -> Result<Option<Arc<BlockUndo>>, StoreError>;
    /// The block that holds a transaction (`--txindex`; `None` without).
    fn transaction_block(&self, txid: &Txid) -> Result<Option<BlockHash>, StoreError>;
    /// A connected block's filter (`--blockfilterindex`; `None` without, or if the block was not connected).
    fn block_filter(&self, _hash: &BlockHash) -> Result<Option<BlockFilter>, StoreError> {
        Ok(None)
    }
    /// The transaction of a connected block that spends a coin (`--txospenderindex`; `None` without). Its block may be of an
    /// abandoned branch, so the caller checks that it is in the active chain.
    fn spender(&self, _outpoint: &Outpoint) -> Result<Option<Spender>, StoreError> {
        Ok(None)
    }
    /// Bytes that blocks and undo data take on the disk.
    fn block_bytes(&self) -> u64 {
        0
    }
    /// The files of blocks that nothing is appended to any more, from the oldest on. Reads where every block is.
    fn block_files(&self) -> Result<Vec<BlockFile>, StoreError> {
        Ok(Vec::new())
    }
    /// Every committed coin in key order (txid bytes, then output index), until `visit` breaks off.
    fn for_each_coin(&self, visit: &mut dyn FnMut(Outpoint, Coin) -> ControlFlow<()>) -> Result<(), StoreError>;
    /// A reader for another thread, to which the committed coins stand still: until it is dropped, a commit of coins waits.
    fn held(&self) -> Box<dyn Store>;
}
/// A file of blocks: what pruning deletes at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockFile {
    /// Its size and that of the undo data of its blocks, bytes.
    pub bytes: u64,
    /// The blocks in it, in no order.
    pub blocks: Vec<BlockHash>,
}
/// A block's basic filter (BIP158) and the header that chains it to the filters before (BIP157).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockFilter {
    /// The filter header.
    pub header: [u8; 32],
    /// The filter's bytes.
    pub filter: Vec<u8>,
}
/// Who spends a coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spender {
    /// The transaction.
    pub txid: Txid,
    /// The block that holds it.
    pub block: BlockHash,
}
/// What the header index says of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The block's 80-byte header.
    pub header: Header,
    /// Blocks below it.
    pub height: u32,
    /// Transactions, 0 while the body has not been seen.
    pub transactions: u32,
    /// How far it has been judged.
    pub status: Status,
    /// Its undo data was deleted, and its body too unless that came again.
    pub is_pruned: bool,
}
/// How far a block has been judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The header is fine; the body has not been stored.
    Header,
    /// The body is stored and passed the context-free checks.
    Stored,
    /// It has been connected once: all rules, signatures included.
    Valid,
    /// It breaks a rule (or an operator said so).
    Invalid,
    /// A descendant of an invalid block.
    InvalidAncestor,
}
/// One atomic write, of whatever size. Coins come in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// Coins made (`Some`) or spent (`None`) since the last commit.
    pub coins: Vec<(Outpoint, Option<Coin>)>,
    /// The block after which exactly these coins exist. `None`: coins and tip as they were (index only).
    pub coins_tip: Option<BlockHash>,
    /// New or changed index entries.
    pub entries: Vec<IndexEntry>,
    /// Headers whose index entries go.
    pub forgotten: Vec<BlockHash>,
    /// Blocks whose bodies and undo data go.
    pub pruned: Vec<BlockHash>,
}
/// What a store holds when it is opened.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The block the committed coins stand at; `None` in a new store (nothing committed, not even genesis).
    pub coins_tip: Option<BlockHash>,
    /// The header index, parents before children; blocks found in the files but not in the committed index are included as `Stored`
    /// (or `Valid` where undo data is there too).
    pub entries: Vec<IndexEntry>,
    /// Locally submitted transactions that were kept, in the order they came.
    pub transactions: Vec<Arc<CheckedTransaction>>,
}
