//! `pruneblockchain`, and what `getblockchaininfo` says of pruning.

use crate::core::{Core, Prune};
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A number above this is a time, not a height (Core's).
const HEIGHT_MAX: i64 = 1_000_000_000;
/// How far before the time that was asked for a block's own may be, seconds (Core: `TIMESTAMP_WINDOW`).
const TIME_WINDOW_S: i64 = 2 * 60 * 60;

/// `pruneblockchain height`: the height of the last block that is gone, or -1.
pub async fn pruneblockchain(context: Arc<Context>, arguments: Arguments) -> Reply {
    let asked = arguments.integer(0)?;
    let height = context.core.read(move |core| height_of(core, asked)).await??;
    match context.core.prune(height).await? {
        Ok(_) => {
            let pruned = context.core.read(|core| core.prune_height()).await?;
            Ok(json!(pruned.map_or(-1, i64::from)))
        }
        Err(refused) => Err(RpcError::misc(refused.reason)),
    }
}

/// The height that a number stands for: itself, or that of the first block of a time.
fn height_of(core: &Core, asked: i64) -> Result<u32, RpcError> {
    if core.config().prune == Prune::Off {
        return Err(RpcError::misc("Cannot prune blocks because node is not in prune mode."));
    }
    if asked < 0 {
        return Err(RpcError::parameter("Negative block height."));
    }
    let tip = core.tip().height;
    if asked <= HEIGHT_MAX {
        let height = u32::try_from(asked).ok().filter(|height| *height <= tip);
        return height.ok_or_else(|| RpcError::parameter("Blockchain is shorter than the attempted prune height."));
    }
    let from_s = asked - TIME_WINDOW_S;
    let time =
        |height: u32| core.active_hash(height).and_then(|hash| core.summary(&hash)).map(|block| block.header.time);
    // Times of blocks are not in order, so Core compares with the latest up to each block; the first of those is the first block
    // itself.
    (0..=tip)
        .find(|height| time(*height).is_some_and(|time| i64::from(time) >= from_s))
        .ok_or_else(|| RpcError::parameter("Could not find block with at least the specified timestamp."))
}

/// Members of `getblockchaininfo`.
pub fn facts(core: &Core) -> Map<String, Value> {
    let mode = core.config().prune;
    let mut facts = Map::from_iter([("pruned".to_owned(), json!(mode != Prune::Off))]);
    if mode != Prune::Off {
        facts.insert("pruneheight".to_owned(), json!(core.prune_height().map_or(0, |height| height + 1)));
        facts.insert("automatic_pruning".to_owned(), json!(matches!(mode, Prune::Target(_))));
    }
    if let Prune::Target(bytes) = mode {
        facts.insert("prune_target_size".to_owned(), json!(bytes));
    }
    facts
}
