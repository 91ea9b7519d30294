//! What this node runs beside the bare chain: the rules that began at some height (`getdeploymentinfo`), and its indexes
//! (`getindexinfo`), with Core's fields.

use super::arguments::Arguments;
use super::blockchain::known;
use super::context::Context;
use super::methods::Reply;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `getdeploymentinfo ( blockhash )`: each rule, the first height it holds at, and whether it holds after that block.
pub async fn getdeploymentinfo(context: Arc<Context>, arguments: Arguments) -> Reply {
    let asked = arguments.get(0).is_some().then(|| arguments.hash(0)).transpose()?;
    let read = move |core: &crate::core::Core| asked.map_or_else(|| Ok(core.tip()), |hash| known(core, &hash));
    let block = context.core.read(read).await??;
    let spec = &context.spec;
    let heights = [
        ("bip34", spec.bip34_height),
        ("bip66", spec.bip66_height),
        ("bip65", spec.bip65_height),
        ("csv", spec.csv_height),
    ];
    let deployment = |height: u32| json!({"type": "buried", "active": block.height + 1 >= height, "height": height});
    let deployments: Map<String, Value> =
        heights.into_iter().map(|(name, height)| (name.to_owned(), deployment(height))).collect();
    Ok(json!({"hash": block.hash.to_string(), "height": block.height, "deployments": deployments}))
}

/// `getindexinfo ( index_name )`: the transaction index, where there is one. It is written with the blocks, so it is never
/// behind them.
pub async fn getindexinfo(context: Arc<Context>, arguments: Arguments) -> Reply {
    let is_asked = arguments.optional_text(0)?.is_none_or(|name| name == "txindex");
    if !context.txindex || !is_asked {
        return Ok(json!({}));
    }
    let height = context.core.read(|core| core.tip().height).await?;
    Ok(json!({"txindex": {"synced": true, "best_block_height": height}}))
}
