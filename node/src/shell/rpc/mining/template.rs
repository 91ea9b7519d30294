//! `getblocktemplate` (BIP22, BIP23, BIP9's fields empty): templates for stock miners, long polling, proposals.
//!
//! Miners always claim `"rules":["segwit"]`; this chain has none, so claims are accepted and nothing is listed back.

use crate::core::Core;
use crate::core::rejection::AcceptError;
use crate::core::store::Status;
use crate::core::template::{Template, TemplateTransaction};
use crate::miner::VERSION_ROLLING_MASK;
use crate::shell::clock;
use crate::shell::mining::ClockWait;
use crate::shell::rpc::error::{DESERIALIZATION_ERROR, INTERNAL_ERROR, RpcError, TYPE_ERROR};
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::{Arguments, decode_hex_prefix};
use crate::shell::rpc::method::context::{Context, MadeTemplate};
use crate::shell::rpc::view;
use chain_spec::rules::block::BYTES_PER_SIGNATURE_OPERATION;
use chain_spec::{Block, ChainSpec, Encode, Script};
use serde_json::{Map, Value, json};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// A long poll is not answered sooner than this for a mere change of the mempool.
const LONG_POLL_MEMPOOL_INTERVAL: Duration = Duration::from_secs(1);
/// A long poll is answered at the latest after this, so that miners see that time passes.
const LONG_POLL_MAX: Duration = Duration::from_secs(60);
/// What a miner may change in a template (Core's list). The version is not among them, but its low byte is 0, which miners
/// that know no newer version than 4 accept, and those that roll it find the bits they may change in `versionrollingmask`.
const MUTABLE: [&str; 3] = ["time", "transactions", "prevblock"];

/// `getblocktemplate`.
pub async fn getblocktemplate(context: Arc<Context>, arguments: Arguments) -> Reply {
    let text = getblocktemplate_text(context, arguments).await?;
    serde_json::from_str(&text).map_err(|error| RpcError::new(INTERNAL_ERROR, error.to_string()))
}

/// The same, written.
pub async fn getblocktemplate_text(context: Arc<Context>, arguments: Arguments) -> Result<String, RpcError> {
    let empty = Map::new();
    let request = arguments.object(0)?.unwrap_or(&empty);
    match request.get("mode").map(|mode| mode.as_str()) {
        None | Some(Some("template")) => {}
        Some(Some("proposal")) => return Ok(propose(&context, request).await?.to_string()),
        Some(_) => return Err(RpcError::parameter("Invalid mode")),
    }
    let is_behind = context.core.read(|core| core.progress(clock::now()).initial_block_download).await?;
    if is_behind && context.is_initial_download(true) {
        let message = "the node is in initial sync and waiting for blocks...";
        return Err(RpcError::new(crate::shell::rpc::error::CLIENT_IN_INITIAL_DOWNLOAD, message));
    }
    match request.get("longpollid") {
        None | Some(Value::Null) => {}
        Some(Value::String(id)) => wait_for_change(&context, id).await?,
        Some(_) => return Err(RpcError::new(TYPE_ERROR, "longpollid must be a string")),
    }
    newest(&context).await
}

/// What the last template was written as, if nothing has changed since, or a new one. Miners ask several times a second, and
/// with a full mempool most of the work is in writing the same transactions again.
async fn newest(context: &Context) -> Result<String, RpcError> {
    // Looked at before the template is made: what changes meanwhile makes it stale, not overlooked.
    let (tip, mempool_version) = context.core.read(|core| (core.tip().hash, core.mempool().version())).await?;
    let long_poll_version = *context.core.mempool_version().borrow();
    let goal_version = *context.core.mining_goal_version().borrow();
    let lock = || context.template.lock().unwrap_or_else(PoisonError::into_inner);
    let is_current = |made: &&MadeTemplate| {
        (made.tip, made.mempool_version, made.goal_version) == (tip, mempool_version, goal_version)
    };
    if let Some(made) = lock().as_ref().filter(is_current) {
        return dated(context, made);
    }
    let template = context.core.template(Script::default()).await?;
    let answer = describe(&context.spec, &template, long_poll_version).to_string();
    let made = MadeTemplate { tip, mempool_version, goal_version, min_time_s: template.min_time_s, answer };
    let text = dated(context, &made);
    // One that stands on a newer block is for its caller alone: it is not known what it was made from.
    *lock() = Some(made).filter(|made| made.tip == template.block.header.previous);
    text
}

