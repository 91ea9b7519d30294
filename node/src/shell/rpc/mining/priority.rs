//! `prioritisetransaction` and `getprioritisedtransactions`: an operator's say in the order of mining.

use crate::core::Core;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `prioritisetransaction txid dummy fee_delta`.
pub async fn prioritisetransaction(context: Arc<Context>, arguments: Arguments) -> Reply {
    let txid = arguments.hash(0)?;
    if arguments.number(1)?.is_some_and(|dummy| dummy != 0.0) {
        let message = "Priority is no longer supported, dummy argument to prioritisetransaction must be 0.";
        return Err(RpcError::parameter(message));
    }
    let fee_delta = arguments.integer(2)?;
    // It is always accepted, known transaction or not.
    let _ = context.core.prioritise(txid, fee_delta).await?;
    Ok(json!(true))
}

/// `getprioritisedtransactions`.
pub async fn getprioritisedtransactions(context: Arc<Context>, _: Arguments) -> Reply {
    let list = |core: &Core| {
        let pool = core.mempool();
        let describe = |(txid, delta): (&chain_spec::Txid, i64)| {
            let entry = pool.get(txid);
            let mut view = json!({"fee_delta": delta, "in_mempool": entry.is_some()});
            if let Some(entry) = entry {
                view["modified_fee"] = json!(i128::from(entry.fee.units()) + i128::from(delta));
            }
            (txid.to_string(), view)
        };
        Value::Object(pool.priorities().map(describe).collect::<Map<_, _>>())
    };
    Ok(context.core.read(list).await?)
}
