//! `verifychain`: do the stored blocks, the undo data and the coins still agree?
//!
//! It runs on a snapshot, beside the core's thread: blocks go on being connected meanwhile.

use crate::core::Core;
use crate::core::snapshot::Snapshot;
use crate::core::store::StoreError;
use crate::shell::core_handle::Stopped;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::trial::{Ground, Overlay};
use chain_spec::rules::block::check_block;
use chain_spec::{BlockHash, ChainSpec, CheckedBlock, Coin, Outpoint};
use serde_json::json;
use std::sync::Arc;
use tracing::warn;

/// Core's defaults.
const LEVEL_DEFAULT: u32 = 3;
/// Core's deepest level.
const LEVEL_MAX: u32 = 4;
/// Core's default number of blocks.
const BLOCKS_DEFAULT: u32 = 6;
/// Coins that undoing blocks may change before levels 3 and 4 end; the blocks below are looked at up to level 2 (Core ends
/// them where its coin cache is full). Some 400 MB.
const COINS_CHANGED_MAX: usize = 2_000_000;

/// `verifychain`: true, or false with the reason in the log.
pub async fn verifychain(context: Arc<Context>, arguments: Arguments) -> Reply {
    let level = arguments.bounded_or(0, LEVEL_DEFAULT, LEVEL_MAX)?;
    let blocks = arguments.bounded_or(1, BLOCKS_DEFAULT, u32::MAX)?;
    let (snapshot, chain) = context.core.read(|core: &Core| (core.snapshot(), core.active_chain())).await?;
    let standing = Standing { spec: context.spec.clone(), snapshot, chain };
    let (stop, blocks) = (context.clone(), if blocks == 0 { u32::MAX } else { blocks });
    // A store that cannot even be read is the finding, not a failure of the call.
    let verify =
        move || Ok(standing.verify(level, blocks, &|| stop.is_stopping()).unwrap_or_else(|e| Err(e.to_string())));
    let verdict = context.run_blocking(verify).await?;
    if context.is_stopping() {
        return Err(Stopped.into());
    }
    match verdict {
        Ok(()) => Ok(json!(true)),
        Err(problem) => {
            warn!("verifychain found a problem: {problem}; restart with --reindex to rebuild from the blocks");
            Ok(json!(false))
        }
    }
}

/// The chain as it stood when it was asked for.
struct Standing {
    spec: Arc<ChainSpec>,
    snapshot: Snapshot,
    /// Hashes and median times past by height.
    chain: Vec<(BlockHash, u32)>,
}

impl Ground for Standing {
    fn spec(&self) -> &ChainSpec {
        &self.spec
    }
    fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
        self.snapshot.coin(outpoint)
    }
    fn median_time_past(&self, height: u32) -> Option<u32> {
        self.chain.get(height as usize).map(|(_, median)| *median)
    }
}

impl Standing {
    /// Walks down from the tip, then, at level 4, up again. The inner error names the block and what is wrong with it.
    fn verify(
        &self,
        level: u32,
        blocks: u32,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<Result<(), String>, StoreError> {
        let tip = self.snapshot.tip().height;
        let mut overlay = Overlay::new(self);
        let mut undone_from = tip + 1;
        for height in (1..=tip).rev().take(blocks as usize) {
            if is_stopping() {
                return Ok(Ok(()));
            }
            let undo_coins = level >= 3 && undone_from == height + 1 && overlay.coins() < COINS_CHANGED_MAX;
            if let Err(what) = self.look_at(height, level, undo_coins.then_some(&mut overlay))? {
                return Ok(Err(self.sentence(height, &what)));
            }
            if undo_coins {
                undone_from = height;
            }
        }
        for height in undone_from..=tip {
            if level < 4 || is_stopping() {
                break;
            }
            if let Err(what) = self.connect_again(height, &mut overlay)? {
                return Ok(Err(self.sentence(height, &what)));
            }
        }
        Ok(Ok(()))
    }

    /// One block by levels 0 to 2, and by level 3 with an overlay that stands above it.
    fn look_at(
        &self,
        height: u32,
        level: u32,
        overlay: Option<&mut Overlay<'_>>,
    ) -> Result<Result<(), String>, StoreError> {
        let (hash, _) = self.chain[height as usize];
        let Some(block) = self.snapshot.block(&hash)? else { return Ok(Err("it is not stored".to_owned())) };
        if level < 1 {
            return Ok(Ok(()));
        }
        let block = match check_block(block, &self.spec) {
            Ok(block) => block,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if level < 2 {
            return Ok(Ok(()));
        }
        let Some(undo) = self.snapshot.undo(&hash)? else { return Ok(Err("its undo data is not stored".to_owned())) };
        match overlay {
            Some(overlay) => overlay.disconnect(&block, &undo, height),
            None => Ok(Ok(())),
        }
    }

    fn connect_again(&self, height: u32, overlay: &mut Overlay<'_>) -> Result<Result<(), String>, StoreError> {
        let (hash, _) = self.chain[height as usize];
        let Some(block) = self.snapshot.block(&hash)? else { return Ok(Err("it is not stored".to_owned())) };
        let block = CheckedBlock::from_store(block);
        let (_, median_time_past_s) = self.chain[height as usize - 1];
        Ok(overlay.connect(&block, height, median_time_past_s)?.map_err(|reason| reason.into_owned()))
    }

    fn sentence(&self, height: u32, what: &str) -> String {
        format!("block {} at height {height}: {what}", self.chain[height as usize].0)
    }
}
