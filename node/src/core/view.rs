//! What others may read of a [`Core`]: the RPC, the miner's glue and the simulator. Nothing here changes anything.
//!
//! Every answer is of the moment: the owner of the core runs these between two inputs.

use super::Core;
use super::event::{PeerKey, Rejected, Time};
use super::mempool::Mempool;
use super::store::{Status, StoreError};
use super::template::Template;
use chain_spec::{
    Amount, Block, BlockHash, BlockUndo, ChainSpec, Coin, Header, Outpoint, Script, Transaction, Txid, Work,
};
use std::sync::Arc;

/// One block of the tree, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its hash.
    pub hash: BlockHash,
    /// Its header.
    pub header: Header,
    /// Blocks below it.
    pub height: u32,
    /// Work of the whole branch up to and including it (Core: `chainwork`).
    pub work: Work,
    /// Median of the times of this block and the ten before it, Unix seconds (BIP113).
    pub median_time_past_s: u32,
    /// Transactions, 0 while the body is not stored.
    pub transactions: u32,
    /// How far it has been judged.
    pub status: Status,
    /// In the active chain.
    pub active: bool,
    /// The next block of the active chain, if this one is active and not the tip.
    pub next: Option<BlockHash>,
}

/// A leaf of the block tree (Core: `getchaintips`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainTip {
    /// The leaf.
    pub summary: Summary,
    /// Blocks between it and the active chain; 0 for the active tip.
    pub branch_length: u32,
    /// Core's word for it.
    pub status: ChainTipStatus,
}

/// Core's words for a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainTipStatus {
    /// The active tip.
    Active,
    /// Fully validated, but not in the active chain.
    ValidFork,
    /// All bodies are stored; not fully validated.
    ValidHeaders,
    /// Some body of the branch is missing.
    HeadersOnly,
    /// Some block of the branch is invalid.
    Invalid,
}

/// `active`, `valid-fork`, `valid-headers`, `headers-only`, `invalid`.
impl std::fmt::Display for ChainTipStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ChainTipStatus::Active => "active",
            ChainTipStatus::ValidFork => "valid-fork",
            ChainTipStatus::ValidHeaders => "valid-headers",
            ChainTipStatus::HeadersOnly => "headers-only",
            ChainTipStatus::Invalid => "invalid",
        })
    }
}

/// What `testmempoolaccept` says of a transaction that would be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tested {
    /// Its id.
    pub txid: Txid,
    /// What it leaves to the miner.
    pub fee: Amount,
    /// Its bytes.
    pub size: usize,
}

/// How far the chain has been fetched and checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Height of the best header.
    pub headers: u32,
    /// Height of the active tip.
    pub blocks: u32,
    /// Whether the node is still catching up with headers it knows.
    pub initial_block_download: bool,
    /// Between 0 and 1.
    pub verification_progress: f64,
}

/// What the core knows of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerState {
    /// They dialled us.
    pub inbound: bool,
    /// The best header they told us of, if any (Core: `synced_headers`).
    pub best_header: Option<(BlockHash, u32)>,
    /// The highest block both of us have (Core: `synced_blocks`).
    pub common_height: Option<u32>,
    /// Heights of the blocks asked of them, ascending (Core: `inflight`).
    pub in_flight: Vec<u32>,
    /// Height of their best header when they connected (Core: `startingheight`); `None` until they answered.
    pub starting_height: Option<u32>,
}

impl Core {
    /// The chain's parameters.
    pub fn spec(&self) -> &Arc<ChainSpec> {
        todo!()
    }
    /// The active tip.
    pub fn tip(&self) -> Summary {
        todo!()
    }
    /// The known header with the most work that is not invalid.
    pub fn best_header(&self) -> Summary {
        todo!()
    }
    /// A block of the tree.
    pub fn summary(&self, _hash: &BlockHash) -> Option<Summary> {
        todo!()
    }
    /// The active chain's block at a height.
    pub fn active_hash(&self, _height: u32) -> Option<BlockHash> {
        todo!()
    }
    /// A stored block.
    pub fn block(&self, _hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError> {
        todo!()
    }
    /// The coins a fully validated block spent.
    pub fn undo(&self, _hash: &BlockHash) -> Result<Option<Arc<BlockUndo>>, StoreError> {
        todo!()
    }
    /// Every leaf of the tree, highest first (Core: `getchaintips`).
    pub fn chain_tips(&self) -> Vec<ChainTip> {
        todo!()
    }
    /// An unspent coin of the active chain; with `include_mempool`, also one a pooled transaction makes, and none that one spends.
    pub fn coin(&self, _outpoint: &Outpoint, _include_mempool: bool) -> Result<Option<Coin>, StoreError> {
        todo!()
    }
    /// Every unspent coin of the active chain in key order (txid bytes, then index), unflushed ones included.
    pub fn for_each_coin(&self, _visit: &mut dyn FnMut(Outpoint, Coin)) -> Result<(), StoreError> {
        todo!()
    }
    /// The block that holds a transaction (`--txindex`).
    pub fn transaction_block(&self, _txid: &Txid) -> Result<Option<BlockHash>, StoreError> {
        todo!()
    }
    /// The mempool.
    pub fn mempool(&self) -> &Mempool {
        todo!()
    }
    /// Whether a transaction would be accepted now (`testmempoolaccept`); changes nothing.
    pub fn test_transaction(
        &self,
        _transaction: &Arc<Transaction>,
        _now: Time,
    ) -> Result<Result<Tested, Rejected>, StoreError> {
        todo!()
    }
    /// A block to mine on the active tip that pays `payout` (see [`Template`]).
    pub fn template(&self, _payout: &Script, _now: Time) -> Template {
        todo!()
    }
    /// A block to mine on any known block, holding exactly these transactions (with their fees): what a private branch needs.
    /// `None` if the parent is not known. The caller answers for the transactions being valid there.
    pub fn template_on(
        &self,
        _parent: &BlockHash,
        _payout: &Script,
        _transactions: &[Arc<chain_spec::CheckedTransaction>],
        _now: Time,
    ) -> Option<Template> {
        todo!()
    }
    /// How far synchronisation is.
    pub fn progress(&self, _now: Time) -> Progress {
        todo!()
    }
    /// What is known of a peer.
    pub fn peer(&self, _peer: PeerKey) -> Option<PeerState> {
        todo!()
    }
}
