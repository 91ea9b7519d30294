//! Questions about one block, transaction, address or mempool, asked of the nodes of a network: what an explorer shows.
//!
//! It stands on [`super::view`], which knows the blocks, and [`crate::cluster`], which reaches the nodes; [`crate::web`] passes the
//! answers on. All amounts are coins, as in Core's RPC.

use super::status::LOOK_TIMEOUT_MS;
use super::view::View;
use anyhow::{Result, anyhow};
use serde_json::{Value, json};

/// Blocks from the tip down in which a transaction is looked for that no look has found.
const NEWEST_BLOCKS: usize = 4;
/// Mempool transactions shown, the best paying first.
const MEMPOOL_MAX: usize = 500;
/// Time for a scan of all coins, milliseconds.
const SCAN_TIMEOUT_MS: u64 = 20_000;

/// The answer of the first running node that has one.
fn ask_any(view: &View, method: &str, parameters: &Value, timeout_ms: u64) -> Result<Value> {
    let mut last = anyhow!("no node is running");
    for name in view.cluster().alive() {
        match view.cluster().client(&name).map(|client| client.call_within(method, parameters.clone(), timeout_ms)) {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => last = anyhow!("{name}: {error}"),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A block with its transactions (`getblock` 2) and its bytes in hexadecimal digits (`getblock` 0).
///
/// # Errors
/// No running node has it.
pub fn block(view: &View, hash: &str) -> Result<Value> {
    let mut block = ask_any(view, "getblock", &json!([hash, 2]), LOOK_TIMEOUT_MS)?;
    block["hex"] = ask_any(view, "getblock", &json!([hash, 0]), LOOK_TIMEOUT_MS)?;
    Ok(block)
}

/// The hash of a running node's active block at a height.
///
/// # Errors
/// No running node has one there.
pub fn block_hash(view: &View, height: u64) -> Result<Value> {
    ask_any(view, "getblockhash", &json!([height]), LOOK_TIMEOUT_MS)
}

/// A transaction of a mempool or of a block that was seen, with the block it is in, as `getrawtransaction` 2 tells it.
///
/// # Errors
/// No running node has it.
pub fn transaction(view: &View, txid: &str) -> Result<Value> {
    if let Ok(found) = ask_any(view, "getrawtransaction", &json!([txid, 1]), LOOK_TIMEOUT_MS) {
        return Ok(found);
    }
    let unknown = || anyhow!("no running node has a transaction {txid:?} in its mempool or in the blocks shown");
    let hash = view.block_of(txid).map(str::to_owned).or_else(|| in_newest_blocks(view, txid)).ok_or_else(unknown)?;
    // In its block, rather than by `getrawtransaction`, which knows nothing of genesis' transaction.
    let block = ask_any(view, "getblock", &json!([hash, 2]), LOOK_TIMEOUT_MS)?;
    let listed = block["tx"].as_array().into_iter().flatten().find(|transaction| transaction["txid"] == txid);
    let mut found = listed.cloned().ok_or_else(unknown)?;
    for name in ["confirmations", "time"] {
        found[name] = block[name].clone();
    }
    found["blockhash"] = json!(hash);
    Ok(found)
}

/// The block among the newest of a running node that has the transaction. A block that was found after the last look has taken
/// its transactions from the mempools, and the view does not know it yet.
fn in_newest_blocks(view: &View, txid: &str) -> Option<String> {
    let found = view.cluster().ask_all(|client| {
        let mut hash = client.call_within("getbestblockhash", json!([]), LOOK_TIMEOUT_MS).ok()?;
        for _ in 0..NEWEST_BLOCKS {
            let block = client.call_within("getblock", json!([hash, 1]), LOOK_TIMEOUT_MS).ok()?;
            if block["tx"].as_array()?.iter().any(|listed| listed == txid) {
                return block["hash"].as_str().map(str::to_owned);
            }
            hash = block.get("previousblockhash")?.clone();
        }
        None
    });
    found.into_values().next()
}

/// The coins of an address on a running node's active chain (`scantxoutset`).
///
/// # Errors
/// It is no address of the chain, or no node answers.
pub fn address(view: &View, address: &str) -> Result<Value> {
    ask_any(view, "scantxoutset", &json!(["start", [format!("addr({address})")]]), SCAN_TIMEOUT_MS)
}

/// A node's mempool, the best paying first.
///
/// # Errors
/// The node is unknown, does not run or does not answer.
pub fn mempool(view: &View, node: &str) -> Result<Value> {
    let entries = view.cluster().client(node)?.call_within("getrawmempool", json!([true]), LOOK_TIMEOUT_MS)?;
    let entries = entries.as_object().ok_or_else(|| anyhow!("{node}: getrawmempool gave no object"))?;
    let mut rows: Vec<(f64, Value)> = entries
        .iter()
        .map(|(txid, entry)| {
            let (size, fee) = (entry["vsize"].as_f64().unwrap_or(1.0), entry["fees"]["base"].as_f64().unwrap_or(0.0));
            // A coin is 10⁸ units.
            let rate = fee * 1e8 / size;
            (rate, json!({ "txid": txid, "size": size, "fee": fee, "rate": rate, "time": entry["time"] }))
        })
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (count, shown) = (rows.len(), rows.into_iter().take(MEMPOOL_MAX).map(|(_, row)| row).collect::<Vec<_>>());
    Ok(json!({ "node": node, "count": count, "transactions": shown }))
}

/// The pools of the nodes that run one, as `getpoolinfo` tells them, each with its node's name.
pub fn pools(view: &View) -> Value {
    let found = view.cluster().ask_all(|client| client.call_within("getpoolinfo", json!([]), LOOK_TIMEOUT_MS).ok());
    let named = found.into_iter().map(|(name, mut pool)| {
        pool["node"] = json!(name);
        pool
    });
    json!({ "pools": named.collect::<Vec<_>>() })
}
