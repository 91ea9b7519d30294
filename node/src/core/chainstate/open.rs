//! Opening: from what a store holds to a chainstate that can roll forward over stored blocks which the coins have not seen.

use super::Chainstate;
use super::tree::{Node, NodeId, Stage};
use crate::core::effects::Effects;
use crate::core::event::{Output, Time};
use crate::core::store::{IndexEntry, Loaded, Status, StoreError};
use chain_spec::{BlockHash, CheckedBlock};
use std::sync::Arc;

impl Chainstate {
    /// Takes in what the store held when it was opened.
    pub(crate) fn restore(&mut self, loaded: &Loaded, now: Time, effects: &mut Effects) -> Result<(), StoreError> {
        self.restore_tree(&loaded.entries);
        match loaded.coins_tip {
            Some(tip) => {
                let tip = self.known(&tip)?;
                self.restore_order(tip);
            }
            None => self.begin(now, effects),
        }
        Ok(())
    }

    /// A store without coins: genesis' are the first.
    fn begin(&mut self, now: Time, effects: &mut Effects) {
        let genesis = Arc::new(CheckedBlock::from_store(Arc::new(self.spec.genesis.clone())));
        self.bodies.insert(genesis.clone());
        effects.outputs.push(Output::StoreBlock(genesis));
        for (outpoint, coin) in self.spec.genesis_coins() {
            self.coins.set(outpoint, Some(coin));
        }
        self.restore_order(NodeId::GENESIS);
        self.chain.tree.touch(NodeId::GENESIS);
        self.flush_coins(now, true, Vec::new(), effects);
    }

    /// Rebuilds the tree. Entries whose parent is missing are left out: their headers will be fetched again.
    fn restore_tree(&mut self, entries: &[IndexEntry]) {
        let tree = &mut self.chain.tree;
        for entry in entries {
            let hash = entry.header.hash();
            if entry.is_pruned {
                self.chain.pruned_to = self.chain.pruned_to.max(Some(entry.height));
            }
            if hash == tree.node(NodeId::GENESIS).hash {
                if entry.is_pruned {
                    tree.set_pruned(NodeId::GENESIS);
                }
                continue;
            }
            let Some(parent) = tree.find(&entry.header.previous) else {
                tracing::warn!(block = %hash, height = entry.height, "index entry without its parent is left out");
                continue;
            };
            let id = tree.insert(entry.header, parent);
            if entry.status == Status::Invalid {
                tree.set_failed(id);
            }
            if entry.transactions > 0 {
                tree.set_body(id, entry.transactions);
            }
            if entry.status == Status::Valid && tree.node(id).is_linked() {
                tree.set_stage(id, Stage::Connected);
            }
            if entry.is_pruned {
                tree.set_pruned(id);
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
            .filter(|(id, node)| node.is_linked() && !is_active(node, *id))
            .map(|(id, node)| (!node.is_connected(), node.sequence, id))
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
