//! The chainstate: the block tree, the coins of the active tip, and every read of the store.
//!
//! [`tree`] knows headers, [`chain`] which branch is active; [`accept`] lets headers and bodies in; [`connect`] judges blocks
//! against [`coins`], [`activate`] moves the tip, [`flush`] writes out; [`dry_run`] judges without any of it;
//! [`block_override`] carries out what an operator orders; [`orphans`] holds blocks whose parent is unknown; [`prune`] has old
//! bodies deleted.
//!
//! It stands on the core's vocabulary alone. What it does to the chain it reports as
//! [`ChainEvent`](super::effects::ChainEvent)s; the [`mempool`](super::mempool) sees it through
//! [`ChainView`], and everybody may read. Its [`NodeId`](tree::NodeId)s stay inside.

mod accept;
mod activate;
mod block_override;
mod bodies;
mod chain;
mod coins;
mod connect;
pub(crate) mod dry_run;
mod flush;
mod open;
mod orphans;
mod prune;
mod tree;

pub(crate) use accept::BodyError;
pub(crate) use activate::Activation;
pub(crate) use prune::BLOCKS_KEPT;
pub(crate) use tree::{Node, work_of};

use super::chain_view::ChainView;
use super::config::Prune;
use super::effects::BlockChange;
use super::event::Time;
use super::fork_rule::ForkRules;
use super::hash_map::IdState;
use super::store::{Store, StoreError};
use bodies::Bodies;
use chain::Chain;
use chain_spec::{Block, BlockHash, BlockUndo, ChainSpec, CheckedBlock, Coin, CompactTarget, Outpoint, Txid, Work};
use coins::CoinCache;
use flush::FlushState;
use orphans::OrphanBlocks;
use prune::Pruning;
use std::sync::Arc;

/// The chain and its coins.
pub(crate) struct Chainstate {
    spec: Arc<ChainSpec>,
    /// [`ChainSpec::ids_are_unique`], asked once.
    ids_are_unique: bool,
    id_state: IdState,
    /// Coin cache before it is flushed, bytes.
    coin_cache_bytes_max: usize,
    store: Box<dyn Store>,
    chain: Chain,
    bodies: Bodies,
    orphans: OrphanBlocks,
    coins: CoinCache,
    flush: FlushState,
    pruning: Pruning,
    /// A better branch is known than there was time to activate.
    has_pending: bool,
    tip_changed_at: Time,
    /// The branch that was last said not to be followed.
    refused: Option<BlockHash>,
}

/// Bounds and options of a chainstate.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Coin cache before it is flushed, bytes.
    pub coin_cache_bytes_max: usize,
    /// Headers without a body beside the best header chain, headers.
    pub headers_aside_max: usize,
    /// What else decides between branches than their work.
    pub fork_rules: ForkRules,
    /// Whether old blocks are deleted.
    pub prune: Prune,
    /// A shorter chain is not pruned, blocks.
    pub prune_after_height: u32,
    /// Draws of the fork rules differ by it.
    pub seed: u64,
}

impl Chainstate {
    /// A chain of genesis alone, which [`Chainstate::restore`] must bring to where the store stands.
    pub(crate) fn new(
        spec: Arc<ChainSpec>,
        limits: Limits,
        store: Box<dyn Store>,
        id_state: IdState,
        now: Time,
    ) -> Chainstate {
        Chainstate {
            ids_are_unique: spec.ids_are_unique(),
            id_state,
            coin_cache_bytes_max: limits.coin_cache_bytes_max,
            store,
            pruning: Pruning::new(limits.prune, limits.prune_after_height),
            chain: Chain::new(&spec, limits, id_state),
            bodies: Bodies::new(id_state),
            orphans: OrphanBlocks::default(),
            coins: CoinCache::new(id_state),
            flush: FlushState::new(now),
            has_pending: false,
            tip_changed_at: now,
            refused: None,
            spec,
        }
    }

