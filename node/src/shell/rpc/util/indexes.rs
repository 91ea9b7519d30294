//! `getindexinfo` and `getzmqnotifications`: the optional indexes that this node keeps, and what it publishes, with Core's fields.

use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::zmq::{Endpoint, HIGH_WATER_MARK};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `getindexinfo ( index_name )`: the indexes that there are. They are written with the blocks, so they are never behind them.
pub async fn getindexinfo(context: Arc<Context>, arguments: Arguments) -> Reply {
    let asked = arguments.optional_text(0)?;
    let height = context.core.read(|core| core.tip().height).await?;
    let kept = [
        ("txindex", context.txindex),
        ("basic block filter index", context.block_filters),
        ("txospenderindex", context.spenders),
    ];
    let wanted = kept.into_iter().filter(|(name, is_kept)| *is_kept && asked.is_none_or(|asked| asked == *name));
    let state = json!({"synced": true, "best_block_height": height});
    Ok(Value::Object(wanted.map(|(name, _)| (name.to_owned(), state.clone())).collect::<Map<_, _>>()))
}

/// `getzmqnotifications`: topics and addresses.
pub async fn getzmqnotifications(context: Arc<Context>, _: Arguments) -> Reply {
    let view = |endpoint: &Endpoint| json!({"type": format!("pub{}", endpoint.topic.name()), "address": endpoint.address, "hwm": HIGH_WATER_MARK});
    Ok(context.zmq.iter().map(view).collect())
}
