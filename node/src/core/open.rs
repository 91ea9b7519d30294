//! Opening: from what a store holds to a running core, rolling forward over stored blocks that the coins have not seen.

use super::chain::Chain;
use super::chain::activate::CALL_TRANSACTIONS_MAX;
use super::chain::orphans::OrphanBlocks;
use super::chain::tree::{Node, NodeId};
use super::coins::CoinCache;
use super::coins::flush::FlushState;
use super::event::{Output, Time};
use super::hash_map::IdState;
use super::mempool::Mempool;
use super::mempool::blocks::Returning;
use super::mempool::local::Local;
use super::mempool::orphans::Orphans;
use super::relay::Relay;
use super::store::{IndexEntry, Loaded, Status, Store, StoreError};
use super::sync::Sync;
use super::{Config, Core};
use chain_spec::{BlockHash, ChainSpec, CheckedBlock};
use std::sync::Arc;

impl Core {
    /// Starts from what a store holds, rolling forward over stored blocks that its coins have not seen. Blocks that were fully
    /// validated before do not have their signatures checked again. The outputs must be performed like any others; if
    /// [`Core::has_pending`] says so, more of the roll-forward follows with the next tick.
    ///
    /// # Errors
    /// The store cannot be read, or contradicts itself.
    pub fn open(
        spec: Arc<ChainSpec>,
        config: Config,
        store: Box<dyn Store>,
        mut loaded: Loaded,
        now: Time,
    ) -> Result<(Core, Vec<Output>), StoreError> {
        let id_state = IdState::new(config.seed);
        let chain = Chain::new(&spec, id_state);
        let coins_tip = spec.genesis_hash();
        let mut core = Core {
            id_state,
            ids_are_unique: spec.ids_are_unique(),
            store,
            chain,
            orphan_blocks: OrphanBlocks::default(),
            coins: CoinCache::new(id_state),
            coins_tip,
            flush: FlushState::new(now),
            mempool: Mempool::new(config.mempool_bytes_max, config.fee_rate_min, id_state),
            orphans: Orphans::default(),
            local: Local::new(std::mem::take(&mut loaded.transactions)),
            returning: Returning::default(),
            arrived: Vec::new(),
            sync: Sync::default(),
            relay: Relay::default(),
            activation_pending: false,
            held: Vec::new(),
            tip_changed_at: now,
            reorganised: 0,
            failures: Vec::new(),
            outputs: Vec::new(),
            spec,
            config,
        };
        core.restore_chain(&loaded, now)?;
        core.activate(now, Some(CALL_TRANSACTIONS_MAX))?;
        core.restore_local(now)?;
        core.readmit(now)?;
        core.failures.clear();
        core.reorganised = 0;
        core.flush_if_due(now);
        core.chain.end_call();
        let outputs = std::mem::take(&mut core.outputs);
        Ok((core, outputs))
    }

    fn restore_chain(&mut self, loaded: &Loaded, now: Time) -> Result<(), StoreError> {
        self.restore_tree(&loaded.entries);
        match loaded.coins_tip {
            Some(tip) => {
                self.coins_tip = tip;
                let tip = self.known(&tip)?;
                self.restore_order(tip);
            }
            None => self.begin(now),
        }
        Ok(())
    }

    /// A store without coins: genesis' are the first.
    fn begin(&mut self, now: Time) {
        let genesis = Arc::new(CheckedBlock::from_store(Arc::new(self.spec.genesis.clone())));
        self.chain.bodies.insert(genesis.clone());
        self.outputs.push(Output::StoreBlock(genesis));
        for (outpoint, coin) in self.spec.genesis_coins() {
            self.coins.set(outpoint, Some(coin));
        }
        self.restore_order(NodeId::GENESIS);
        self.chain.tree.touch(NodeId::GENESIS);
        self.flush_coins(now, true);
    }

    /// Rebuilds the tree. Entries whose parent is missing are left out: their headers will be fetched again.
    fn restore_tree(&mut self, entries: &[IndexEntry]) {
        let tree = &mut self.chain.tree;
        for entry in entries {
            let hash = entry.header.hash();
            if hash == tree.node(NodeId::GENESIS).hash {
                continue;
            }
            let Some(parent) = tree.find(&entry.header.previous) else {
                tracing::warn!(block = %hash, height = entry.height, "index entry without its parent is left out");
                continue;
            };
            let id = tree.insert(entry.header, parent);
            let is_connected = entry.status == Status::Valid;
            let node = tree.node_mut(id);
            (node.is_connected, node.is_verified) = (is_connected, is_connected);
            if entry.status == Status::Invalid {
                tree.set_failed(id);
            }
            if entry.transactions > 0 {
                tree.set_body(id, entry.transactions);
            }
        }
    }

    /// Takes `tip` as active, and says which of equals came first: the branch the coins stand on, then blocks that were
    /// active once, then the rest in the store's order. Entries above the coins may not be in the committed index; they are
    /// written with the next commit.
    fn restore_order(&mut self, tip: NodeId) {
        let tree = &mut self.chain.tree;
        drop(tree.take_dirty());
        let height = tree.node(tip).height;
        let is_active = |node: &Node, id| node.height <= height && tree.ancestor(tip, node.height) == id;
        let mut others: Vec<(bool, i64, NodeId)> = tree
            .iter()
            .filter(|(id, node)| node.is_linked && !is_active(node, *id))
            .map(|(id, node)| (!node.is_connected, node.sequence, id))
            .collect();
        others.sort_unstable();
        for id in tree.path(NodeId::GENESIS, tip) {
            tree.set_sequence(id, 0);
        }
        tree.restart_sequence(others.iter().map(|(_, _, id)| *id));
        others.iter().for_each(|(_, _, id)| tree.touch(*id));
        self.chain.reset_active(tip);
    }

    fn known(&self, hash: &BlockHash) -> Result<NodeId, StoreError> {
        self.chain.tree.find(hash).ok_or_else(|| {
            StoreError(format!("the coins stand at block {hash}, which is not in the index; restart with --reindex"))
        })
    }
}
