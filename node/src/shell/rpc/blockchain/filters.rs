//! Filters of blocks (BIP157, BIP158): `getblockfilter`, and `scanblocks`, which asks them.

use crate::core::Core;
use crate::shell::core_handle::Stopped;
use crate::shell::rpc::descriptor::Descriptor;
use crate::shell::rpc::error::{INVALID_ADDRESS_OR_KEY, RpcError};
use crate::shell::rpc::lookup::{known_block, scan_scripts, stored_block, stored_undo};
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::store::block_filter::matches_any;
use chain_spec::{BlockHash, Script};
use serde_json::{Value, json};
use std::sync::Arc;

/// Blocks asked for at a time, so that the core's thread is free in between.
const BLOCKS_AT_ONCE: u32 = 200;

/// The type of filter that there is, unless another one is asked for.
fn check_type(context: &Context, name: &str) -> Result<(), RpcError> {
    if name != "basic" {
        return Err(RpcError::not_found("Unknown filtertype"));
    }
    if !context.block_filters {
        return Err(RpcError::misc(
            "Index is not enabled for filtertype basic; start the node with --blockfilterindex",
        ));
    }
    Ok(())
}

/// A filter header as people write hashes.
pub fn header_text(header: &[u8; 32]) -> String {
    BlockHash::from_bytes(*header).to_string()
}

/// `getblockfilter blockhash ( filtertype )`.
pub async fn getblockfilter(context: Arc<Context>, arguments: Arguments) -> Reply {
    let hash: BlockHash = arguments.hash(0)?;
    check_type(&context, arguments.optional_text(1)?.unwrap_or("basic"))?;
    let read = move |core: &Core| -> Result<_, RpcError> {
        known_block(core, &hash)?;
        Ok(core.block_filter(&hash)?)
    };
    let filter = context.core.read(read).await??;
    let filter = filter.ok_or_else(|| RpcError::misc("Filter not found. Block was not connected to active chain."))?;
    Ok(json!({"filter": hex::encode(&filter.filter), "header": header_text(&filter.header)}))
}

/// `scanblocks action ( scanobjects start_height stop_height filtertype options )`.
pub async fn scanblocks(context: Arc<Context>, arguments: Arguments) -> Reply {
    match arguments.text(0)? {
        "start" => {}
        // Scans run to their end inside their call, so there is never one to report on or to stop.
        "status" => return Ok(Value::Null),
        "abort" => return Ok(json!(false)),
        other => return Err(RpcError::parameter(format!("Invalid action '{other}'"))),
    }
    check_type(&context, arguments.optional_text(4)?.unwrap_or("basic"))?;
    let parse = |text: &str| {
        Descriptor::parse(text, &context.spec).map_err(|error| RpcError::new(INVALID_ADDRESS_OR_KEY, error))
    };
    let wanted: Vec<Script> = scan_scripts(arguments.list(1)?, parse)?.into_keys().collect();
    let tip = context.core.read(|core| core.tip().height).await?;
    let height = |index, default, what: &str| {
        let height = arguments.integer_or(index, i64::from(default))?;
        u32::try_from(height)
            .ok()
            .filter(|height| *height <= tip)
            .ok_or_else(|| RpcError::misc(format!("Invalid {what}")))
    };
    let (start, stop) = (height(2, 0, "start_height")?, height(3, tip, "stop_height")?);
    if start > stop {
        return Err(RpcError::misc("Invalid stop_height"));
    }
    let is_exact = match arguments.object(5)?.and_then(|options| options.get("filter_false_positives")) {
        None => false,
        Some(value) => {
            value.as_bool().ok_or_else(|| RpcError::parameter("filter_false_positives must be a boolean"))?
        }
    };
    let (wanted, mut relevant) = (Arc::new(wanted), Vec::new());
    let mut from = start;
    while from <= stop {
        if context.is_stopping() {
            return Err(Stopped.into());
        }
        let to = stop.min(from + BLOCKS_AT_ONCE - 1);
        let wanted = Arc::clone(&wanted);
        relevant.extend(context.core.read(move |core| relevant_blocks(core, from..=to, &wanted, is_exact)).await??);
        from = to + 1;
    }
    Ok(json!({
        "from_height": start,
        "to_height": stop,
        "relevant_blocks": relevant.iter().map(|hash| json!(hash.to_string())).collect::<Value>(),
        "completed": true,
    }))
}

/// Blocks of the active chain that pay or spend one of some scripts; not exact, now and then also one that does not.
fn relevant_blocks(
    core: &Core,
    heights: std::ops::RangeInclusive<u32>,
    wanted: &[Script],
    is_exact: bool,
) -> Result<Vec<BlockHash>, RpcError> {
    let mut relevant = Vec::new();
    for hash in heights.filter_map(|height| core.active_hash(height)) {
        let Some(filter) = core.block_filter(&hash)? else { continue };
        let seems = matches_any(&hash, &filter.filter, wanted.iter().map(Script::as_bytes)).unwrap_or(true);
        if seems && (!is_exact || touches(core, &hash, wanted)?) {
            relevant.push(hash);
        }
    }
    Ok(relevant)
}

/// Whether a block pays or spends one of some scripts.
fn touches(core: &Core, hash: &BlockHash, wanted: &[Script]) -> Result<bool, RpcError> {
    let block = stored_block(core, hash)?;
    let mut paid = block.transactions.iter().flat_map(|transaction| &transaction.outputs).map(|output| &output.script);
    if paid.any(|script| wanted.contains(script)) {
        return Ok(true);
    }
    let undo = stored_undo(core, hash)?;
    let mut spent = undo.iter().flat_map(|undo| undo.spent.iter().flatten()).map(|coin| &coin.output.script);
    Ok(spent.any(|script| wanted.contains(script)))
}
