//! The mempool: what waits to be mined, what waits for its parents ([`orphans`]), what hangs together ([`cluster`]), who
//! spends what ([`spenders`]), and the mempool as a file ([`saved`]).

use crate::core::Core;
use crate::core::mempool::accept::{DESCENDANTS_BYTES_MAX, DESCENDANTS_MAX};
use crate::core::mempool::policy::DATA_OUTPUT_BYTES_MAX;
use crate::core::mempool::{Entry, Pool};
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::{Method, Reply};
use crate::shell::rpc::view;
use chain_spec::{Amount, Txid};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub mod cluster;
pub mod orphans;
pub mod saved;
pub mod spenders;

/// The group's table.
pub const METHODS: &[Method] = &[
    Method::new(
        "getmempoolancestors",
        &["txid:str", "verbose:bool?"],
        "The unconfirmed ancestors of a transaction in the mempool.",
        |c, a| Box::pin(getmempoolancestors(c, a)),
    ),
    Method::new(
        "getmempooldescendants",
        &["txid:str", "verbose:bool?"],
        "The unconfirmed descendants of a transaction in the mempool.",
        |c, a| Box::pin(getmempooldescendants(c, a)),
    ),
    Method::new(
        "getmempoolcluster",
        &["txid:str"],
        "The transactions that hang together with one of the mempool, in chunks that are mined together.",
        |c, a| Box::pin(cluster::getmempoolcluster(c, a)),
    ),
    Method::new(
        "getmempoolfeeratediagram",
        &[],
        "Fees over weight if all of the mempool is mined in the order of its chunks.",
        |c, a| Box::pin(cluster::getmempoolfeeratediagram(c, a)),
    ),
    Method::new("getmempoolentry", &["txid:str"], "A transaction of the mempool.", |c, a| {
        Box::pin(getmempoolentry(c, a))
    }),
    Method::new(
        "getorphantxs",
        &["verbosity?"],
        "Transactions whose parents are missing: 0 (default) ids, 1 JSON, 2 also hex.",
        |c, a| Box::pin(orphans::getorphantxs(c, a)),
    ),
    Method::new(
        "importmempool",
        &["filepath:str", "options:obj?"],
        "Submits what a mempool file holds, ours or Core's; what is not acceptable (any more) is left out.",
        |c, a| Box::pin(saved::importmempool(c, a)),
    ),
    Method::new(
        "savemempool",
        &[],
        "Writes the mempool to mempool.dat in the data directory, in Core's format.",
        |c, a| Box::pin(saved::savemempool(c, a)),
    ),
    Method::new("getmempoolinfo", &[], "Size, limits and lowest fee rates of the mempool.", |c, a| {
        Box::pin(getmempoolinfo(c, a))
    }),
    Method::new(
        "getrawmempool",
        &["verbose:bool?", "mempool_sequence:bool?"],
        "The ids of all transactions in the mempool, or their entries.",
        |c, a| Box::pin(getrawmempool(c, a)),
    ),
    Method::new(
        "gettxspendingprevout",
        &["outputs:arr", "options:obj?"],
        "The transactions that spend outputs ({txid, vout}): of the mempool, with --txospenderindex also of the chain.",
        |c, a| Box::pin(spenders::gettxspendingprevout(c, a)),
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
    let chunk = cluster::chunk_of(pool, entry);
    json!({
        "vsize": size,
        "weight": size * 4,
        "time": entry.time.0 / 1_000,
        "height": entry.height,
        "descendantcount": entry.descendant_count,
        "descendantsize": entry.descendant_size,
        "ancestorcount": entry.ancestor_count,
        "ancestorsize": entry.ancestor_size,
        "chunkweight": chunk.size * view::WEIGHT_PER_BYTE,
        "wtxid": entry.transaction.txid().to_string(),
        "fees": {
            "base": view::amount(entry.fee),
            "modified": view::amount(entry.modified_fee()),
            "ancestor": view::amount(entry.ancestor_fees),
            "descendant": view::amount(entry.descendant_fees),
            "chunk": view::amount(Amount::from_units(chunk.fee)),
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
            "permitbaremultisig": false,
            "maxdatacarriersize": DATA_OUTPUT_BYTES_MAX,
            // What bounds a cluster here is the count and size of one transaction's relatives.
            "limitclustercount": DESCENDANTS_MAX,
            "limitclustersize": DESCENDANTS_BYTES_MAX,
            "optimal": true,
        })
    };
    Ok(context.core.read(info).await?)
}
