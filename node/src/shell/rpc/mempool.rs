//! The mempool: what waits to be mined.

use crate::core::Core;
use crate::core::mempool::Entry;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::method::arguments::{Arguments, parse_hash};
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::{Method, Reply};
use crate::shell::rpc::view;
use chain_spec::{Amount, Outpoint, Txid};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The group's table.
pub const METHODS: &[Method] = &[
    Method::new("getmempoolancestors", &["txid", "verbose?"], "Pooled transactions that one needs.", |c, a| {
        Box::pin(getmempoolancestors(c, a))
    }),
    Method::new("getmempooldescendants", &["txid", "verbose?"], "Pooled transactions that need one.", |c, a| {
        Box::pin(getmempooldescendants(c, a))
    }),
    Method::new("getmempoolentry", &["txid"], "One pooled transaction.", |c, a| Box::pin(getmempoolentry(c, a))),
    Method::new("getmempoolinfo", &[], "The state of the mempool.", |c, a| Box::pin(getmempoolinfo(c, a))),
    Method::new("getrawmempool", &["verbose?", "mempool_sequence?"], "All pooled ids, or entries.", |c, a| {
        Box::pin(getrawmempool(c, a))
    }),
    Method::new("gettxspendingprevout", &["outputs"], "Who in the mempool spends outputs ({txid, vout}).", |c, a| {
        Box::pin(gettxspendingprevout(c, a))
    }),
];

/// `getmempoolentry`'s object.
fn entry(entry: &Entry) -> Value {
    let ids = |txids: &[Txid]| txids.iter().map(|txid| json!(txid.to_string())).collect::<Value>();
    let size = entry.transaction.size();
    json!({
        "vsize": size,
        "weight": size * 4,
        "time": entry.time.0 / 1_000,
        "height": entry.height,
        "descendantcount": entry.descendant_count,
        "descendantsize": entry.descendant_size,
        "ancestorcount": entry.ancestor_count,
        "ancestorsize": entry.ancestor_size,
        "wtxid": entry.transaction.txid().to_string(),
        "fees": {
            "base": view::amount(entry.fee),
            "modified": view::amount(entry.fee),
            "ancestor": view::amount(entry.ancestor_fees),
            "descendant": view::amount(entry.descendant_fees),
        },
        "depends": ids(&entry.depends),
        "spentby": ids(&entry.spent_by),
        "bip125-replaceable": true,
        "unbroadcast": false,
    })
}

/// Some pooled transactions as a list of ids, or as an object of entries.
fn listing<'a>(entries: impl Iterator<Item = &'a Entry>, verbose: bool) -> Value {
    let id = |entry: &Entry| entry.transaction.txid().to_string();
    if verbose {
        Value::Object(entries.map(|pooled| (id(pooled), entry(pooled))).collect::<Map<_, _>>())
    } else {
        entries.map(|pooled| json!(id(pooled))).collect()
    }
}

fn pooled<'a>(core: &'a Core, txid: &Txid) -> Result<&'a Entry, RpcError> {
    core.mempool().get(txid).ok_or_else(|| RpcError::not_found("Transaction not in mempool"))
}

async fn getmempoolentry(context: Arc<Context>, arguments: Arguments) -> Reply {
    let txid = arguments.hash(0)?;
    context.core.read(move |core| pooled(core, &txid).map(entry)).await?
}

async fn getmempoolancestors(context: Arc<Context>, arguments: Arguments) -> Reply {
    let (txid, verbose) = (arguments.hash(0)?, arguments.boolean_or(1, false)?);
    let relatives = move |core: &Core| {
        pooled(core, &txid)?;
        let pool = core.mempool();
        Ok(listing(pool.ancestors(&txid).iter().filter_map(|txid| pool.get(txid)), verbose))
    };
    context.core.read(relatives).await?
}

async fn getmempooldescendants(context: Arc<Context>, arguments: Arguments) -> Reply {
    let (txid, verbose) = (arguments.hash(0)?, arguments.boolean_or(1, false)?);
    let relatives = move |core: &Core| {
        pooled(core, &txid)?;
        let pool = core.mempool();
        Ok(listing(pool.descendants(&txid).iter().filter_map(|txid| pool.get(txid)), verbose))
    };
    context.core.read(relatives).await?
}

async fn gettxspendingprevout(context: Arc<Context>, arguments: Arguments) -> Reply {
    let outputs = arguments.list(0)?;
    if outputs.is_empty() {
        return Err(RpcError::parameter("Invalid parameter, outputs are missing"));
    }
    let outpoint = |output: &Value| -> Result<Outpoint, RpcError> {
        let txid = output["txid"].as_str().ok_or_else(|| RpcError::parameter("Missing txid"))?;
        let vout = output["vout"].as_i64().ok_or_else(|| RpcError::parameter("Missing vout"))?;
        let index =
            u32::try_from(vout).map_err(|_| RpcError::parameter("Invalid parameter, vout cannot be negative"))?;
        Ok(Outpoint { txid: parse_hash(txid, "txid")?, index })
    };
    let outpoints = outputs.iter().map(outpoint).collect::<Result<Vec<_>, _>>()?;
    let spenders = move |core: &Core| -> Value {
        let spender = |outpoint: &Outpoint| {
            let mut view = json!({"txid": outpoint.txid.to_string(), "vout": outpoint.index});
            if let Some(txid) = core.mempool().spender(outpoint) {
                view["spendingtxid"] = json!(txid.to_string());
            }
            view
        };
        outpoints.iter().map(spender).collect()
    };
    Ok(context.core.read(spenders).await?)
}

async fn getrawmempool(context: Arc<Context>, arguments: Arguments) -> Reply {
    let (verbose, sequence) = (arguments.boolean_or(0, false)?, arguments.boolean_or(1, false)?);
    if verbose && sequence {
        return Err(RpcError::parameter("Verbose results cannot contain mempool sequence values."));
    }
    let all = context.core.read(move |core| (listing(core.mempool().entries(), verbose), core.mempool().version()));
    let (list, version) = all.await?;
    Ok(if sequence { json!({"txids": list, "mempool_sequence": version}) } else { list })
}

async fn getmempoolinfo(context: Arc<Context>, _: Arguments) -> Reply {
    let info = |core: &Core| {
        let pool = core.mempool();
        let fees = Amount::checked_sum(pool.entries().map(|entry| entry.fee)).unwrap_or(Amount::MAX_MONEY);
        json!({
            "loaded": true,
            "size": pool.len(),
            "bytes": pool.bytes(),
            "usage": pool.usage_bytes(),
            "total_fee": view::amount(fees),
            "maxmempool": pool.bytes_max(),
            "mempoolminfee": view::fee_rate(pool.fee_rate_min()),
            "minrelaytxfee": view::fee_rate(core.config().fee_rate_min),
            "incrementalrelayfee": view::fee_rate(core.config().fee_rate_min),
            "unbroadcastcount": 0,
            "fullrbf": true,
        })
    };
    Ok(context.core.read(info).await?)
}
