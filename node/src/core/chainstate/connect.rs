//! Judging blocks against the coins below them, on an [`Overlay`]: nothing here changes the chain.
//!
//! Several consecutive blocks are judged in one go, so that their signatures, however few in each, keep all processors busy.

use super::Chainstate;
use super::coins::{CoinCache, Overlay};
use super::tree::{BlockTree, NodeId, Stage};
use crate::core::chain_view::made_coins;
use crate::core::hash_map::IdSet;
use crate::core::signatures::{self, CheckedSignatures};
use crate::core::store::StoreError;
use chain_spec::rules::spend::{Coins, InputCheck, SpendError, connect_block};
use chain_spec::{BlockUndo, CheckedBlock, Coin, Outpoint, Txid};
use std::sync::Arc;

/// A block that has passed every rule on an overlay.
#[derive(Debug)]
pub(super) struct ConnectedBlock {
    /// Which.
    pub id: NodeId,
    /// The body that was connected.
    pub body: Arc<CheckedBlock>,
    /// The coins it spent.
    pub undo: Arc<BlockUndo>,
}

/// Why the blocks of a batch could not all be connected.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// The first block that broke a rule, and which rule.
    Invalid(NodeId, SpendError),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for ConnectError {
    fn from(error: StoreError) -> ConnectError {
        ConnectError::Store(error)
    }
}

/// One signature to check: block of the batch, transaction, input.
#[derive(Clone, Copy)]
struct Check {
    block: u32,
    transaction: u32,
    input: u32,
}

/// The coins a block sees: the overlay, over the cache. Everything it may ask for was fetched before.
struct CoinsBelow<'a> {
    overlay: &'a Overlay,
    cache: &'a CoinCache,
    tree: &'a BlockTree,
    parent: NodeId,
}

impl Coins for CoinsBelow<'_> {
    fn coin(&self, outpoint: &Outpoint) -> Option<&Coin> {
        self.overlay.get(outpoint, self.cache)
    }
    fn median_time_past_before(&self, height: u32) -> u32 {
        self.tree.node(self.tree.ancestor(self.parent, height.saturating_sub(1))).median_time_past_s
    }
}

/// Makes and spends on an overlay what a valid block does.
pub(super) fn apply_block(body: &CheckedBlock, height: u32, overlay: &mut Overlay) {
    for (place, (transaction, txid)) in body.block().transactions.iter().zip(body.txids()).enumerate() {
        let is_coinbase = place == 0;
        if !is_coinbase {
            transaction.inputs.iter().for_each(|input| overlay.set(input.outpoint, None));
        }
        for (outpoint, output) in made_coins(transaction, *txid) {
            overlay.set(outpoint, Some(Coin { output: output.clone(), height, is_coinbase }));
        }
    }
}

/// Takes back on an overlay what a block did.
pub(super) fn undo_block(body: &CheckedBlock, undo: &BlockUndo, overlay: &mut Overlay) {
    for (place, (transaction, txid)) in body.block().transactions.iter().zip(body.txids()).enumerate().rev() {
        for (outpoint, _) in made_coins(transaction, *txid) {
            overlay.set(outpoint, None);
        }
        if place > 0
            && let Some(spent) = undo.spent.get(place - 1)
        {
            for (input, coin) in transaction.inputs.iter().zip(spent) {
                overlay.set(input.outpoint, Some(coin.clone()));
            }
        }
    }
}

