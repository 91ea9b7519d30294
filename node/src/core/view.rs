//! What others may read of a [`Core`](super::Core): the RPC, the miner's glue and the simulator. Nothing here changes anything.
//!
//! Every answer is of the moment: the owner of the core runs these between two inputs.

use super::chain_view::ChainView;
use super::chainstate::{Chainstate, Node};
use super::config::Config;
use super::event::{PeerKey, SubmissionLimits, Time};
use super::mempool::{Mempool, Pool, Tested};
use super::peers::{Peers, is_behind};
use super::rejection::{AcceptError, Answer};
use super::snapshot::{self, Snapshot};
use super::store::{BlockFilter, Spender, StoreError};
use super::summary::{Summary, summary};
use super::template::{Template, TemplateSource};
use super::verify::Verifier;
use chain_spec::{
    Block, BlockHash, BlockUndo, ChainSpec, CheckedTransaction, Coin, Outpoint, Script, Transaction, Txid,
};
use std::sync::Arc;

/// The parts of a [`Core`](super::Core), which it alone changes and everybody may read.
pub struct Parts {
    pub(super) config: Config,
    pub(super) chainstate: Chainstate,
    pub(super) mempool: Mempool,
    pub(super) peers: Peers,
}

impl Parts {
    /// Its bounds and options.
    pub fn config(&self) -> &Config {
        &self.config
    }
    /// The chain's parameters.
    pub fn spec(&self) -> &Arc<ChainSpec> {
        self.chainstate.spec()
    }
    /// The active tip.
    pub fn tip(&self) -> Summary {
        summary(&self.chainstate, self.chainstate.tip())
    }
    /// The known header with the most work that is not invalid.
    pub fn best_header(&self) -> Summary {
        summary(&self.chainstate, self.chainstate.best_header())
    }
    /// A block of the tree.
    pub fn summary(&self, hash: &BlockHash) -> Option<Summary> {
        self.chainstate.find(hash).map(|node| summary(&self.chainstate, node))
    }
    /// The block with more work than the tip that this node does not follow, and why: a fork rule's text, or that the blocks to be
    /// undone were pruned.
    pub fn refused_branch(&self) -> Option<(Summary, &str)> {
        self.chainstate.refused().map(|(node, rule)| (summary(&self.chainstate, node), rule))
    }
    /// Whether a block's body was deleted (`--prune`).
    pub fn is_pruned(&self, hash: &BlockHash) -> bool {
        self.chainstate.find(hash).is_some_and(|node| node.is_pruned && !node.has_body())
    }
    /// Whether a block's undo data was deleted.
    pub fn has_pruned_undo(&self, hash: &BlockHash) -> bool {
        self.chainstate.find(hash).is_some_and(|node| node.is_pruned)
    }
    /// The height of the highest block of the active chain whose body was deleted.
    pub fn prune_height(&self) -> Option<u32> {
        self.chainstate.prune_height()
    }
    /// The active chain's block at a height.
    pub fn active_hash(&self, height: u32) -> Option<BlockHash> {
        self.chainstate.active_at(height).map(|node| node.hash)
    }
    /// The hash of the ancestor of a known block at a height.
    pub fn ancestor(&self, hash: &BlockHash, height: u32) -> Option<BlockHash> {
        self.chainstate.ancestor(hash, height).map(|node| node.hash)
    }
    /// The active chain's hashes and median times past (Unix seconds), by height.
    pub fn active_chain(&self) -> Vec<(BlockHash, u32)> {
        let nodes = (0..=self.chainstate.height()).filter_map(|height| self.chainstate.active_at(height));
        nodes.map(|node| (node.hash, node.median_time_past_s)).collect()
    }
    /// Every leaf of the tree, and the active tip, highest first (Core: `getchaintips`).
    pub fn chain_tips(&self) -> Vec<ChainTip> {
        chain_tips(&self.chainstate)
    }
    /// A stored block.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError> {
        self.chainstate.block(hash)
    }
    /// The coins a fully validated block spent.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn undo(&self, hash: &BlockHash) -> Result<Option<Arc<BlockUndo>>, StoreError> {
        self.chainstate.undo(hash)
    }
    /// The block that holds a transaction (`--txindex`).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn transaction_block(&self, txid: &Txid) -> Result<Option<BlockHash>, StoreError> {
        self.chainstate.transaction_block(txid)
    }
    /// A connected block's filter (`--blockfilterindex`).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn block_filter(&self, hash: &BlockHash) -> Result<Option<BlockFilter>, StoreError> {
        self.chainstate.store().block_filter(hash)
    }
    /// The transaction of the active chain that spends a coin (`--txospenderindex`).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn spender(&self, outpoint: &Outpoint) -> Result<Option<Spender>, StoreError> {
        let spender = self.chainstate.store().spender(outpoint)?;
        let is_active = |spender: &Spender| {
            self.chainstate.find(&spender.block).is_some_and(|node| self.chainstate.is_active(node))
        };
        Ok(spender.filter(is_active))
    }
    /// An unspent coin of the active chain; with `include_mempool`, also one a pooled transaction makes (at the height it
    /// would be mined at), and none that one spends.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn coin(&self, outpoint: &Outpoint, include_mempool: bool) -> Result<Option<Coin>, StoreError> {
        if include_mempool {
            return coin_with_mempool(&self.chainstate, self.mempool.pool(), outpoint);
        }
        self.chainstate.coin(outpoint)
    }
    /// Every unspent coin of the active chain in key order (txid bytes, then index), unflushed ones included.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn for_each_coin(&self, visit: &mut dyn FnMut(Outpoint, Coin)) -> Result<(), StoreError> {
        snapshot::for_each_coin(&self.chainstate, visit)
    }
    /// The active tip's coins, to be read on another thread.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.chainstate)
    }
    /// Verifies the chain as it stands now, on another thread.
    pub fn verifier(&self) -> Verifier {
        Verifier {
            spec: self.spec().clone(),
            snapshot: self.snapshot(),
            chain: self.active_chain(),
            blocks_from_height: self.chainstate.blocks_from_height(),
        }
    }
    /// The transactions that may be mined.
    pub fn mempool(&self) -> &Pool {
        self.mempool.pool()
    }
    /// The transactions that wait for their parents, the oldest first, and the peers that sent them.
    pub fn orphans(&self) -> impl Iterator<Item = (&Arc<CheckedTransaction>, PeerKey)> {
        self.mempool.orphans()
    }
    /// Whether transactions that may spend from one another would be accepted in this order, each within the limits. One answer
    /// for each. As in Core, one that is not acceptable leaves the others unjudged (`None`), and one that is beyond the limits
    /// those after it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn dry_run_transactions(
        &self,
        transactions: &[Arc<Transaction>],
        limits: &SubmissionLimits,
        now: Time,
    ) -> Result<Vec<Option<Answer<Tested>>>, StoreError> {
        self.mempool.dry_run(transactions, limits, &self.chainstate, now)
    }
    /// Whether a block whose parent is the active tip would be valid, its proof of work aside.
    ///
    /// # Errors
    /// The block breaks a rule, or the store cannot be read.
    pub fn dry_run_block(&self, block: Arc<Block>, now: Time) -> Result<(), AcceptError> {
        self.chainstate.dry_run(block, now)
    }
    /// A block to mine on the active tip that pays `payout`.
    pub fn template(&self, payout: &Script, now: Time) -> Template {
        self.template_source().template(payout, now)
    }
    /// A block to mine on any known block, holding exactly these transactions: what a private branch needs. `None` if the
    /// parent is not known. The fees of pooled transactions are claimed, others' are left. The caller answers for the
    /// transactions being valid there.
    pub fn template_on(
        &self,
        parent: &BlockHash,
        payout: &Script,
        transactions: &[Arc<CheckedTransaction>],
        now: Time,
    ) -> Option<Template> {
        self.template_source().template_on(parent, payout, transactions, now)
    }
    fn template_source(&self) -> TemplateSource<'_> {
        TemplateSource { chain: &self.chainstate, pool: self.mempool.pool(), seed: self.config.seed }
    }
    /// How far synchronisation is.
    pub fn progress(&self, now: Time) -> Progress {
        progress(&self.chainstate, now)
    }
    /// What is known of a peer.
    pub fn peer(&self, peer: PeerKey) -> Option<PeerState> {
        peer_state(&self.chainstate, &self.peers, peer)
    }
}

