//! The coins of one tip, standing still: for reads so long that the core cannot wait for them (`gettxoutsetinfo`,
//! `scantxoutset`, `verifychain`).
//!
//! A [`Snapshot`] is taken between two inputs, at the price of a copy of the unflushed changes, and read on another thread
//! while blocks go on being connected. Until it is dropped, a commit of coins waits for it; that is rare, and bounded by the
//! one read. Absent: the mempool, and blocks that are stored later.

use super::chain_view::made_coins;
use super::chainstate::Chainstate;
use super::rejection::{AcceptError, Rejection, RejectionKind};
use super::store::{Store, StoreError};
use super::summary::{Summary, summary};
use chain_spec::{Block, BlockHash, BlockUndo, Coin, Outpoint};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Coins that going back may change, since they are in memory: some 400 MB.
const COINS_CHANGED_MAX: usize = 2_000_000;

/// Coins, blocks and undo data as they were at one moment.
pub struct Snapshot {
    tip: Summary,
    /// What the committed coins lack, in key order.
    changes: Vec<(Outpoint, Option<Coin>)>,
    store: Box<dyn Store>,
}

/// Every unspent coin of the active chain in key order (txid bytes, then index), unflushed ones included.
pub(super) fn for_each_coin(chain: &Chainstate, visit: &mut dyn FnMut(Outpoint, Coin)) -> Result<(), StoreError> {
    merge(&chain.unflushed_coins(), chain.store(), &mut |outpoint, coin| {
        visit(outpoint, coin);
        ControlFlow::Continue(())
    })
}

impl Snapshot {
    /// The active tip's coins, to be read elsewhere.
    pub(super) fn of(chain: &Chainstate) -> Snapshot {
        Snapshot { tip: summary(chain, chain.tip()), changes: chain.unflushed_coins(), store: chain.store().held() }
    }

    /// The block after which exactly these coins exist.
    pub fn tip(&self) -> &Summary {
        &self.tip
    }

    /// An unspent coin.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
        match self.changes.binary_search_by_key(outpoint, |(changed, _)| *changed) {
            Ok(place) => Ok(self.changes[place].1.clone()),
            Err(_) => self.store.coin(outpoint),
        }
    }

    /// Every unspent coin in key order, until `visit` breaks off.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn for_each_coin(&self, visit: &mut dyn FnMut(Outpoint, Coin) -> ControlFlow<()>) -> Result<(), StoreError> {
        merge(&self.changes, self.store.as_ref(), visit)
    }

    /// Takes this copy back to an older block of its chain: `undone` are the blocks above that, the newest first. The chain
    /// itself stays where it is.
    ///
    /// # Errors
    /// A block or its undo data is not here, or too many coins would change. Or the store cannot be read.
    pub fn go_back(
        &mut self,
        undone: &[BlockHash],
        to: Summary,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<(), AcceptError> {
        let refused = |detail| AcceptError::from(Rejection::new(RejectionKind::Inconsistent, "missing-data", detail));
        let mut changes: BTreeMap<Outpoint, Option<Coin>> = std::mem::take(&mut self.changes).into_iter().collect();
        for hash in undone.iter().take_while(|_| !is_stopping()) {
            let (Some(block), Some(undo)) = (self.store.block(hash)?, self.store.undo(hash)?) else {
                return Err(refused(format!("block {hash} or its undo data is not here")));
            };
            for (place, transaction) in block.transactions.iter().enumerate().rev() {
                changes.extend(made_coins(transaction, transaction.txid()).map(|(outpoint, _)| (outpoint, None)));
                let spent = place.checked_sub(1).and_then(|place| undo.spent.get(place)).into_iter().flatten();
                changes.extend(
                    transaction.inputs.iter().zip(spent).map(|(input, coin)| (input.outpoint, Some(coin.clone()))),
                );
            }
            if changes.len() > COINS_CHANGED_MAX {
                return Err(refused(format!(
                    "more than {COINS_CHANGED_MAX} coins would change down to block {}",
                    to.hash
                )));
            }
        }
        (self.changes, self.tip) = (changes.into_iter().collect(), to);
        Ok(())
    }

    /// A stored block.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError> {
        self.store.block(hash)
    }

    /// The coins a fully validated block spent.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn undo(&self, hash: &BlockHash) -> Result<Option<Arc<BlockUndo>>, StoreError> {
        self.store.undo(hash)
    }
}

/// Changes to committed coins, in key order.
type Changes<'a> = std::iter::Peekable<std::slice::Iter<'a, (Outpoint, Option<Coin>)>>;
type Visit<'a> = dyn FnMut(Outpoint, Coin) -> ControlFlow<()> + 'a;