impl Chainstate {
    /// Judges consecutive blocks on top of `overlay`, which then stands after the last of them. After an error the overlay is
    /// of no further use. Signatures are skipped in blocks and for transactions whose signatures were checked before.
    pub(super) fn connect_blocks(
        &mut self,
        overlay: &mut Overlay,
        ids: &[NodeId],
        checked: &dyn CheckedSignatures,
    ) -> Result<Vec<ConnectedBlock>, ConnectError> {
        let mut connected: Vec<ConnectedBlock> = Vec::with_capacity(ids.len());
        let mut checks = Vec::new();
        for &id in ids {
            let body = self.stored_body(id)?;
            self.fetch_coins(&body, overlay)?;
            let tree = &self.chain.tree;
            let node = tree.node(id);
            let coins = CoinsBelow { overlay, cache: &self.coins, tree, parent: node.parent };
            let undo = match connect_block(&body, &self.spec, tree.context(id), &coins) {
                Ok(connected) => Arc::new(connected.undo),
                Err(error) => {
                    // An earlier block of the batch may be the one at fault, and the rest must not be blamed for it.
                    let (invalid, error) = self.check_signatures(&connected, &checks).unwrap_or((id, error));
                    self.note_signatures(&connected, invalid);
                    return Err(ConnectError::Invalid(invalid, error));
                }
            };
            let height = node.height;
            if node.stage < Stage::SignaturesChecked {
                gather_checks(&body, connected.len(), checked, &mut checks);
            }
            apply_block(&body, height, overlay);
            connected.push(ConnectedBlock { id, body, undo });
        }
        match self.check_signatures(&connected, &checks) {
            None => Ok(connected),
            Some((invalid, error)) => {
                self.note_signatures(&connected, invalid);
                Err(ConnectError::Invalid(invalid, error))
            }
        }
    }

    /// The signatures of the blocks before an invalid one are good, and need not be checked again.
    fn note_signatures(&mut self, connected: &[ConnectedBlock], invalid: NodeId) {
        for block in connected.iter().take_while(|block| block.id != invalid) {
            self.chain.tree.set_stage(block.id, Stage::SignaturesChecked);
        }
    }

    /// A stored block's body; that it is missing is the store's failure.
    pub(super) fn stored_body(&self, id: NodeId) -> Result<Arc<CheckedBlock>, StoreError> {
        let hash = self.chain.tree.node(id).hash;
        self.bodies.body(&hash, self.store.as_ref())?.ok_or_else(|| {
            StoreError(format!("block {hash} is in the index but not in the block files; restart with --reindex"))
        })
    }

    /// Brings into the cache whatever coins a block's rules will ask for, so that no disk error can look like a broken rule.
    fn fetch_coins(&mut self, body: &CheckedBlock, overlay: &Overlay) -> Result<(), StoreError> {
        let transactions = &body.block().transactions;
        let mut own: Option<IdSet<Txid>> = None;
        for input in transactions.iter().skip(1).flat_map(|transaction| &transaction.inputs) {
            if overlay.knows(&input.outpoint) || self.coins.get(&input.outpoint).is_some() {
                continue;
            }
            let own = own.get_or_insert_with(|| {
                let mut own = IdSet::with_hasher(self.id_state);
                own.extend(body.txids().iter().copied());
                own
            });
            if !own.contains(&input.outpoint.txid) {
                self.coins.fetch(&input.outpoint, self.store.as_ref())?;
            }
        }
        if !self.ids_are_unique {
            for (transaction, txid) in transactions.iter().zip(body.txids()) {
                for (outpoint, _) in made_coins(transaction, *txid) {
                    if !overlay.knows(&outpoint) {
                        self.coins.fetch(&outpoint, self.store.as_ref())?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks signatures on all processors; the first block that fails, in block order, and why.
    fn check_signatures(&self, connected: &[ConnectedBlock], checks: &[Check]) -> Option<(NodeId, SpendError)> {
        let (spec, tree) = (&self.spec, &self.chain.tree);
        let inputs: Vec<InputCheck> = checks
            .iter()
            .map(|check| {
                let ConnectedBlock { id, body, undo } = &connected[check.block as usize];
                let (transaction, input) = (check.transaction as usize, check.input as usize);
                let encoding = spec.signature_encoding(tree.node(*id).height);
                let coin = &undo.spent[transaction - 1][input];
                InputCheck { transaction: &body.block().transactions[transaction], input, coin, encoding }
            })
            .collect();
        let (index, error) = signatures::first_bad(&inputs)?;
        Some((connected[checks[index].block as usize].id, error))
    }
}

/// The signatures of a block that nobody has checked.
fn gather_checks(body: &CheckedBlock, block: usize, checked: &dyn CheckedSignatures, checks: &mut Vec<Check>) {
    for (place, (transaction, txid)) in body.block().transactions.iter().zip(body.txids()).enumerate().skip(1) {
        if checked.are_checked(txid) {
            continue;
        }
        let (block, place) = (block as u32, place as u32);
        let inputs = 0..transaction.inputs.len() as u32;
        checks.extend(inputs.map(|input| Check { block, transaction: place, input }));
    }
}
