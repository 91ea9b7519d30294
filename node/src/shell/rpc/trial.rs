//! Judging blocks without accepting them: proposals (BIP23) and `verifychain`.
//!
//! An [`Overlay`] holds coins as they were at some block of the active chain, on top of a [`Ground`]: the core itself for a
//! proposal, a snapshot of it for the longer work of `verifychain`. Nothing is written.

use crate::core::Core;
use crate::core::event::Time;
use crate::core::signatures;
use crate::core::store::StoreError;
use chain_spec::retarget::Ancestors;
use chain_spec::rules::RuleError;
use chain_spec::rules::block::check_block;
use chain_spec::rules::header::check_header;
use chain_spec::rules::spend::{BlockContext, Coins, InputCheck, connect_block};
use chain_spec::{Block, BlockUndo, ChainSpec, CheckedBlock, Coin, CompactTarget, Outpoint};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// The rule a block breaks, as Core names it.
pub type Verdict = Result<(), Cow<'static, str>>;

/// Whether a block whose parent is the active tip would be valid, its proof of work aside.
pub fn on_tip(core: &Core, block: Arc<Block>, now: Time) -> Result<Verdict, StoreError> {
    let parent = core.tip();
    let checked = match check_block(block, core.spec()) {
        Ok(checked) => checked,
        Err(error) => return Ok(Err(error.reject_string())),
    };
    let ancestors = ActiveChain { core, height: parent.height };
    if let Err(error) = check_header(checked.header(), core.spec(), &ancestors, now.0 / 1_000) {
        return Ok(Err(error.reject_string()));
    }
    Overlay::new(core).connect(&checked, parent.height + 1, parent.median_time_past_s)
}

/// The active chain up to a height, as header rules ask about it.
struct ActiveChain<'a> {
    core: &'a Core,
    height: u32,
}

impl Ancestors for ActiveChain<'_> {
    fn height(&self) -> u32 {
        self.height
    }
    fn at(&self, height: u32) -> (u32, CompactTarget) {
        let block = self.core.active_hash(height).and_then(|hash| self.core.summary(&hash));
        block.map_or_else(Default::default, |block| (block.header.time, block.header.bits))
    }
    fn version(&self, height: u32) -> i32 {
        let block = self.core.active_hash(height).and_then(|hash| self.core.summary(&hash));
        block.map_or(0, |block| block.header.version)
    }
}

/// What blocks are tried on: the coins of a tip, and the median times below it.
pub trait Ground {
    /// The chain's parameters.
    fn spec(&self) -> &ChainSpec;
    /// An unspent coin.
    fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError>;
    /// Median-time-past of the active block at a height, Unix seconds.
    fn median_time_past(&self, height: u32) -> Option<u32>;
}

impl Ground for Core {
    fn spec(&self) -> &ChainSpec {
        Core::spec(self)
    }
    fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
        Core::coin(self, outpoint, false)
    }
    fn median_time_past(&self, height: u32) -> Option<u32> {
        let block = self.active_hash(height).and_then(|hash| self.summary(&hash));
        block.map(|block| block.median_time_past_s)
    }
}

/// Coins that differ from the ground's.
pub struct Overlay<'a> {
    ground: &'a dyn Ground,
    /// `None` is a coin that is not there.
    coins: FxHashMap<Outpoint, Option<Coin>>,
}

impl Coins for Overlay<'_> {
    fn coin(&self, outpoint: &Outpoint) -> Option<&Coin> {
        self.coins.get(outpoint)?.as_ref()
    }
    fn median_time_past_before(&self, height: u32) -> u32 {
        self.ground.median_time_past(height.saturating_sub(1)).unwrap_or(0)
    }
}

