//! `verifychain`: do the stored blocks, the undo data and the coins still agree?

use super::arguments::Arguments;
use super::context::Context;
use super::methods::Reply;
use super::trial::{Overlay, stored};
use crate::core::Core;
use crate::core::store::StoreError;
use crate::core::view::Summary;
use chain_spec::CheckedBlock;
use serde_json::json;
use std::sync::Arc;
use tracing::warn;

/// Core's defaults.
const LEVEL_DEFAULT: u32 = 3;
/// Core's deepest level.
const LEVEL_MAX: u32 = 4;
/// Core's default number of blocks.
const BLOCKS_DEFAULT: u32 = 6;

/// `verifychain`: true, or false with the reason in the log.
pub async fn verifychain(context: Arc<Context>, arguments: Arguments) -> Reply {
    let level = arguments.bounded_or(0, LEVEL_DEFAULT, LEVEL_MAX)?;
    let blocks = arguments.bounded_or(1, BLOCKS_DEFAULT, u32::MAX)?;
    let verdict =
        context.core.read(move |core| verify(core, level, if blocks == 0 { u32::MAX } else { blocks })).await?;
    // A store that cannot even be read is the finding, not a failure of the call.
    match verdict.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(()) => Ok(json!(true)),
        Err(problem) => {
            warn!("verifychain found a problem: {problem}; restart with --reindex to rebuild from the blocks");
            Ok(json!(false))
        }
    }
}

/// Walks down from the tip, then, at level 4, up again. The inner error names the block and what is wrong with it.
fn verify(core: &Core, level: u32, blocks: u32) -> Result<Result<(), String>, StoreError> {
    let mut overlay = Overlay::new(core);
    let mut undone: Vec<CheckedBlock> = Vec::new();
    let mut at = core.tip();
    while at.height > 0 && (core.tip().height - at.height) < blocks {
        let problem = |what: &str| Ok(Err(format!("block {} at height {}: {what}", at.hash, at.height)));
        if core.block(&at.hash)?.is_none() {
            return problem("it is not stored");
        }
        if level >= 1 {
            let Some(block) = stored(core, &at.hash)? else { return problem("it breaks a context-free rule") };
            if level >= 2 {
                let Some(undo) = core.undo(&at.hash)? else { return problem("its undo data is not stored") };
                if level >= 3 {
                    if let Err(what) = overlay.disconnect(&block, &undo, at.height)? {
                        return problem(&what);
                    }
                    undone.push(block);
                }
            }
        }
        let Some(parent) = core.summary(&at.header.previous) else { return problem("its parent is not known") };
        at = parent;
    }
    if level >= 4 { reconnect(core, &mut overlay, undone, at) } else { Ok(Ok(())) }
}

fn reconnect(
    core: &Core,
    overlay: &mut Overlay<'_>,
    mut undone: Vec<CheckedBlock>,
    mut at: Summary,
) -> Result<Result<(), String>, StoreError> {
    while let Some(block) = undone.pop() {
        let hash = block.hash();
        if let Err(reason) = overlay.connect(&block, &at)? {
            return Ok(Err(format!("block {hash} at height {}: {reason}", at.height + 1)));
        }
        let Some(connected) = core.summary(&hash) else { return Ok(Err(format!("block {hash} is not known"))) };
        at = connected;
    }
    Ok(Ok(()))
}
