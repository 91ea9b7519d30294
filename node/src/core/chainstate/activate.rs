//! Moving the active tip to the branch with the most work.
//!
//! A reorganisation is judged whole, on an overlay, and takes effect at once; one that fails half-way leaves tip and coins as
//! they were, marks the block at fault, and the next best branch is tried. Plain extension proceeds batch by batch.

use super::Chainstate;
use super::coins::Overlay;
use super::connect::{ConnectError, ConnectedBlock, undo_block};
use super::tree::{NodeId, Stage};
use crate::core::chain_view::made_coins;
use crate::core::effects::{BlockChange, ChainEvent, Effects};
use crate::core::event::{Output, Time};
use crate::core::signatures::CheckedSignatures;
use crate::core::store::StoreError;
use chain_spec::{BlockUndo, CheckedBlock};
use std::sync::Arc;

/// Blocks judged in one go, blocks.
const BATCH_BLOCKS_MAX: usize = 128;
/// Transactions judged in one go.
const BATCH_TRANSACTIONS_MAX: u32 = 4_096;
/// Bodies of one reorganisation that are kept in memory for whoever follows the chain, bytes; the rest is read again.
const CHANGE_BYTES_MAX: usize = 32 << 20;

/// Work done by one call while more is waiting, transactions. About a second on one processor.
pub(crate) const CALL_TRANSACTIONS_MAX: u32 = 16_384;
/// The same, blocks.
const CALL_BLOCKS_MAX: u32 = 2_048;

/// How much of its work one call may do, and has done.
#[derive(Debug)]
pub(crate) struct Activation {
    transactions_max: Option<u32>,
    transactions: u32,
    blocks: u32,
}

impl Activation {
    /// Goes on until the best branch is active.
    pub(crate) fn unbounded() -> Activation {
        Activation { transactions_max: None, transactions: 0, blocks: 0 }
    }
    /// Stops after about a second; [`Chainstate::has_pending`] then says so.
    pub(crate) fn bounded() -> Activation {
        Activation { transactions_max: Some(CALL_TRANSACTIONS_MAX), ..Activation::unbounded() }
    }
    fn is_used_up(&self) -> bool {
        self.transactions_max.is_some_and(|max| self.transactions >= max || self.blocks >= CALL_BLOCKS_MAX)
    }
}

/// Bodies that are kept until whoever follows the chain has seen them.
#[derive(Default)]
struct KeptBodies {
    bytes: usize,
}

impl KeptBodies {
    fn keep(&mut self, body: Arc<CheckedBlock>) -> Option<Arc<CheckedBlock>> {
        self.bytes += body.size();
        (self.bytes <= CHANGE_BYTES_MAX).then_some(body)
    }
}

/// A block of a branch that passed every rule or is about to be left.
struct Step {
    id: NodeId,
    body: Option<Arc<CheckedBlock>>,
    undo: Arc<BlockUndo>,
}

impl Chainstate {
    /// Takes one step towards the best branch: a batch of an extension, or a whole reorganisation. Its events are to be
    /// delivered before the next step. False when there is nothing to do, or no more work left in this call.
    pub(crate) fn activate_step(
        &mut self,
        activation: &mut Activation,
        checked: &dyn CheckedSignatures,
        now: Time,
        effects: &mut Effects,
    ) -> Result<bool, StoreError> {
        let (tip, target) = (self.chain.tip(), self.chain.best_candidate());
        let is_full = activation.blocks > 0 && self.coins.bytes() > self.coin_cache_bytes_max;
        self.has_pending = tip != target && (activation.is_used_up() || is_full);
        if tip == target || self.has_pending {
            self.say_what_is_refused();
            return Ok(false);
        }
        let fork = self.chain.fork_from_active(target);
        let connected = if fork == tip {
            self.extend(target, checked, now, effects)?
        } else {
            self.reorganise(fork, target, checked, now, effects)?
        };
        activation.transactions += connected.iter().map(|id| self.chain.tree.node(*id).transactions).sum::<u32>();
        activation.blocks += connected.len() as u32;
        Ok(true)
    }

