//! `gettxspendingprevout`: who spends outputs, in the mempool and, with `--txospenderindex`, in the active chain.

use crate::core::Core;
use crate::shell::rpc::error::{RpcError, TYPE_ERROR};
use crate::shell::rpc::lookup::stored_block;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::{Arguments, parse_hash};
use crate::shell::rpc::method::context::Context;
use chain_spec::{Encode, Outpoint};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What is asked for beside the outputs.
#[derive(Clone, Copy, Debug)]
struct Options {
    mempool_only: bool,
    with_transaction: bool,
}

fn unexpected(key: &str) -> RpcError {
    RpcError::new(TYPE_ERROR, format!("Unexpected key {key}"))
}

fn read_outpoint(output: &Value) -> Result<Outpoint, RpcError> {
    let mut keys = output.as_object().into_iter().flat_map(Map::keys);
    if let Some(unknown) = keys.find(|key| !matches!(key.as_str(), "txid" | "vout")) {
        return Err(unexpected(unknown));
    }
    let txid = output["txid"].as_str().ok_or_else(|| RpcError::parameter("Missing txid"))?;
    let vout = output["vout"].as_i64().ok_or_else(|| RpcError::parameter("Missing vout"))?;
    let index = u32::try_from(vout).map_err(|_| RpcError::parameter("Invalid parameter, vout cannot be negative"))?;
    Ok(Outpoint { txid: parse_hash(txid, "txid")?, index })
}

/// Unless told otherwise, the chain is looked at where there is an index.
fn read_options(context: &Context, arguments: &Arguments) -> Result<Options, RpcError> {
    let mut options = Options { mempool_only: !context.spenders, with_transaction: false };
    for (name, value) in arguments.object(1)?.into_iter().flatten() {
        let wrong = || RpcError::new(TYPE_ERROR, format!("JSON value of {name} is not of expected type bool"));
        match name.as_str() {
            "mempool_only" => options.mempool_only = value.as_bool().ok_or_else(wrong)?,
            "return_spending_tx" => options.with_transaction = value.as_bool().ok_or_else(wrong)?,
            unknown => return Err(unexpected(unknown)),
        }
    }
    Ok(options)
}

/// `gettxspendingprevout outputs ( options )`.
pub async fn gettxspendingprevout(context: Arc<Context>, arguments: Arguments) -> Reply {
    let outputs = arguments.list(0)?;
    if outputs.is_empty() {
        return Err(RpcError::parameter("Invalid parameter, outputs are missing"));
    }
    let outpoints = outputs.iter().map(read_outpoint).collect::<Result<Vec<_>, _>>()?;
    let options = read_options(&context, &arguments)?;
    if !options.mempool_only && !context.spenders {
        let message =
            "Mempool lacks a relevant spend, and txospenderindex is unavailable; start the node with --txospenderindex";
        return Err(RpcError::misc(message));
    }
    let spenders = move |core: &Core| outpoints.iter().map(|outpoint| spender(core, outpoint, options)).collect();
    context.core.read(spenders).await?
}

fn spender(core: &Core, outpoint: &Outpoint, options: Options) -> Reply {
    let mut view = json!({"txid": outpoint.txid.to_string(), "vout": outpoint.index});
    if let Some(entry) = core.mempool().spender(outpoint).and_then(|txid| core.mempool().get(&txid)) {
        view["spendingtxid"] = json!(entry.transaction.txid().to_string());
        if options.with_transaction {
            view["spendingtx"] = json!(hex::encode(entry.transaction.transaction().to_bytes()));
        }
        return Ok(view);
    }
    let found = if options.mempool_only { None } else { core.spender(outpoint)? };
    let Some(spender) = found else { return Ok(view) };
    view["spendingtxid"] = json!(spender.txid.to_string());
    view["blockhash"] = json!(spender.block.to_string());
    if options.with_transaction {
        let block = stored_block(core, &spender.block)?;
        let spending = block.transactions.iter().find(|transaction| transaction.txid() == spender.txid);
        let spending = spending.ok_or_else(|| RpcError::misc("the index names a block without the transaction"))?;
        view["spendingtx"] = json!(hex::encode(spending.to_bytes()));
    }
    Ok(view)
}
