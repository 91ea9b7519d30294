//! What others may read of a [`Core`]: the RPC, the miner's glue and the simulator. Nothing here changes anything.
//!
//! Every answer is of the moment: the owner of the core runs these between two inputs.

use super::Core;
use super::chain::connect::made_coins;
use super::chain::tree::{Node, NodeId};
use super::event::{PeerKey, Rejection, Time};
use super::mempool::Mempool;
use super::mempool::accept::Entrance;
use super::store::{Status, StoreError};
use chain_spec::{Amount, Block, BlockHash, BlockUndo, ChainSpec, Coin, Header, Outpoint, Transaction, Txid, Work};
use std::collections::BTreeMap;
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
        &self.spec
    }
    /// The active tip.
    pub fn tip(&self) -> Summary {
        self.summarise(self.chain.tip())
    }
    /// The known header with the most work that is not invalid.
    pub fn best_header(&self) -> Summary {
        self.summarise(self.chain.tree.best_header())
    }
    /// A block of the tree.
    pub fn summary(&self, hash: &BlockHash) -> Option<Summary> {
        self.chain.tree.find(hash).map(|id| self.summarise(id))
    }
    /// The active chain's block at a height.
    pub fn active_hash(&self, height: u32) -> Option<BlockHash> {
        self.chain.active_at(height).map(|id| self.chain.tree.node(id).hash)
    }

    /// The hash of the ancestor of a known block at a height.
    pub fn ancestor(&self, hash: &BlockHash, height: u32) -> Option<BlockHash> {
        let tree = &self.chain.tree;
        let ancestor = tree.node(tree.ancestor(tree.find(hash)?, height));
        (ancestor.height == height).then_some(ancestor.hash)
    }

    fn summarise(&self, id: NodeId) -> Summary {
        let node = self.chain.tree.node(id);
        let active = self.chain.is_active(id);
        Summary {
            hash: node.hash,
            header: node.header,
            height: node.height,
            work: node.work,
            median_time_past_s: node.median_time_past_s,
            transactions: node.transactions,
            status: node.status(),
            active,
            next: self.active_hash(node.height.saturating_add(1)).filter(|_| active),
        }
    }

    /// A stored block.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError> {
        self.chain.block(hash, self.store.as_ref())
    }
    /// The coins a fully validated block spent.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn undo(&self, hash: &BlockHash) -> Result<Option<Arc<BlockUndo>>, StoreError> {
        self.chain.undo(hash, self.store.as_ref())
    }

    /// Every leaf of the tree, and the active tip, highest first (Core: `getchaintips`).
    pub fn chain_tips(&self) -> Vec<ChainTip> {
        let tip = self.chain.tip();
        let mut leaves = self.chain.tree.leaves();
        leaves.retain(|leaf| *leaf != tip && !self.chain.is_active(*leaf));
        leaves.push(tip);
        let mut tips: Vec<ChainTip> = leaves
            .into_iter()
            .map(|id| {
                let summary = self.summarise(id);
                let fork = self.chain.tree.node(self.chain.fork_from_active(id)).height;
                let status = tip_status(self.chain.tree.node(id), summary.active);
                ChainTip { branch_length: summary.height - fork, summary, status }
            })
            .collect();
        tips.sort_by(|a, b| b.summary.height.cmp(&a.summary.height).then(a.summary.hash.cmp(&b.summary.hash)));
        tips
    }

    /// An unspent coin of the active chain; with `include_mempool`, also one a pooled transaction makes (at the height it
    /// would be mined at), and none that one spends.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn coin(&self, outpoint: &Outpoint, include_mempool: bool) -> Result<Option<Coin>, StoreError> {
        if include_mempool {
            if self.mempool.spender(outpoint).is_some() {
                return Ok(None);
            }
            if let Some(coin) = self.mempool.coin(outpoint, self.chain.height() + 1) {
                return Ok(Some(coin));
            }
        }
        self.coins.read(outpoint, self.store.as_ref())
    }

    /// The block that holds a transaction (`--txindex`).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn transaction_block(&self, txid: &Txid) -> Result<Option<BlockHash>, StoreError> {
        self.store.transaction_block(txid)
    }
    /// The mempool.
    pub fn mempool(&self) -> &Mempool {
        &self.mempool
    }

    /// Whether transactions that may spend from one another would be accepted in this order; changes nothing. The inner error
    /// is the first that would not, by its place.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn test_package(
        &self,
        transactions: &[Arc<Transaction>],
        now: Time,
    ) -> Result<Result<Vec<Tested>, (usize, Rejection)>, StoreError> {
        let (height, mut package, mut tested) = (self.chain.height() + 1, BTreeMap::new(), Vec::new());
        for (place, transaction) in transactions.iter().enumerate() {
            let judged = match self.judge_in_package(transaction, Entrance::New, now, &package)? {
                Ok(judged) => judged,
                Err(refusal) => return Ok(Err((place, refusal.rejected(&transaction.txid())))),
            };
            let checked = &judged.entry.transaction;
            for (outpoint, output) in made_coins(transaction, checked.txid()) {
                package.insert(outpoint, Coin { output: output.clone(), height, is_coinbase: false });
            }
            tested.push(Tested { txid: checked.txid(), fee: judged.entry.fee, size: checked.size() });
        }
        Ok(Ok(tested))
    }

    /// How far synchronisation is.
    pub fn progress(&self, now: Time) -> Progress {
        let headers = self.chain.tree.node(self.chain.tree.best_header()).height;
        let blocks = self.chain.height();
        let verification_progress = if headers > blocks { f64::from(blocks) / f64::from(headers) } else { 1.0 };
        Progress { headers, blocks, initial_block_download: self.is_behind(now), verification_progress }
    }

    /// What is known of a peer.
    pub fn peer(&self, peer: PeerKey) -> Option<PeerState> {
        let state = self.sync.peer(peer)?;
        let best = state.known.and_then(|hash| self.chain.tree.find(&hash));
        let height = |id: NodeId| self.chain.tree.node(id).height;
        let blocks = self.sync.blocks_of(state);
        let mut in_flight: Vec<u32> = blocks.iter().filter_map(|hash| self.chain.tree.find(hash)).map(height).collect();
        in_flight.sort_unstable();
        Some(PeerState {
            inbound: state.inbound,
            best_header: best.map(|id| (self.chain.tree.node(id).hash, height(id))),
            common_height: best.map(|id| height(self.chain.fork_from_active(id))),
            in_flight,
            starting_height: state.starting_height,
        })
    }
}

/// Core's word for a leaf.
fn tip_status(node: &Node, is_active: bool) -> ChainTipStatus {
    match node {
        _ if is_active => ChainTipStatus::Active,
        node if !node.is_sound() => ChainTipStatus::Invalid,
        Node { is_linked: false, .. } => ChainTipStatus::HeadersOnly,
        Node { is_connected: true, .. } => ChainTipStatus::ValidFork,
        _ => ChainTipStatus::ValidHeaders,
    }
}
