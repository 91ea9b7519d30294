//! What methods of several groups look up in the core, with Core's answer when it is not there.

use crate::core::Core;
use crate::core::store::StoreError;
use crate::core::summary::Summary;
use crate::shell::rpc::descriptor::Descriptor;
use crate::shell::rpc::error::{RpcError, TYPE_ERROR};
use crate::shell::rpc::method::arguments::parse_hash;
use chain_spec::{Block, BlockHash, BlockUndo, ChainSpec, Coin, Outpoint, Script, Transaction};
use serde_json::Value;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Most descriptors in one scan.
const SCAN_OBJECTS_MAX: usize = 10_000;
/// Last index of a descriptor with a wildcard unless told otherwise (Core's).
const SCAN_RANGE_DEFAULT: u32 = 1_000;
/// Most scripts in one scan.
const SCAN_SCRIPTS_MAX: usize = 2_000_000;

/// What an unknown hash is answered with.
pub fn unknown_block() -> RpcError {
    RpcError::not_found("Block not found")
}

/// The summary of a known block.
pub fn known_block(core: &Core, hash: &BlockHash) -> Result<Summary, RpcError> {
    core.summary(hash).ok_or_else(unknown_block)
}

/// A block by its hash, or of the active chain by its height (Core: `ParseHashOrHeight`).
pub fn hash_or_height(core: &Core, value: &Value) -> Result<Summary, RpcError> {
    let Some(height) = value.as_i64() else {
        if value.is_number() {
            return Err(RpcError::misc("JSON integer out of range"));
        }
        let text = value.as_str().ok_or_else(|| RpcError::new(TYPE_ERROR, "JSON value is not a hash or a height"))?;
        return known_block(core, &parse_hash(text, "hash_or_height")?);
    };
    let tip = core.tip().height;
    if height < 0 {
        return Err(RpcError::parameter(format!("Target block height {height} is negative")));
    }
    let hash = u32::try_from(height).ok().and_then(|height| core.active_hash(height));
    let hash =
        hash.ok_or_else(|| RpcError::parameter(format!("Target block height {height} after current tip {tip}")))?;
    known_block(core, &hash)
}

/// A known block's body.
///
/// # Errors
/// It was pruned, or has not come yet, with Core's words (`CheckBlockDataAvailability`). Or the store cannot be read.
pub fn stored_block(core: &Core, hash: &BlockHash) -> Result<Arc<Block>, RpcError> {
    match core.block(hash)? {
        Some(block) => Ok(block),
        None if core.is_pruned(hash) => Err(RpcError::misc("Block not available (pruned data)")),
        None => Err(RpcError::misc("Block not available (not fully downloaded)")),
    }
}

/// What a known block spent; `None` if it was never connected.
///
/// # Errors
/// It was pruned. Or the store cannot be read.
pub fn stored_undo(core: &Core, hash: &BlockHash) -> Result<Option<Arc<BlockUndo>>, RpcError> {
    match core.undo(hash)? {
        None if core.has_pruned_undo(hash) => Err(RpcError::misc("Undo data not available (pruned data)")),
        undo => Ok(undo),
    }
}

/// The coins a transaction spends, as far as they are unspent or made by pooled transactions, in the order of its inputs.
/// Pooled spenders are not looked at, so that a transaction can be signed that replaces another.
///
/// # Errors
/// The store cannot be read.
pub fn coins_of(core: &Core, transaction: &Transaction) -> Result<Vec<Option<Coin>>, StoreError> {
    transaction.inputs.iter().map(|input| coin_of(core, &input.outpoint)).collect()
}

fn coin_of(core: &Core, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
    if let Some(entry) = core.mempool().get(&outpoint.txid) {
        let output = entry.transaction.transaction().outputs.get(outpoint.index as usize).cloned();
        return Ok(output.map(|output| Coin { output, height: core.tip().height + 1, is_coinbase: false }));
    }
    core.coin(outpoint, false)
}

/// The scripts of scan objects (a descriptor's text, or an object with `desc` and `range`), each with the descriptor of it alone.
pub fn scan_scripts(
    objects: &[Value],
    parse: impl Fn(&str) -> Result<Descriptor, RpcError>,
) -> Result<HashMap<Script, String>, RpcError> {
    if objects.len() > SCAN_OBJECTS_MAX {
        return Err(RpcError::parameter(format!("at most {SCAN_OBJECTS_MAX} scan objects")));
    }
    let mut wanted = HashMap::new();
    for object in objects {
        let text = object.as_str().or_else(|| object.get("desc")?.as_str());
        let text = text.ok_or_else(|| RpcError::parameter("Scan object needs to be either a string or an object"))?;
        let descriptor = parse(text)?;
        let range = match object.get("range") {
            Some(range) => parse_range(range)?,
            None if descriptor.is_range() => 0..=SCAN_RANGE_DEFAULT,
            None => 0..=0,
        };
        for index in if descriptor.is_range() { range } else { 0..=0 } {
            if wanted.len() >= SCAN_SCRIPTS_MAX {
                return Err(RpcError::parameter(format!(
                    "at most {SCAN_SCRIPTS_MAX} scripts can be scanned for at once"
                )));
            }
            let derived = descriptor.scripts(index).map_err(RpcError::not_found)?;
            wanted.extend(derived.into_iter().map(|derived| (derived.script, derived.descriptor)));
        }
    }
    Ok(wanted)
}

/// The indexes of a descriptor with a wildcard: `END`, or `[BEGIN,END]`, both counted (Core: `ParseDescriptorRange`).
pub fn parse_range(value: &Value) -> Result<RangeInclusive<u32>, RpcError> {
    /// Most indexes of one range (Core's).
    const LENGTH_MAX: i64 = 1_000_000;
    let (begin, end) = match value {
        Value::Number(end) => (Some(0), end.as_i64()),
        Value::Array(list) if list.len() == 2 => (list[0].as_i64(), list[1].as_i64()),
        _ => return Err(RpcError::parameter("Range must be specified as end or as [begin,end]")),
    };
    let whole = || RpcError::parameter("Range must consist of whole numbers");
    let (begin, end) = (begin.ok_or_else(whole)?, end.ok_or_else(whole)?);
    if begin > end {
        return Err(RpcError::parameter("Range specified as [begin,end] must not have begin after end"));
    }
    if begin < 0 {
        return Err(RpcError::parameter("Range should be greater or equal than 0"));
    }
    if end >= 1 << 31 {
        return Err(RpcError::parameter("End of range is too high"));
    }
    if end >= begin + LENGTH_MAX {
        return Err(RpcError::parameter("Range is too large"));
    }
    // Both are between 0 and 2³¹, as was just checked.
    Ok(begin as u32..=end as u32)
}

/// Whether a chain is one for trying things out: its nodes may be told what time it is, and to replace their newest blocks.
/// Where others mine, either would only cut the node off.
pub fn is_local(spec: &ChainSpec) -> bool {
    !matches!(spec.name.as_str(), "main" | "testnet" | "bitcoin-main" | "litecoin-main")
}

/// The age of a tip from which on a node of a public chain counts as catching up, seconds (Core: `DEFAULT_MAX_TIP_AGE`).
const TIP_AGE_MAX_S: u64 = 24 * 60 * 60;

/// Whether a tip is so old that a public chain must be ahead of it (Core: part of `IsInitialBlockDownload`). A chain for
/// trying things out may have stood still for any time.
pub fn is_stale(spec: &ChainSpec, tip: &Summary, now_s: u64) -> bool {
    !is_local(spec) && u64::from(tip.header.time).saturating_add(TIP_AGE_MAX_S) < now_s
}
