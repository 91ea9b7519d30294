//! Judging blocks against the coins below them, on trial: nothing here changes the chain.
//!
//! Several consecutive blocks are judged in one go, so that their signatures, however few in each, keep all processors busy.

use super::tree::{BlockTree, NodeId};
use crate::core::Core;
use crate::core::coins::{CoinCache, Overlay};
use crate::core::hash_map::IdSet;
use crate::core::signatures;
use crate::core::store::StoreError;
use chain_spec::rules::spend::{Coins, InputCheck, SpendError, connect_block};
use chain_spec::{BlockUndo, CheckedBlock, Coin, Outpoint, Transaction};
use std::sync::Arc;

/// A block that has passed every rule on trial.
#[derive(Debug)]
pub(crate) struct Tried {
    /// Which.
    pub id: NodeId,
    /// Its body.
    pub body: Arc<CheckedBlock>,
    /// The coins it spent.
    pub undo: Arc<BlockUndo>,
}

/// The first block of a batch that broke a rule, and which rule.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Which block.
    pub id: NodeId,
    /// The rule.
    pub error: SpendError,
}

/// One signature to check: block of the batch, transaction, input.
#[derive(Clone, Copy)]
struct Check {
    block: u32,
    transaction: u32,
    input: u32,
}

/// The coins a block sees: on trial, over the cache. Everything it may ask for was fetched before.
struct View<'a> {
    overlay: &'a Overlay,
    cache: &'a CoinCache,
    tree: &'a BlockTree,
    parent: NodeId,
}

impl Coins for View<'_> {
    fn coin(&self, outpoint: &Outpoint) -> Option<&Coin> {
        self.overlay.get(outpoint, self.cache)
    }
    fn median_time_past_before(&self, height: u32) -> u32 {
        self.tree.node(self.tree.ancestor(self.parent, height.saturating_sub(1))).median_time_past_s
    }
}

/// The outpoint of each output of a transaction that can ever be spent.
pub(crate) fn made_coins(
    transaction: &Transaction,
    txid: chain_spec::Txid,
) -> impl Iterator<Item = (Outpoint, &chain_spec::TxOut)> {
    let numbered = transaction.outputs.iter().enumerate();
    numbered
        .filter(|(_, output)| !output.script.is_unspendable())
        .map(move |(index, output)| (Outpoint { txid, index: index as u32 }, output))
}

/// Makes and spends on trial what a valid block does.
pub(crate) fn apply_block(body: &CheckedBlock, height: u32, mut set: impl FnMut(Outpoint, Option<Coin>)) {
    for (place, (transaction, txid)) in body.block().transactions.iter().zip(body.txids()).enumerate() {
        let is_coinbase = place == 0;
        if !is_coinbase {
            transaction.inputs.iter().for_each(|input| set(input.outpoint, None));
        }
        for (outpoint, output) in made_coins(transaction, *txid) {
            set(outpoint, Some(Coin { output: output.clone(), height, is_coinbase }));
        }
    }
}

/// Takes back on trial what a block did.
pub(crate) fn undo_block(body: &CheckedBlock, undo: &BlockUndo, mut set: impl FnMut(Outpoint, Option<Coin>)) {
    for (place, (transaction, txid)) in body.block().transactions.iter().zip(body.txids()).enumerate().rev() {
        for (outpoint, _) in made_coins(transaction, *txid) {
            set(outpoint, None);
        }
        if place > 0
            && let Some(spent) = undo.spent.get(place - 1)
        {
            for (input, coin) in transaction.inputs.iter().zip(spent) {
                set(input.outpoint, Some(coin.clone()));
            }
        }
    }
}