/// A leaf of the block tree (Core: `getchaintips`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainTip {
    /// The leaf's block.
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
    /// When they last sent a block that was new here (Core: `last_block`).
    pub last_block: Option<Time>,
    /// When they last sent a transaction that entered the mempool (Core: `last_transaction`).
    pub last_transaction: Option<Time>,
}

/// Every leaf of the tree, and the active tip, highest first (Core: `getchaintips`).
pub(super) fn chain_tips(chain: &Chainstate) -> Vec<ChainTip> {
    let mut leaves = chain.leaves();
    leaves.retain(|leaf| !chain.is_active(leaf));
    leaves.push(chain.tip());
    let mut tips: Vec<ChainTip> = leaves
        .into_iter()
        .map(|node| {
            let summary = summary(chain, node);
            let fork = chain.fork_from_active(&node.hash).map_or(0, |fork| fork.height);
            let status = tip_status(node, summary.active);
            ChainTip { branch_length: summary.height - fork, summary, status }
        })
        .collect();
    tips.sort_by(|a, b| b.summary.height.cmp(&a.summary.height).then(a.summary.hash.cmp(&b.summary.hash)));
    tips
}

/// An unspent coin of the active chain, or one that a pooled transaction makes (at the height it would be mined at), and none
/// that one spends.
pub(super) fn coin_with_mempool(
    chain: &Chainstate,
    pool: &Pool,
    outpoint: &Outpoint,
) -> Result<Option<Coin>, StoreError> {
    if pool.spender(outpoint).is_some() {
        return Ok(None);
    }
    match pool.coin(outpoint, chain.height() + 1) {
        Some(coin) => Ok(Some(coin)),
        None => chain.coin(outpoint),
    }
}

