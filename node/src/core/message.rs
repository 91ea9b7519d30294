//! What peers say to each other. The shell turns these into bytes (`shell/network`); the simulator passes them as they are.
use chain_spec::{Block, BlockHash, Header, Transaction, Txid};
use std::sync::Arc;

/// Most headers in one answer.
pub const HEADERS_PER_MESSAGE_MAX: usize = 2_000;
/// Most blocks asked for in one request.
pub const BLOCKS_PER_REQUEST_MAX: usize = 16;
/// Most hashes in a locator (Core: `MAX_LOCATOR_SZ`).
pub const LOCATOR_HASHES_MAX: usize = 101;
/// Most transaction ids or transactions in one answer.
pub const TRANSACTIONS_PER_MESSAGE_MAX: usize = 50_000;

/// Sent to everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gossip {
    /// A whole transaction (topic `transactions`).
    Transaction(Arc<Transaction>),
    /// A block without the transactions that the receiver probably has (topic `blocks`).
    Block(Arc<CompactBlock>),
}
/// A block announcement: header, keyed short ids, and transactions the receiver cannot have (the coinbase).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactBlock {
    /// The header.
    pub header: Header,
    /// Keys the short ids, with the header (BIP152).
    pub nonce: u64,
    /// 48-bit ids of the transactions that are not prefilled, in block order.
    pub short_ids: Vec<u64>,
    /// Position in the block and transaction, ascending; the coinbase always.
    pub prefilled: Vec<(u32, Arc<Transaction>)>,
}
/// Asked of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Headers after the first locator hash the peer has in its active chain.
    Headers {
        /** newest first */
        locator: Vec<BlockHash>,
        /** last wanted, or zero for as many as fit */
        stop: BlockHash,
    },
    /// Whole blocks.
    Blocks {
        /** which */
        hashes: Vec<BlockHash>,
    },
    /// Transactions of one block, by position.
    BlockTransactions {
        /** which block */
        block: BlockHash,
        /** positions, ascending */
        indexes: Vec<u32>,
    },
    /// Ids of the peer's mempool.
    Mempool,
    /// Transactions of the peer's mempool.
    Transactions {
        /** which */
        txids: Vec<Txid>,
    },
}
/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Linked headers, oldest first; empty when there is nothing newer.
    Headers(Vec<Header>),
    /// The blocks that were asked for and are there, in the order asked for.
    Blocks(Vec<Arc<Block>>),
    /// In the order asked for; empty when the block is not there.
    BlockTransactions(Vec<Arc<Transaction>>),
    /// Mempool ids.
    Mempool(Vec<Txid>),
    /// The transactions that were asked for and are there.
    Transactions(Vec<Arc<Transaction>>),
}
