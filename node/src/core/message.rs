//! What peers say to each other. The shell turns these into bytes (`shell/network`); the simulator passes them as they are.
use chain_spec::{Block, BlockHash, Header, Transaction, Txid};
use std::sync::Arc;

/// Most headers in one answer.
pub const HEADERS_PER_MESSAGE_MAX: usize = 2_000;
/// Most blocks asked for in one request.
pub const BLOCKS_PER_REQUEST_MAX: usize = 16;
/// Most hashes in a locator (Core: `MAX_LOCATOR_SZ`).
pub const LOCATOR_HASHES_MAX: usize = 101;
/// Bytes of blocks or transactions in one answer; one block is sent whatever its size.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;
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
    /// The announced block's header, whose work is checked before anything else.
    pub header: Header,
    /// Keys the short ids, with the header (BIP152).
    pub nonce: u64,
    /// 48-bit ids of the transactions that are not prefilled, in block order.
    pub short_ids: Vec<u64>,
    /// Position in the block and transaction, ascending; the coinbase always.
    pub prefilled: Vec<(u32, Arc<Transaction>)>,
}

impl CompactBlock {
    /// Announces a block, its coinbase prefilled.
    pub fn new(block: &Block, nonce: u64) -> CompactBlock {
        let txids: Vec<Txid> = block.transactions.iter().skip(1).map(Transaction::txid).collect();
        Self::with_txids(block, &txids, nonce)
    }

    /// Announces a block whose transactions after the coinbase have these ids.
    pub(crate) fn with_txids(block: &Block, txids: &[Txid], nonce: u64) -> CompactBlock {
        let keys = ShortIds::new(&block.header, nonce);
        let short_ids = txids.iter().map(|txid| keys.short_id(txid)).collect();
        let prefilled = block.transactions.iter().take(1).map(|coinbase| (0, Arc::new(coinbase.clone()))).collect();
        CompactBlock { header: block.header, nonce, short_ids, prefilled }
    }
}

/// Makes short ids under one announcement's key: SipHash-2-4 keyed by the SHA-256 of header and nonce, 48 bits (BIP152).
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortIds(siphasher::sip::SipHasher24);

impl ShortIds {
    /// The key of an announcement.
    pub(crate) fn new(header: &Header, nonce: u64) -> ShortIds {
        let mut bytes = header.to_array().to_vec();
        bytes.extend_from_slice(&nonce.to_le_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&chain_spec::hash::sha256(&bytes)[..16]);
        ShortIds(siphasher::sip::SipHasher24::new_with_key(&key))
    }
    /// A transaction's short id.
    pub(crate) fn short_id(&self, txid: &Txid) -> u64 {
        self.0.hash(txid.as_bytes()) & 0xffff_ffff_ffff
    }
}
/// Asked of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Headers after the first locator hash the peer has in its active chain.
    Headers {
        /// Hashes of the asker's best chain, newest first.
        locator: Vec<BlockHash>,
        /// The last header wanted, or zero for as many as fit.
        stop: BlockHash,
    },
    /// Whole blocks.
    Blocks {
        /// At most [`BLOCKS_PER_REQUEST_MAX`].
        hashes: Vec<BlockHash>,
    },
    /// Transactions of one block, by position.
    BlockTransactions {
        /// The block that lacks transactions.
        block: BlockHash,
        /// Positions in it, ascending.
        indexes: Vec<u32>,
    },
    /// Ids of the peer's mempool.
    Mempool,
    /// Transactions of the peer's mempool.
    Transactions {
        /// At most [`TRANSACTIONS_PER_MESSAGE_MAX`].
        txids: Vec<Txid>,
    },
}
/// What a peer sends back, a variant for each [`Request`].
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
    /// To [`Request::Blocks`]: those that were asked for were deleted here, as may be every one below this height.
    Pruned {
        /// The lowest height from which on all blocks of the active chain are here.
        from_height: u32,
    },
}