/// How far synchronisation is.
pub(super) fn progress(chain: &Chainstate, now: Time) -> Progress {
    let (headers, blocks) = (chain.best_header().height, chain.height());
    let verification_progress = if headers > blocks { f64::from(blocks) / f64::from(headers) } else { 1.0 };
    Progress { headers, blocks, initial_block_download: is_behind(chain, now), verification_progress }
}

/// What is known of a peer.
pub(super) fn peer_state(chain: &Chainstate, peers: &Peers, peer: PeerKey) -> Option<PeerState> {
    let state = peers.peer(peer)?;
    let best = state.known.and_then(|hash| chain.find(&hash));
    let blocks = peers.blocks_of(state);
    let mut in_flight: Vec<u32> = blocks.iter().filter_map(|hash| chain.find(hash)).map(|node| node.height).collect();
    in_flight.sort_unstable();
    Some(PeerState {
        inbound: state.inbound,
        best_header: best.map(|node| (node.hash, node.height)),
        common_height: best.and_then(|node| chain.fork_from_active(&node.hash)).map(|fork| fork.height),
        in_flight,
        starting_height: state.starting_height,
        last_block: state.last_block,
        last_transaction: state.last_transaction,
    })
}

/// Core's word for a leaf.
fn tip_status(node: &Node, is_active: bool) -> ChainTipStatus {
    match node {
        _ if is_active => ChainTipStatus::Active,
        node if !node.is_sound() => ChainTipStatus::Invalid,
        node if !node.is_linked() => ChainTipStatus::HeadersOnly,
        node if node.is_connected() => ChainTipStatus::ValidFork,
        _ => ChainTipStatus::ValidHeaders,
    }
}
