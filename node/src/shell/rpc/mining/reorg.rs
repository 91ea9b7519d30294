//! `reorg`: replaces the newest blocks by others, in one call, so that a wallet or an explorer can be watched while it
//! happens. The blocks go the same way as a miner's: the node sees a branch grow that in the end has more work.

use super::generate::mine_on;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::lookup::is_local;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::{Arguments, bad_address};
use crate::shell::rpc::method::context::Context;
use chain_spec::{Address, BlockHash, Script};
use serde_json::json;
use std::sync::Arc;

/// Most blocks that are replaced in one call.
const DEPTH_MAX: u32 = 1_000;
/// Most blocks that are made in one call.
const BLOCKS_MAX: u32 = 2_000;

/// `reorg depth ( blocks address )`.
pub async fn reorg(context: Arc<Context>, arguments: Arguments) -> Reply {
    if !is_local(&context.spec) {
        let message = "reorg is for local chains only (local, bitcoin-regtest or a chain spec of one's own)";
        return Err(RpcError::misc(message));
    }
    let tip = *context.core.tip().borrow();
    let depth =
        u32::try_from(arguments.integer(0)?).ok().filter(|depth| (1..=DEPTH_MAX.min(tip.height)).contains(depth));
    let depth = depth.ok_or_else(|| {
        let message = format!(
            "depth must be between 1 and {}, since the chain has {} blocks",
            DEPTH_MAX.min(tip.height),
            tip.height
        );
        RpcError::parameter(message)
    })?;
    let blocks = arguments.bounded_or(1, depth + 1, BLOCKS_MAX)?;
    if blocks == 0 {
        return Err(RpcError::parameter("blocks must be at least 1"));
    }
    let payout = match arguments.optional_text(2)? {
        Some(text) => Address::parse(text, &context.spec).map_err(|error| bad_address(&error))?.script(),
        // Nobody's: an output that can never be spent.
        None => Script::from_bytes(vec![0x6a]),
    };
    let fork_height = tip.height - depth;
    let fork = context.core.read(move |core| core.ancestor(&tip.hash, fork_height)).await?;
    let fork: BlockHash =
        fork.ok_or_else(|| RpcError::misc("the chain changed while the branch was planned; try again"))?;
    let made = mine_on(&context, fork, payout, blocks).await?;
    let now =
        context.core.read(move |core| (core.tip(), core.summary(&tip.hash).is_some_and(|old| old.active))).await?;
    let (new_tip, is_old_active) = now;
    Ok(json!({
        "fork": {"hash": fork.to_string(), "height": fork_height},
        "from": {"hash": tip.hash.to_string(), "height": tip.height},
        "to": {"hash": new_tip.hash.to_string(), "height": new_tip.height},
        "reorganised": !is_old_active,
        "blocks": made.iter().map(|hash| hash.to_string()).collect::<Vec<_>>(),
    }))
}
