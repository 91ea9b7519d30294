//! Moving the active tip to the branch with the most work.
//!
//! A reorganisation is judged whole, on trial, and takes effect at once; one that fails half-way leaves tip, coins and mempool
//! as they were, marks the block at fault, and the next best branch is tried. Plain extension proceeds batch by batch.

use super::connect::{Tried, made_coins, undo_block};
use super::tree::NodeId;
use crate::core::Core;
use crate::core::coins::Overlay;
use crate::core::event::{Output, Time};
use crate::core::store::StoreError;
use chain_spec::BlockUndo;
use std::sync::Arc;

/// Blocks judged in one go, blocks.
const BATCH_BLOCKS_MAX: usize = 128;
/// Transactions judged in one go.
const BATCH_TRANSACTIONS_MAX: u32 = 4_096;

/// Work done by one call while more is waiting, transactions. About a second on one processor.
pub(crate) const CALL_TRANSACTIONS_MAX: u32 = 16_384;
/// The same, blocks.
const CALL_BLOCKS_MAX: u32 = 2_048;

/// A block that was tried and found good, its body let go of.
struct Adopted {
    id: NodeId,
    undo: Arc<BlockUndo>,
}

impl From<Tried> for Adopted {
    fn from(tried: Tried) -> Adopted {
        Adopted { id: tried.id, undo: tried.undo }
    }
}

impl Core {
    /// Makes the best branch active. With a bound, stops after about that many transactions;
    /// [`has_pending`](Core::has_pending) then says so.
    pub(crate) fn activate(&mut self, now: Time, transactions_max: Option<u32>) -> Result<(), StoreError> {
        let (mut transactions, mut blocks) = (0, 0);
        loop {
            let (tip, target) = (self.chain.tip(), self.chain.best_candidate());
            self.activation_pending = false;
            if tip == target {
                return Ok(());
            }
            let is_bounded = transactions_max.is_some_and(|max| transactions >= max || blocks >= CALL_BLOCKS_MAX);
            let is_full = blocks > 0 && self.coins.bytes() > self.config.coin_cache_bytes_max;
            if is_bounded || is_full {
                self.activation_pending = true;
                return Ok(());
            }
            let fork = self.chain.fork_from_active(target);
            let connected = if fork == tip { self.extend(target, now)? } else { self.reorganise(fork, target, now)? };
            transactions += connected.iter().map(|id| self.chain.tree.node(*id).transactions).sum::<u32>();
            blocks += connected.len() as u32;
        }
    }

    /// The first blocks of a path that are judged in one go.
    fn batch<'a>(&self, path: &'a [NodeId]) -> &'a [NodeId] {
        let (mut count, mut transactions) = (0, 0);
        for id in path.iter().take(BATCH_BLOCKS_MAX) {
            transactions += self.chain.tree.node(*id).transactions;
            if count > 0 && transactions > BATCH_TRANSACTIONS_MAX {
                break;
            }
            count += 1;
        }
        &path[..count]
    }

    /// Connects the next blocks on top of the tip; which.
    fn extend(&mut self, target: NodeId, now: Time) -> Result<Vec<NodeId>, StoreError> {
        let tip = self.chain.tip();
        let reach = self.chain.tree.node(tip).height.saturating_add(BATCH_BLOCKS_MAX as u32);
        let path = self.chain.tree.path(tip, self.chain.tree.ancestor(target, reach));
        let batch = self.batch(&path);
        let mut overlay = Overlay::new(self.id_state);
        match self.try_blocks(&mut overlay, batch)? {
            Ok(tried) => self.adopt(tip, overlay, &[], tried.into_iter().map(Adopted::from).collect(), now),
            Err(broken) => {
                self.fail_block(broken.id, &broken.error);
                Ok(Vec::new())
            }
        }
    }

    /// Leaves the active branch at `fork` for the one that ends in `target`, as far as it takes to beat the old tip; the
    /// blocks connected. However deep it goes, only the coins it touches stay in memory, not the blocks.
    fn reorganise(&mut self, fork: NodeId, target: NodeId, now: Time) -> Result<Vec<NodeId>, StoreError> {
        let tip = self.chain.tip();
        let mut overlay = Overlay::new(self.id_state);
        let disconnected = self.disconnect(fork, &mut overlay)?;
        let mut path = self.chain.tree.path(fork, target);
        let old = self.chain.tree.node(tip);
        if old.is_sound()
            && let Some(better) = path.iter().position(|id| self.chain.tree.node(*id).work > old.work)
        {
            path.truncate(better + 1);
        }
        let mut connected: Vec<Adopted> = Vec::with_capacity(path.len());
        while connected.len() < path.len() {
            let batch = self.batch(&path[connected.len()..]);
            match self.try_blocks(&mut overlay, batch)? {
                Ok(tried) => connected.extend(tried.into_iter().map(Adopted::from)),
                Err(broken) => {
                    connected.iter().for_each(|good| self.chain.tree.node_mut(good.id).is_verified = true);
                    self.fail_block(broken.id, &broken.error);
                    return Ok(Vec::new());
                }
            }
        }
        self.adopt(fork, overlay, &disconnected, connected, now)
    }

    /// Undoes the active blocks above `fork` on trial; returns them, lowest first.
    fn disconnect(&mut self, fork: NodeId, overlay: &mut Overlay) -> Result<Vec<NodeId>, StoreError> {
        let path = self.chain.tree.path(fork, self.chain.tip());
        for id in path.iter().rev() {
            let body = self.stored_body(*id)?;
            let undo = self.stored_undo(*id)?;
            // The other branch may make these coins again: the cache must know that the store has them.
            for (transaction, txid) in body.block().transactions.iter().zip(body.txids()) {
                for (outpoint, _) in made_coins(transaction, *txid) {
                    self.coins.fetch(&outpoint, self.store.as_ref())?;
                }
            }
            undo_block(&body, &undo, |outpoint, coin| overlay.set(outpoint, coin));
        }
        Ok(path)
    }

    /// A connected block's undo data; that it is missing is the store's failure.
    pub(crate) fn stored_undo(&self, id: NodeId) -> Result<Arc<BlockUndo>, StoreError> {
        let hash = self.chain.tree.node(id).hash;
        self.chain.undo(&hash, self.store.as_ref())?.ok_or_else(|| {
            StoreError(format!("block {hash} was connected but its undo data is missing; restart with --reindex"))
        })
    }

    /// What was tried and found good takes effect: coins, active chain, mempool. The blocks connected.
    fn adopt(
        &mut self,
        fork: NodeId,
        overlay: Overlay,
        disconnected: &[NodeId],
        connected: Vec<Adopted>,
        now: Time,
    ) -> Result<Vec<NodeId>, StoreError> {
        self.coins.apply(overlay);
        let path: Vec<NodeId> = connected.iter().map(|adopted| adopted.id).collect();
        for Adopted { id, undo } in connected {
            let node = self.chain.tree.node(id);
            let hash = node.hash;
            if !node.is_connected {
                let node = self.chain.tree.node_mut(id);
                (node.is_connected, node.is_verified) = (true, true);
            }
            // Also when it was connected before: the transaction index follows the active chain.
            self.outputs.push(Output::StoreUndo(hash, undo.clone()));
            self.chain.undo_of_this_call.insert(hash, undo);
        }
        self.chain.set_active(fork, &path);
        self.flush.blocks_since += (disconnected.len() + path.len()) as u32;
        self.reorganised += disconnected.len() as u32;
        self.tip_changed_at = now;
        self.mempool_after_blocks(disconnected, &path, now)?;
        Ok(path)
    }
}
