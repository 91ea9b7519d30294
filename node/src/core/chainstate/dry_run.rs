//! Judging blocks without accepting them: proposals (BIP23) and `verifychain`.
//!
//! A [`DryRun`] is an [`Overlay`] as reorganisations use it, on top of any [`ChainView`]: the chainstate itself for a
//! proposal, a snapshot of it for the longer work of `verifychain`. Nothing is written.

use super::Chainstate;
use super::coins::Overlay;
use super::connect::apply_block;
use crate::core::chain_view::{ChainView, made_coins};
use crate::core::event::Time;
use crate::core::hash_map::IdState;
use crate::core::rejection::{AcceptError, Rejection, RejectionKind};
use crate::core::signatures;
use crate::core::store::StoreError;
use chain_spec::rules::RuleError;
use chain_spec::rules::block::check_block;
use chain_spec::rules::header::check_header;
use chain_spec::rules::spend::{BlockContext, Coins, InputCheck, connect_block};
use chain_spec::{Block, BlockUndo, CheckedBlock, Coin, Outpoint};
use std::sync::Arc;

impl Chainstate {
    /// Whether a block whose parent is the active tip would be valid, its proof of work aside.
    pub(crate) fn dry_run(&self, block: Arc<Block>, now: Time) -> Result<(), AcceptError> {
        let hash = block.header.hash();
        let rejection = |error: &dyn RuleError| Rejection::rule(error).about(format_args!("block {hash}"));
        let checked = check_block(block, &self.spec).map_err(|error| rejection(&error))?;
        let ancestors = self.chain.tree.branch(self.chain.tip());
        check_header(checked.header(), &self.spec, &ancestors, now.0 / 1_000).map_err(|error| rejection(&error))?;
        let tip = self.tip();
        DryRun::new(self).connect(&checked, tip.height + 1, tip.median_time_past_s)
    }
}

/// Coins as blocks would leave them.
pub(crate) struct DryRun<'a> {
    base: &'a dyn ChainView,
    /// Coins that differ from the base's, and those of the base that were looked up.
    overlay: Overlay,
}

impl Coins for DryRun<'_> {
    fn coin(&self, outpoint: &Outpoint) -> Option<&Coin> {
        self.overlay.changed(outpoint)
    }
    fn median_time_past_before(&self, height: u32) -> u32 {
        self.base.median_time_past_at(height.saturating_sub(1))
    }
}

