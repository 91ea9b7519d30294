//! The mempool: what waits to be mined.

use crate::core::Core;
use crate::core::mempool::{Entry, Pool};
use crate::shell::rpc::error::{RpcError, TYPE_ERROR};
use crate::shell::rpc::method::arguments::{Arguments, parse_hash};
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::{Method, Reply};
use crate::shell::rpc::view;
use chain_spec::{Amount, Outpoint, Txid};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The group's table.
pub const METHODS: &[Method] = &[
    Method::new(
        "getmempoolancestors",
        &["txid", "verbose?"],
        "The unconfirmed ancestors of a transaction in the mempool.",
        |c, a| Box::pin(getmempoolancestors(c, a)),
    ),
    Method::new(
        "getmempooldescendants",
        &["txid", "verbose?"],
        "The unconfirmed descendants of a transaction in the mempool.",
        |c, a| Box::pin(getmempooldescendants(c, a)),
    ),
    Method::new("getmempoolentry", &["txid"], "A transaction of the mempool.", |c, a| Box::pin(getmempoolentry(c, a))),
    Method::new("getmempoolinfo", &[], "Size, limits and lowest fee rates of the mempool.", |c, a| {
        Box::pin(getmempoolinfo(c, a))
    }),
    Method::new(
        "getrawmempool",
        &["verbose?", "mempool_sequence?"],
        "The ids of all transactions in the mempool, or their entries.",
        |c, a| Box::pin(getrawmempool(c, a)),
    ),
    Method::new(
        "gettxspendingprevout",
        &["outputs"],
        "The transactions of the mempool that spend outputs ({txid, vout}).",
        |c, a| Box::pin(gettxspendingprevout(c, a)),
    ),
];

/// Sequence numbers below this say that a transaction may be replaced (BIP125).
const SEQUENCE_FINAL_MIN: u32 = 0xffff_fffe;

/// Whether a transaction, or an unconfirmed one that it spends from, says that it may be replaced (BIP125). This node
/// replaces it in either case (`fullrbf` in `getmempoolinfo`).
fn signals_replaceability(pool: &Pool, entry: &Entry) -> bool {
    let signals =
        |entry: &Entry| entry.transaction.transaction().inputs.iter().any(|input| input.sequence < SEQUENCE_FINAL_MIN);
    signals(entry) || pool.ancestors(&entry.transaction.txid()).iter().filter_map(|txid| pool.get(txid)).any(signals)
}

/// `getmempoolentry`'s object.
fn entry(pool: &Pool, entry: &Entry) -> Value {
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
        "bip125-replaceable": signals_replaceability(pool, entry),
        "unbroadcast": false,
    })
}

/// Some pooled transactions as a list of ids, or as an object of entries.
fn listing<'a>(pool: &Pool, entries: impl Iterator<Item = &'a Entry>, verbose: bool) -> Value {
    let id = |entry: &Entry| entry.transaction.txid().to_string();
    if verbose {
        Value::Object(entries.map(|pooled| (id(pooled), entry(pool, pooled))).collect::<Map<_, _>>())
    } else {
        entries.map(|pooled| json!(id(pooled))).collect()
    }
}

fn pooled<'a>(core: &'a Core, txid: &Txid) -> Result<&'a Entry, RpcError> {
    core.mempool().get(txid).ok_or_else(|| RpcError::not_found("Transaction not in mempool"))
}

async fn getmempoolentry(context: Arc<Context>, arguments: Arguments) -> Reply {
    let txid = arguments.hash(0)?;
    context.core.read(move |core| pooled(core, &txid).map(|pooled| entry(core.mempool(), pooled))).await?
}

async fn getmempoolancestors(context: Arc<Context>, arguments: Arguments) -> Reply {
    let (txid, verbose) = (arguments.hash(0)?, arguments.boolean_or(1, false)?);
    let relatives = move |core: &Core| {
        pooled(core, &txid)?;
        let pool = core.mempool();
        Ok(listing(pool, pool.ancestors(&txid).iter().filter_map(|txid| pool.get(txid)), verbose))
    };
    context.core.read(relatives).await?
}

async fn getmempooldescendants(context: Arc<Context>, arguments: Arguments) -> Reply {
    let (txid, verbose) = (arguments.hash(0)?, arguments.boolean_or(1, false)?);
    let relatives = move |core: &Core| {
        pooled(core, &txid)?;
        let pool = core.mempool();
        Ok(listing(pool, pool.descendants(&txid).iter().filter_map(|txid| pool.get(txid)), verbose))
    };
    context.core.read(relatives).await?
}

async fn gettxspendingprevout(context: Arc<Context>, arguments: Arguments) -> Reply {
    let outputs = arguments.list(0)?;
    if outputs.is_empty() {
        return Err(RpcError::parameter("Invalid parameter, outputs are missing"));
    }
    let outpoint = |output: &Value| -> Result<Outpoint, RpcError> {
        let keys = output.as_object().into_iter().flat_map(Map::keys);
        if let Some(unknown) = keys.into_iter().find(|key| !matches!(key.as_str(), "txid" | "vout")) {
            return Err(RpcError::new(TYPE_ERROR, format!("Unexpected key {unknown}")));
        }
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
    let all = context
        .core
        .read(move |core| (listing(core.mempool(), core.mempool().entries(), verbose), core.mempool().version()));
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