impl<'a> Overlay<'a> {
    /// The ground's coins.
    pub fn new(ground: &'a dyn Ground) -> Overlay<'a> {
        Overlay { ground, coins: FxHashMap::default() }
    }

    /// How many coins it holds.
    pub fn coins(&self) -> usize {
        self.coins.len()
    }

    /// Makes the ground's coin visible to [`Coins`], unless the overlay has its own idea of it.
    fn fetch(&mut self, outpoint: Outpoint) -> Result<(), StoreError> {
        if let std::collections::hash_map::Entry::Vacant(place) = self.coins.entry(outpoint) {
            place.insert(self.ground.coin(&outpoint)?);
        }
        Ok(())
    }

    /// Undoes the block at the top. The sentence says how block, undo data and coins disagree.
    pub fn disconnect(
        &mut self,
        block: &CheckedBlock,
        undo: &BlockUndo,
        height: u32,
    ) -> Result<Result<(), String>, StoreError> {
        let transactions = &block.block().transactions;
        if undo.spent.len() + 1 != transactions.len() {
            return Ok(Err("its undo data is for another number of transactions".into()));
        }
        for (position, transaction) in transactions.iter().enumerate().rev() {
            let txid = block.txids()[position];
            for (index, output) in (0u32..).zip(&transaction.outputs) {
                if output.script.is_unspendable() {
                    continue;
                }
                let outpoint = Outpoint { txid, index };
                self.fetch(outpoint)?;
                let made = Coin { output: output.clone(), height, is_coinbase: position == 0 };
                // A coinbase whose id came twice: the later one overwrote this one's coins (BIP30's exceptions).
                let may_be_overwritten = position == 0 && !self.ground.spec().bip30_exceptions.is_empty();
                if self.coins.insert(outpoint, None) != Some(Some(made)) && !may_be_overwritten {
                    return Ok(Err(format!("its output {outpoint} is not among the coins as it should be")));
                }
            }
            let Some(spent) = position.checked_sub(1).and_then(|place| undo.spent.get(place)) else { continue };
            if spent.len() != transaction.inputs.len() {
                return Ok(Err(format!("its undo data has another number of inputs for transaction {txid}")));
            }
            for (input, coin) in transaction.inputs.iter().zip(spent) {
                self.fetch(input.outpoint)?;
                if self.coins.insert(input.outpoint, Some(coin.clone())).flatten().is_some() {
                    return Ok(Err(format!("the coin {} that it spends is there all the same", input.outpoint)));
                }
            }
        }
        Ok(Ok(()))
    }

    /// Connects a block by all rules, signatures included. The time is its parent's median-time-past.
    pub fn connect(
        &mut self,
        block: &CheckedBlock,
        height: u32,
        median_time_past_s: u32,
    ) -> Result<Verdict, StoreError> {
        let transactions = &block.block().transactions;
        for (transaction, &txid) in transactions.iter().zip(block.txids()) {
            for input in transaction.inputs.iter().filter(|input| !input.outpoint.is_null()) {
                self.fetch(input.outpoint)?;
            }
            // Where ids can repeat, the rules ask whether an output exists already (BIP30).
            let outputs = if self.ground.spec().ids_are_unique() { 0 } else { transaction.outputs.len() as u32 };
            for index in 0..outputs {
                self.fetch(Outpoint { txid, index })?;
            }
        }
        let place = BlockContext { height, median_time_past_s, block_time_s: block.header().time };
        let connected = match connect_block(block, self.ground.spec(), place, self) {
            Ok(connected) => connected,
            Err(error) => return Ok(Err(error.reject_string())),
        };
        let encoding = self.ground.spec().signature_encoding(place.height);
        let mut unlocks = Vec::new();
        for (transaction, spent) in transactions.iter().skip(1).zip(&connected.undo.spent) {
            for (input, coin) in spent.iter().enumerate() {
                unlocks.push(InputCheck { transaction, input, coin, encoding });
            }
        }
        if let Some((_, error)) = signatures::first_bad(&unlocks) {
            return Ok(Err(error.reject_string()));
        }
        self.apply(block, place.height);
        Ok(Ok(()))
    }

    fn apply(&mut self, block: &CheckedBlock, height: u32) {
        for (position, transaction) in block.block().transactions.iter().enumerate() {
            for input in transaction.inputs.iter().filter(|_| position > 0) {
                self.coins.insert(input.outpoint, None);
            }
            for (index, output) in (0u32..).zip(&transaction.outputs) {
                if !output.script.is_unspendable() {
                    let coin = Coin { output: output.clone(), height, is_coinbase: position == 0 };
                    self.coins.insert(Outpoint { txid: block.txids()[position], index }, Some(coin));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tests::world::{block_on, genesis_coin, spec, spend};
    use chain_spec::Txid;

    /// Coins that somebody wrote down, right or wrong.
    struct Written(Arc<ChainSpec>, FxHashMap<Outpoint, Coin>);

    impl Ground for Written {
        fn spec(&self) -> &ChainSpec {
            &self.0
        }
        fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
            Ok(self.1.get(outpoint).cloned())
        }
        fn median_time_past(&self, _height: u32) -> Option<u32> {
            Some(self.0.genesis.header.time)
        }
    }

    /// Undoes a block with one payment on coins that `spoil` has changed.
    fn undone(spoil: impl FnOnce(&mut FxHashMap<Outpoint, Coin>, (Outpoint, Coin), Txid)) -> Result<(), String> {
        let spec = spec();
        let spent = genesis_coin(&spec, 0);
        let payment = spend(&[spent.0], 0, &[(100_000_000, 1)]);
        let block = block_on(&spec.genesis.header, 1, std::slice::from_ref(&payment), 1, 0, &spec);
        let block = check_block(block, &spec).unwrap();
        let undo = BlockUndo { spent: vec![vec![spent.1.clone()]] };
        let mut coins = FxHashMap::default();
        for (position, transaction) in block.block().transactions.iter().enumerate() {
            let coin = Coin { output: transaction.outputs[0].clone(), height: 1, is_coinbase: position == 0 };
            coins.insert(Outpoint { txid: block.txids()[position], index: 0 }, coin);
        }
        spoil(&mut coins, spent, payment.txid());
        Overlay::new(&Written(spec, coins)).disconnect(&block, &undo, 1).unwrap()
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