/// A template's answer with the time of now, unless the clock is so far behind the chain that no block can be made.
fn dated(context: &Context, made: &MadeTemplate) -> Result<String, RpcError> {
    let now_s = clock::now_s();
    if let Some(wait) = ClockWait::before(made.min_time_s, now_s, context.spec.future_max_s) {
        return Err(RpcError::misc(wait.to_string()));
    }
    let members = made.answer.strip_prefix('{').unwrap_or_default();
    Ok(format!("{{\"curtime\":{},{members}", now_s.max(u64::from(made.min_time_s))))
}

/// The template's answer without `curtime`; `mempool_version` goes into the id a long poll comes back with.
fn describe(spec: &ChainSpec, template: &Template, mempool_version: u64) -> Value {
    let header = &template.block.header;
    let transactions = template.transactions.iter().map(transaction).collect::<Value>();
    json!({
        "capabilities": ["proposal"],
        "version": header.version,
        "rules": [],
        "vbavailable": {},
        "vbrequired": 0,
        "previousblockhash": header.previous.to_string(),
        "transactions": transactions,
        "coinbaseaux": {},
        "coinbasevalue": template.coinbase_value.units(),
        "longpollid": long_poll_id(&header.previous.to_string(), mempool_version),
        "target": view::target(template.bits),
        "mintime": template.min_time_s,
        "mutable": MUTABLE,
        "noncerange": "00000000ffffffff",
        "sigoplimit": spec.block_size_max / BYTES_PER_SIGNATURE_OPERATION,
        "sizelimit": spec.block_size_max,
        "weightlimit": spec.block_size_max * view::WEIGHT_PER_BYTE,
        "bits": template.bits.to_string(),
        "height": template.height,
        // Ours: BIP320's bits, which a block's version may have set to anything.
        "versionrollingmask": format!("{:08x}", VERSION_ROLLING_MASK),
    })
}

fn transaction(entry: &TemplateTransaction) -> Value {
    let checked = &entry.transaction;
    let txid = checked.txid().to_string();
    json!({
        "data": hex::encode(checked.transaction().to_bytes()),
        "txid": txid,
        "hash": txid,
        "depends": entry.depends,
        "fee": entry.fee.units(),
        "sigops": entry.signature_operations,
        "weight": checked.size() * 4,
    })
}

/// The parent and a count of mempool changes (Core's form).
fn long_poll_id(parent: &str, mempool_version: u64) -> String {
    format!("{parent}{mempool_version}")
}

/// Returns when the tip is another than the id's, or the mempool has changed since, or the time is up.
async fn wait_for_change(context: &Context, id: &str) -> Result<(), RpcError> {
    let (mut tip, mut mempool) = (context.core.tip(), context.core.mempool_version());
    let (seen_tip, seen_version) = id.split_at_checked(64).unwrap_or((id, ""));
    let seen_version = seen_version.parse::<u64>().unwrap_or_else(|_| *mempool.borrow());
    let mempool_changed = async {
        tokio::time::sleep(LONG_POLL_MEMPOOL_INTERVAL).await;
        // An error means that the core is gone, and the tip's channel with it.
        let _ = mempool.wait_for(|version| *version != seen_version).await;
    };
    tokio::select! {
        _ = tip.wait_for(|tip| tip.hash.to_string() != seen_tip) => {}
        () = mempool_changed => {}
        () = tokio::time::sleep(LONG_POLL_MAX) => {}
        () = context.stopping() => return Err(crate::shell::core_handle::Stopped.into()),
    }
    Ok(())
}

/// BIP23's proposal: would this block be valid, its proof of work aside?
async fn propose(context: &Context, request: &Map<String, Value>) -> Reply {
    let data = request.get("data").and_then(Value::as_str);
    let data = data.ok_or_else(|| RpcError::new(TYPE_ERROR, "Missing data String key for proposal"))?;
    let block: Block =
        decode_hex_prefix(data, "Block").map_err(|error| RpcError::new(DESERIALIZATION_ERROR, error.message))?;
    let judge = move |core: &Core| -> Reply {
        if let Some(known) = core.summary(&block.hash()) {
            return Ok(json!(match known.status {
                Status::Valid => "duplicate",
                Status::Invalid | Status::InvalidAncestor => "duplicate-invalid",
                Status::Header | Status::Stored => "duplicate-inconclusive",
            }));
        }
        if block.header.previous != core.tip().hash {
            return Ok(json!("inconclusive-not-best-prevblk"));
        }
        match core.dry_run_block(Arc::new(block), clock::now()) {
            Ok(()) => Ok(Value::Null),
            Err(AcceptError::Rejected(rejection)) => Ok(json!(rejection.reason)),
            Err(AcceptError::Store(error)) => Err(error.into()),
        }
    };
    context.core.read(judge).await?
}