    /// Says once for each branch in the log that something keeps the node from the most work.
    fn say_what_is_refused(&mut self) {
        let Some((refused, rule)) = self.refused().map(|(node, rule)| (node.hash, rule.to_owned())) else { return };
        if self.refused.replace(refused) != Some(refused) {
            tracing::warn!(block = %refused, rule, "a branch with more work is not followed");
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
    fn extend(
        &mut self,
        target: NodeId,
        checked: &dyn CheckedSignatures,
        now: Time,
        effects: &mut Effects,
    ) -> Result<Vec<NodeId>, StoreError> {
        let tip = self.chain.tip();
        let reach = self.chain.tree.node(tip).height.saturating_add(BATCH_BLOCKS_MAX as u32);
        let path = self.chain.tree.path(tip, self.chain.tree.ancestor(target, reach));
        let batch = self.batch(&path);
        let mut overlay = Overlay::new(self.id_state);
        match self.connect_blocks(&mut overlay, batch, checked) {
            Ok(connected) => {
                let step = |ConnectedBlock { id, body, undo }| Step { id, body: Some(body), undo };
                Ok(self.adopt(tip, overlay, Vec::new(), connected.into_iter().map(step).collect(), now, effects))
            }
            Err(ConnectError::Invalid(id, error)) => {
                self.fail_block(id, &error, effects);
                Ok(Vec::new())
            }
            Err(ConnectError::Store(error)) => Err(error),
        }
    }

    /// Leaves the active branch at `fork` for the one that ends in `target`, as far as it takes to beat the old tip; the
    /// blocks connected. However deep it goes, only the coins it touches and so many bodies stay in memory.
    fn reorganise(
        &mut self,
        fork: NodeId,
        target: NodeId,
        checked: &dyn CheckedSignatures,
        now: Time,
        effects: &mut Effects,
    ) -> Result<Vec<NodeId>, StoreError> {
        let tip = self.chain.tip();
        let (mut overlay, mut kept) = (Overlay::new(self.id_state), KeptBodies::default());
        let disconnected = self.disconnect(fork, &mut overlay, &mut kept)?;
        let mut path = self.chain.tree.path(fork, target);
        let old = self.chain.tree.node(tip);
        if old.is_sound()
            && let Some(better) = path.iter().position(|id| self.chain.tree.node(*id).work > old.work)
        {
            path.truncate(better + 1);
        }
        let mut connected: Vec<Step> = Vec::with_capacity(path.len());
        while connected.len() < path.len() {
            let batch = self.batch(&path[connected.len()..]);
            match self.connect_blocks(&mut overlay, batch, checked) {
                Ok(blocks) => connected.extend(blocks.into_iter().map(|block| Step {
                    id: block.id,
                    body: kept.keep(block.body),
                    undo: block.undo,
                })),
                Err(ConnectError::Invalid(id, error)) => {
                    connected.iter().for_each(|good| self.chain.tree.set_stage(good.id, Stage::SignaturesChecked));
                    self.fail_block(id, &error, effects);
                    return Ok(Vec::new());
                }
                Err(ConnectError::Store(error)) => return Err(error),
            }
        }
        Ok(self.adopt(fork, overlay, disconnected, connected, now, effects))
    }

    /// Undoes the active blocks above `fork` on an overlay; returns them, lowest first.
    fn disconnect(
        &mut self,
        fork: NodeId,
        overlay: &mut Overlay,
        kept: &mut KeptBodies,
    ) -> Result<Vec<Step>, StoreError> {
        let path = self.chain.tree.path(fork, self.chain.tip());
        let mut steps = Vec::with_capacity(path.len());
        for &id in path.iter().rev() {
            let body = self.stored_body(id)?;
            let undo = self.stored_undo(id)?;
            // The other branch may make these coins again: the cache must know that the store has them.
            for (transaction, txid) in body.block().transactions.iter().zip(body.txids()) {
                for (outpoint, _) in made_coins(transaction, *txid) {
                    self.coins.fetch(&outpoint, self.store.as_ref())?;
                }
            }
            undo_block(&body, &undo, overlay);
            steps.push(Step { id, body: kept.keep(body), undo });
        }
        steps.reverse();
        Ok(steps)
    }

    /// A connected block's undo data; that it is missing is the store's failure.
    fn stored_undo(&self, id: NodeId) -> Result<Arc<BlockUndo>, StoreError> {
        let hash = self.chain.tree.node(id).hash;
        self.bodies.undo(&hash, self.store.as_ref())?.ok_or_else(|| {
            StoreError(format!("block {hash} was connected but its undo data is missing; restart with --reindex"))
        })
    }

    /// What passed every rule on the overlay takes effect: coins and active chain. The blocks connected.
    fn adopt(
        &mut self,
        fork: NodeId,
        overlay: Overlay,
        disconnected: Vec<Step>,
        connected: Vec<Step>,
        now: Time,
        effects: &mut Effects,
    ) -> Vec<NodeId> {
        self.coins.apply(overlay);
        self.flush.blocks_since += (disconnected.len() + connected.len()) as u32;
        self.tip_changed_at = now;
        for step in disconnected {
            effects.events.push(ChainEvent::BlockDisconnected(self.change(step)));
        }
        let path: Vec<NodeId> = connected.iter().map(|step| step.id).collect();
        self.chain.set_active(fork, &path);
        for step in connected {
            let node = self.chain.tree.node(step.id);
            let hash = node.hash;
            if !node.is_connected() {
                self.chain.tree.set_stage(step.id, Stage::Connected);
            }
            // Also when it was connected before: the transaction index follows the active chain.
            effects.outputs.push(Output::StoreUndo(hash, step.undo.clone()));
            self.bodies.insert_undo(hash, step.undo.clone());
            effects.events.push(ChainEvent::BlockConnected(self.change(step)));
        }
        path
    }

    fn change(&self, Step { id, body, .. }: Step) -> BlockChange {
        let node = self.chain.tree.node(id);
        BlockChange { hash: node.hash, height: node.height, block: body }
    }
}