    /// The chain's parameters.
    pub(crate) fn spec(&self) -> &Arc<ChainSpec> {
        &self.spec
    }
    /// The active tip.
    pub(crate) fn tip(&self) -> &Node {
        self.chain.tree.node(self.chain.tip())
    }
    /// A better branch is known than there was time to activate.
    pub(crate) fn has_pending(&self) -> bool {
        self.has_pending
    }
    /// The block with more work than the tip that is not followed, and why.
    pub(crate) fn refused(&self) -> Option<(&Node, &str)> {
        self.chain.refused().map(|(id, rule)| (self.chain.tree.node(id), rule))
    }
    /// When the tip last changed.
    pub(crate) fn tip_changed_at(&self) -> Time {
        self.tip_changed_at
    }
    /// The known header with the most work that is not invalid, first seen on a tie.
    pub(crate) fn best_header(&self) -> &Node {
        self.chain.tree.node(self.chain.tree.best_header())
    }
    /// A known block.
    pub(crate) fn find(&self, hash: &BlockHash) -> Option<&Node> {
        self.chain.tree.find(hash).map(|id| self.chain.tree.node(id))
    }
    /// The active block at a height.
    pub(crate) fn active_at(&self, height: u32) -> Option<&Node> {
        self.chain.active_at(height).map(|id| self.chain.tree.node(id))
    }
    /// Whether a block is in the active chain.
    pub(crate) fn is_active(&self, node: &Node) -> bool {
        self.active_at(node.height).is_some_and(|active| active.hash == node.hash)
    }
    /// A block's parent; genesis is its own.
    pub(crate) fn parent(&self, node: &Node) -> &Node {
        self.chain.tree.node(node.parent)
    }
    /// The ancestor of a known block at a height.
    pub(crate) fn ancestor(&self, hash: &BlockHash, height: u32) -> Option<&Node> {
        let tree = &self.chain.tree;
        Some(tree.node(tree.ancestor(tree.find(hash)?, height))).filter(|ancestor| ancestor.height == height)
    }
    /// The last active block of a known block's branch.
    pub(crate) fn fork_from_active(&self, hash: &BlockHash) -> Option<&Node> {
        let id = self.chain.tree.find(hash)?;
        Some(self.chain.tree.node(self.chain.fork_from_active(id)))
    }
    /// The blocks of a known block's branch above the active chain, lowest first, at most so many.
    pub(crate) fn branch_above_active(&self, hash: &BlockHash, blocks_max: u32) -> impl Iterator<Item = &Node> {
        let tree = &self.chain.tree;
        let path = tree.find(hash).map_or_else(Vec::new, |id| {
            let fork = self.chain.fork_from_active(id);
            tree.path(fork, tree.ancestor(id, tree.node(fork).height.saturating_add(blocks_max)))
        });
        path.into_iter().map(|id| tree.node(id))
    }
    /// Hashes from a known block back to genesis, dense first, then ever sparser.
    pub(crate) fn locator(&self, from: &BlockHash) -> Vec<BlockHash> {
        self.chain.tree.find(from).map_or_else(Vec::new, |id| self.chain.tree.locator(id))
    }
    /// Blocks without children, in the order they came.
    pub(crate) fn leaves(&self) -> Vec<&Node> {
        self.chain.tree.leaves().into_iter().map(|id| self.chain.tree.node(id)).collect()
    }
    /// Stored blocks. Grows with every one that is stored, and a restart finds them all again.
    pub(crate) fn stored_blocks(&self) -> usize {
        self.chain.tree.bodies()
    }
    /// The target that the next block on a known block must have.
    pub(crate) fn required_target(&self, parent: &Node) -> CompactTarget {
        let id = self.chain.tree.find(&parent.hash).unwrap_or(self.chain.tip());
        chain_spec::retarget::required_target(&self.spec, &self.chain.tree.branch(id))
    }

    /// A stored block.
    pub(crate) fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError> {
        self.bodies.block(hash, self.store.as_ref())
    }
    /// A stored block with its txids.
    pub(crate) fn body(&self, hash: &BlockHash) -> Result<Option<Arc<CheckedBlock>>, StoreError> {
        self.bodies.body(hash, self.store.as_ref())
    }
    /// The body of a block that was connected or disconnected.
    pub(crate) fn changed_body(&self, change: &BlockChange) -> Result<Arc<CheckedBlock>, StoreError> {
        match (&change.block, self.chain.tree.find(&change.hash)) {
            (Some(block), _) => Ok(block.clone()),
            (None, Some(id)) => self.stored_body(id),
            (None, None) => Err(StoreError(format!("block {} was active and is not known", change.hash))),
        }
    }
    /// The coins a connected block spent.
    pub(crate) fn undo(&self, hash: &BlockHash) -> Result<Option<Arc<BlockUndo>>, StoreError> {
        self.bodies.undo(hash, self.store.as_ref())
    }
    /// The block that holds a transaction (`--txindex`).
    pub(crate) fn transaction_block(&self, txid: &Txid) -> Result<Option<BlockHash>, StoreError> {
        self.store.transaction_block(txid)
    }
    /// What the committed coins lack, in key order.
    pub(crate) fn unflushed_coins(&self) -> Vec<(Outpoint, Option<Coin>)> {
        self.coins.changes()
    }
    /// The store, to read coins, blocks and undo data from.
    pub(crate) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }
    /// The expected hashes behind this many blocks like the tip, below the tip's own.
    pub(crate) fn work_below_tip(&self, blocks: u32) -> Work {
        let tip = self.tip();
        let each = work_of(&tip.header);
        let margin = (0..blocks.min(tip.height)).fold(Work::ZERO, |sum, _| sum.saturating_add(each));
        tip.work.saturating_sub(margin)
    }
}

impl ChainView for Chainstate {
    fn spec(&self) -> &ChainSpec {
        &self.spec
    }
    fn height(&self) -> u32 {
        self.chain.height()
    }
    fn median_time_past_at(&self, height: u32) -> u32 {
        let id = self.chain.active_at(height).unwrap_or(self.chain.tip());
        self.chain.tree.node(id).median_time_past_s
    }
    fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
        self.coins.read(outpoint, self.store.as_ref())
    }
}