/// Committed coins, with the changes in their places.
fn merge(changes: &[(Outpoint, Option<Coin>)], store: &dyn Store, visit: &mut Visit<'_>) -> Result<(), StoreError> {
    let mut changes = changes.iter().peekable();
    let mut flow = ControlFlow::Continue(());
    store.for_each_coin(&mut |outpoint, coin| {
        flow = show_up_to(outpoint, coin, &mut changes, visit);
        flow
    })?;
    if flow.is_continue() {
        let _ = changes.try_for_each(|change| show(change, visit));
    }
    Ok(())
}

/// The changes before a committed coin, then the coin, or what has become of it.
fn show_up_to(outpoint: Outpoint, coin: Coin, changes: &mut Changes<'_>, visit: &mut Visit<'_>) -> ControlFlow<()> {
    while let Some(change) = changes.next_if(|(changed, _)| *changed < outpoint) {
        show(change, visit)?;
    }
    match changes.next_if(|(changed, _)| *changed == outpoint) {
        Some(change) => show(change, visit),
        None => visit(outpoint, coin),
    }
}

fn show((outpoint, coin): &(Outpoint, Option<Coin>), visit: &mut Visit<'_>) -> ControlFlow<()> {
    coin.clone().map_or(ControlFlow::Continue(()), |coin| visit(*outpoint, coin))
}

#[cfg(test)]
mod tests {
    use crate::core::tests::world::*;
    use std::ops::ControlFlow;

    const COIN: u64 = 100_000_000;

    #[test]
    fn a_snapshot_stays_at_its_tip_while_the_chain_goes_on() {
        let spec = spec();
        let mut node = Node::new(&spec, 1);
        node.mine();
        node = node.restart();
        let coin = genesis_coin(&spec, 3).0;
        node.pay(&spend(&[coin], 0, &[(9 * COIN, 1)])).unwrap();
        node.mine();
        let (snapshot, before, tip) = (node.core.snapshot(), node.coins(), node.tip());
        node.pay(&spend(&[genesis_coin(&spec, 4).0], 0, &[(9 * COIN, 1)])).unwrap();
        node.mine();
        assert_ne!(node.coins(), before);
        let mut seen = Vec::new();
        let all = &mut |outpoint, coin| {
            seen.push((outpoint, coin));
            ControlFlow::Continue(())
        };
        snapshot.for_each_coin(all).unwrap();
        assert!(seen.is_sorted_by(|(a, _), (b, _)| a < b));
        assert_eq!(seen.into_iter().collect::<std::collections::BTreeMap<_, _>>(), before);
        assert_eq!(snapshot.tip().hash, tip);
        assert_eq!(snapshot.coin(&coin).unwrap(), None);
        assert!(snapshot.coin(&genesis_coin(&spec, 4).0).unwrap().is_some());
        assert!(snapshot.block(&tip).unwrap().is_some() && snapshot.undo(&tip).unwrap().is_some());
    }

    #[test]
    fn going_back_gives_the_coins_that_there_were() {
        let spec = spec();
        let mut node = Node::new(&spec, 1);
        let mut history = vec![(node.tip(), node.coins())];
        for coin in 0..5 {
            let payment = spend(&[genesis_coin(&spec, coin).0], 0, &[(5 * COIN, 1), (4 * COIN, 2)]);
            node.pay(&payment).unwrap();
            // One that is made and spent in the same block.
            node.pay(&spend(&[outpoint(&payment, 0)], 1, &[(4 * COIN, 3)])).unwrap();
            node.mine();
            history.push((node.tip(), node.coins()));
            if coin == 2 {
                // Some coins are committed, others are not.
                node = node.restart();
            }
        }
        for (height, (hash, coins)) in history.iter().enumerate() {
            let mut snapshot = node.core.snapshot();
            let undone: Vec<_> = history[height + 1..].iter().rev().map(|(hash, _)| *hash).collect();
            snapshot.go_back(&undone, node.core.summary(hash).unwrap(), &|| false).unwrap();
            let mut seen = std::collections::BTreeMap::new();
            let all = &mut |outpoint, coin| {
                seen.insert(outpoint, coin);
                ControlFlow::Continue(())
            };
            snapshot.for_each_coin(all).unwrap();
            assert_eq!(&seen, coins, "height {height}");
            assert_eq!(snapshot.tip().hash, *hash);
        }
        let mut snapshot = node.core.snapshot();
        let unknown = chain_spec::BlockHash::from_bytes([7; 32]);
        let genesis = node.core.summary(&spec.genesis_hash()).unwrap();
        assert!(snapshot.go_back(&[unknown], genesis, &|| false).is_err());
    }

    #[test]
    fn a_walk_ends_where_its_visitor_says() {
        let spec = spec();
        let mut node = Node::new(&spec, 1);
        for _ in 0..3 {
            node.mine();
        }
        let snapshot = node.core.snapshot();
        for wanted in 1..node.coins().len() {
            let mut seen = 0;
            let some = &mut |_, _| {
                seen += 1;
                if seen == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            snapshot.for_each_coin(some).unwrap();
            assert_eq!(seen, wanted);
        }
    }
}
