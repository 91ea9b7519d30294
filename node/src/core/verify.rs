//! Do the stored blocks, the undo data and the coins still agree (`verifychain`)?
//!
//! A [`Verifier`] looks at a [`Snapshot`] and so can run on another thread while blocks go on being connected. Beside
//! [`view`](super::view) and [`snapshot`](super::snapshot) on their floor.

use super::chain_view::ChainView;
use super::chainstate::dry_run::DryRun;
use super::rejection::{AcceptError, Rejection, RejectionKind};
use super::snapshot::Snapshot;
use super::store::StoreError;
use chain_spec::rules::block::check_block;
use chain_spec::{BlockHash, ChainSpec, CheckedBlock, Coin, Outpoint};
use std::sync::Arc;

/// Coins that undoing blocks may change before levels 3 and 4 end; the blocks below are looked at up to level 2 (Core ends
/// them where its coin cache is full). Some 400 MB.
const COINS_CHANGED_MAX: usize = 2_000_000;

/// The chain as it stood when it was asked for.
pub struct Verifier {
    pub(super) spec: Arc<ChainSpec>,
    pub(super) snapshot: Snapshot,
    /// Hashes and median times past by height.
    pub(super) chain: Vec<(BlockHash, u32)>,
    /// All blocks from here on are stored; those below were pruned.
    pub(super) blocks_from_height: u32,
}

impl ChainView for Verifier {
    fn spec(&self) -> &ChainSpec {
        &self.spec
    }
    fn height(&self) -> u32 {
        self.snapshot.tip().height
    }
    fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
        self.snapshot.coin(outpoint)
    }
    fn median_time_past_at(&self, height: u32) -> u32 {
        self.chain.get(height as usize).map_or(0, |(_, median)| *median)
    }
}

impl Verifier {
    /// How many of this many blocks below the tip cannot be looked at, because they were pruned.
    pub fn blocks_missing(&self, blocks: u32) -> u32 {
        let lowest = (self.height() + 1).saturating_sub(blocks).max(1);
        self.blocks_from_height.saturating_sub(lowest)
    }

    /// Walks down from the tip, at most `blocks` blocks and not below what was pruned, then, at level 4, up again (Core: `CVerifyDB`). Level 0 reads blocks, 1
    /// checks them, 2 reads undo data, 3 undoes the blocks, 4 connects them again with signatures.
    ///
    /// # Errors
    /// The rejection names a block and says what is wrong with it. Or the store cannot be read.
    pub fn verify(&self, level: u32, blocks: u32, is_stopping: &dyn Fn() -> bool) -> Result<(), AcceptError> {
        let tip = self.height();
        let mut run = DryRun::new(self);
        let mut undone_from = tip + 1;
        for height in (self.blocks_from_height.max(1)..=tip).rev().take(blocks as usize) {
            if is_stopping() {
                return Ok(());
            }
            let undo_coins = level >= 3 && undone_from == height + 1 && run.coins() < COINS_CHANGED_MAX;
            let result = self.look_at(height, level, undo_coins.then_some(&mut run));
            result.map_err(|error| self.named(height, error))?;
            if undo_coins {
                undone_from = height;
            }
        }
        for height in undone_from..=tip {
            if level < 4 || is_stopping() {
                break;
            }
            self.connect_again(height, &mut run).map_err(|error| self.named(height, error))?;
        }
        Ok(())
    }

    /// One block by levels 0 to 2, and by level 3 with a dry run that stands above it.
    fn look_at(&self, height: u32, level: u32, run: Option<&mut DryRun<'_>>) -> Result<(), AcceptError> {
        let (hash, _) = self.chain[height as usize];
        let block = self.snapshot.block(&hash)?.ok_or_else(|| missing("it is not stored"))?;
        if level < 1 {
            return Ok(());
        }
        let block = check_block(block, &self.spec).map_err(|error| Rejection::rule(&error))?;
        if level < 2 {
            return Ok(());
        }
        let undo = self.snapshot.undo(&hash)?.ok_or_else(|| missing("its undo data is not stored"))?;
        run.map_or(Ok(()), |run| run.disconnect(&block, &undo, height))
    }

    fn connect_again(&self, height: u32, run: &mut DryRun<'_>) -> Result<(), AcceptError> {
        let (hash, _) = self.chain[height as usize];
        let block = self.snapshot.block(&hash)?.ok_or_else(|| missing("it is not stored"))?;
        let (_, median_time_past_s) = self.chain[height as usize - 1];
        run.connect(&CheckedBlock::from_store(block), height, median_time_past_s)
    }

    fn named(&self, height: u32, error: AcceptError) -> AcceptError {
        error.about(format_args!("block {} at height {height}", self.chain[height as usize].0))
    }
}

fn missing(what: &str) -> Rejection {
    Rejection::new(RejectionKind::Inconsistent, "missing-data", what.to_owned())
}