impl Core {
    /// Judges consecutive blocks on top of `overlay`, which then stands after the last of them. On a broken rule the overlay
    /// is of no further use. Signatures are skipped in blocks and for transactions whose signatures were checked before.
    pub(crate) fn try_blocks(
        &mut self,
        overlay: &mut Overlay,
        ids: &[NodeId],
    ) -> Result<Result<Vec<Tried>, Broken>, StoreError> {
        let mut tried: Vec<Tried> = Vec::with_capacity(ids.len());
        let mut checks = Vec::new();
        for &id in ids {
            let body = self.stored_body(id)?;
            self.fetch_coins(&body, overlay)?;
            let tree = &self.chain.tree;
            let node = tree.node(id);
            let view = View { overlay, cache: &self.coins, tree, parent: node.parent };
            let undo = match connect_block(&body, &self.spec, tree.place(id), &view) {
                Ok(connected) => Arc::new(connected.undo),
                Err(error) => {
                    // An earlier block of the batch may be the one at fault, and the rest must not be blamed for it.
                    let broken = self.check_signatures(&tried, &checks).unwrap_or(Broken { id, error });
                    self.mark_verified(&tried, broken.id);
                    return Ok(Err(broken));
                }
            };
            let height = node.height;
            if !node.is_verified {
                self.gather_checks(&body, tried.len(), &mut checks);
            }
            apply_block(&body, height, |outpoint, coin| overlay.set(outpoint, coin));
            tried.push(Tried { id, body, undo });
        }
        Ok(match self.check_signatures(&tried, &checks) {
            None => Ok(tried),
            Some(broken) => {
                self.mark_verified(&tried, broken.id);
                Err(broken)
            }
        })
    }

    /// The signatures of the blocks before a broken one are good, and need not be checked again.
    fn mark_verified(&mut self, tried: &[Tried], broken: NodeId) {
        for tried in tried.iter().take_while(|tried| tried.id != broken) {
            self.chain.tree.node_mut(tried.id).is_verified = true;
        }
    }

    /// A stored block's body; that it is missing is the store's failure.
    pub(crate) fn stored_body(&self, id: NodeId) -> Result<Arc<CheckedBlock>, StoreError> {
        let hash = self.chain.tree.node(id).hash;
        self.chain.body(&hash, self.store.as_ref())?.ok_or_else(|| {
            StoreError(format!("block {hash} is in the index but not in the block files; restart with --reindex"))
        })
    }

    /// Brings into the cache whatever coins a block's rules will ask for, so that no disk error can look like a broken rule.
    fn fetch_coins(&mut self, body: &CheckedBlock, overlay: &Overlay) -> Result<(), StoreError> {
        let transactions = &body.block().transactions;
        let mut own: Option<IdSet<chain_spec::Txid>> = None;
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

    fn gather_checks(&self, body: &CheckedBlock, block: usize, checks: &mut Vec<Check>) {
        for (place, (transaction, txid)) in body.block().transactions.iter().zip(body.txids()).enumerate().skip(1) {
            if self.mempool.has_verified(txid) {
                continue;
            }
            let (block, transaction_place) = (block as u32, place as u32);
            let inputs = 0..transaction.inputs.len() as u32;
            checks.extend(inputs.map(|input| Check { block, transaction: transaction_place, input }));
        }
    }

    /// Checks signatures on all processors; the first failure in block order, if any.
    fn check_signatures(&self, tried: &[Tried], checks: &[Check]) -> Option<Broken> {
        let (spec, tree) = (&self.spec, &self.chain.tree);
        let unlocks: Vec<InputCheck> = checks
            .iter()
            .map(|check| {
                let Tried { id, body, undo } = &tried[check.block as usize];
                let (transaction, input) = (check.transaction as usize, check.input as usize);
                let encoding = spec.signature_encoding(tree.node(*id).height);
                let coin = &undo.spent[transaction - 1][input];
                InputCheck { transaction: &body.block().transactions[transaction], input, coin, encoding }
            })
            .collect();
        let (index, error) = signatures::first_bad(&unlocks)?;
        Some(Broken { id: tried[checks[index].block as usize].id, error })
    }
}