impl<'a> DryRun<'a> {
    /// The base's coins.
    pub(crate) fn new(base: &'a dyn ChainView) -> DryRun<'a> {
        // The map lives as long as the dry run, so nobody can learn its secret.
        DryRun { base, overlay: Overlay::new(IdState::new(0)) }
    }

    /// How many coins were looked up or changed.
    pub(crate) fn coins(&self) -> usize {
        self.overlay.len()
    }

    /// Makes the base's coin visible to [`Coins`], unless the overlay has its own.
    fn fetch(&mut self, outpoint: Outpoint) -> Result<(), StoreError> {
        if !self.overlay.knows(&outpoint) {
            self.overlay.set(outpoint, self.base.coin(&outpoint)?);
        }
        Ok(())
    }

    /// Undoes the block at the top. A rejection says how block, undo data and coins disagree.
    pub(crate) fn disconnect(
        &mut self,
        block: &CheckedBlock,
        undo: &BlockUndo,
        height: u32,
    ) -> Result<(), AcceptError> {
        let transactions = &block.block().transactions;
        if undo.spent.len() + 1 != transactions.len() {
            return inconsistent("its undo data is for another number of transactions".into());
        }
        for (position, (transaction, txid)) in transactions.iter().zip(block.txids()).enumerate().rev() {
            for (outpoint, output) in made_coins(transaction, *txid) {
                self.fetch(outpoint)?;
                let made = Coin { output: output.clone(), height, is_coinbase: position == 0 };
                // A coinbase whose id came twice: the later one overwrote this one's coins (BIP30's exceptions).
                let may_be_overwritten = position == 0 && !self.base.spec().bip30_exceptions.is_empty();
                if self.overlay.changed(&outpoint) != Some(&made) && !may_be_overwritten {
                    return inconsistent(format!("its output {outpoint} is not among the coins as it should be"));
                }
                self.overlay.set(outpoint, None);
            }
            let Some(spent) = position.checked_sub(1).and_then(|place| undo.spent.get(place)) else { continue };
            if spent.len() != transaction.inputs.len() {
                return inconsistent(format!("its undo data has another number of inputs for transaction {txid}"));
            }
            for (input, coin) in transaction.inputs.iter().zip(spent) {
                self.fetch(input.outpoint)?;
                if self.overlay.changed(&input.outpoint).is_some() {
                    let outpoint = input.outpoint;
                    return inconsistent(format!("the coin {outpoint} that it spends is there all the same"));
                }
                self.overlay.set(input.outpoint, Some(coin.clone()));
            }
        }
        Ok(())
    }

    /// Connects a block by all rules, signatures included. The time is its parent's median-time-past.
    pub(crate) fn connect(
        &mut self,
        block: &CheckedBlock,
        height: u32,
        median_time_past_s: u32,
    ) -> Result<(), AcceptError> {
        let (spec, transactions) = (self.base.spec(), &block.block().transactions);
        for (transaction, &txid) in transactions.iter().zip(block.txids()) {
            for input in transaction.inputs.iter().filter(|input| !input.outpoint.is_null()) {
                self.fetch(input.outpoint)?;
            }
            // Where ids can repeat, the rules ask whether an output exists already (BIP30).
            let outputs = if spec.ids_are_unique() { 0 } else { transaction.outputs.len() as u32 };
            for index in 0..outputs {
                self.fetch(Outpoint { txid, index })?;
            }
        }
        let rejection = |error: &dyn RuleError| Rejection::rule(error).about(format_args!("block {}", block.hash()));
        let context = BlockContext { height, median_time_past_s, block_time_s: block.header().time };
        let connected = connect_block(block, spec, context, self).map_err(|error| rejection(&error))?;
        let encoding = spec.signature_encoding(height);
        let mut checks = Vec::new();
        for (transaction, spent) in transactions.iter().skip(1).zip(&connected.undo.spent) {
            checks.extend(spent.iter().enumerate().map(|(input, coin)| InputCheck {
                transaction,
                input,
                coin,
                encoding,
            }));
        }
        if let Some((_, error)) = signatures::first_bad(&checks) {
            return Err(rejection(&error).into());
        }
        apply_block(block, height, &mut self.overlay);
        Ok(())
    }
}

fn inconsistent(detail: String) -> Result<(), AcceptError> {
    Err(Rejection::new(RejectionKind::Inconsistent, "inconsistent-undo-data", detail).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tests::world::{block_on, genesis_coin, spec, spend};
    use chain_spec::{ChainSpec, Txid};
    use std::collections::HashMap;

    /// Coins that somebody wrote down, right or wrong.
    struct Written(Arc<ChainSpec>, HashMap<Outpoint, Coin>);

    impl ChainView for Written {
        fn spec(&self) -> &ChainSpec {
            &self.0
        }
        fn height(&self) -> u32 {
            1
        }
        fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
            Ok(self.1.get(outpoint).cloned())
        }
        fn median_time_past_at(&self, _height: u32) -> u32 {
            self.0.genesis.header.time
        }
    }

    /// Undoes a block with one payment on coins that `spoil` has changed, and connects it again.
    fn undone(spoil: impl FnOnce(&mut HashMap<Outpoint, Coin>, (Outpoint, Coin), Txid)) -> Result<(), String> {
        let spec = spec();
        let spent = genesis_coin(&spec, 0);
        let payment = spend(&[spent.0], 0, &[(100_000_000, 1)]);
        let block = block_on(&spec.genesis.header, 1, std::slice::from_ref(&payment), 1, 0, &spec);
        let block = check_block(block, &spec).unwrap();
        let undo = BlockUndo { spent: vec![vec![spent.1.clone()]] };
        let mut coins = HashMap::new();
        for (position, transaction) in block.block().transactions.iter().enumerate() {
            let coin = Coin { output: transaction.outputs[0].clone(), height: 1, is_coinbase: position == 0 };
            coins.insert(Outpoint { txid: block.txids()[position], index: 0 }, coin);
        }
        spoil(&mut coins, spent, payment.txid());
        let written = Written(spec, coins);
        let mut run = DryRun::new(&written);
        let again = |run: &mut DryRun<'_>| run.connect(&block, 1, written.0.genesis.header.time);
        match run.disconnect(&block, &undo, 1).and_then(|()| again(&mut run)) {
            Ok(()) => Ok(()),
            Err(AcceptError::Rejected(rejection)) => Err(rejection.detail),
            Err(AcceptError::Store(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn undoing_a_block_finds_coins_that_are_missing_wrong_or_spent_and_still_there() {
        assert_eq!(undone(|_, _, _| {}), Ok(()));
        let missing = undone(|coins, _, made| drop(coins.remove(&Outpoint { txid: made, index: 0 })));
        assert!(missing.as_ref().is_err_and(|what| what.contains("not among the coins")), "{missing:?}");
        let wrong = undone(|coins, _, made| coins.get_mut(&Outpoint { txid: made, index: 0 }).unwrap().height = 2);
        assert!(wrong.as_ref().is_err_and(|what| what.contains("not among the coins")), "{wrong:?}");
        let still_there = undone(|coins, spent, _| drop(coins.insert(spent.0, spent.1)));
        assert!(still_there.as_ref().is_err_and(|what| what.contains("is there all the same")), "{still_there:?}");
    }
}
