//! `getindexinfo`: the optional indexes that this node keeps, with Core's fields.

use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use serde_json::json;
use std::sync::Arc;

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
