//! Mining: what there is to mine, what is being mined, and submissions.

use crate::core::Core;
use crate::core::event::Accepted;
use crate::core::summary::Summary;
use crate::shell::clock;
use crate::shell::mining::{Change, MiningStatus, THREADS_MAX};
use crate::shell::rpc::error::{INVALID_ADDRESS_OR_KEY, MISC_ERROR, RpcError, VERIFY_ERROR, rejection};
use crate::shell::rpc::lookup::known_block;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::warnings::Warnings;
use crate::shell::rpc::method::{Method, Reply};
use crate::shell::rpc::view;
use chain_spec::{Address, Block, Header, Script};
use serde_json::{Value, json};
use std::sync::Arc;

pub mod generate;
pub mod pool;
pub mod priority;
pub mod reorg;
pub mod template;

/// The group's table.
pub const METHODS: &[Method] = &[
    Method::new(
        "generateblock",
        &["output:str", "transactions:arr", "submit:bool?"],
        "Mines a block with exactly these transactions (txids of the mempool or hex), paying an address or descriptor.",
        |c, a| Box::pin(generate::generateblock(c, a)),
    ),
    Method::new(
        "generatetoaddress",
        &["nblocks:num", "address:str", "maxtries:num?"],
        "Mines blocks at once, paying an address; refuses if one is expected to take more than maxtries hashes.",
        |c, a| Box::pin(generate::generatetoaddress(c, a)),
    ),
    Method::new(
        "generatetodescriptor",
        &["num_blocks:num", "descriptor:str", "maxtries:num?"],
        "Mines blocks at once, paying addr(ADDRESS) or raw(HEX).",
        |c, a| Box::pin(generate::generatetodescriptor(c, a)),
    ),
    Method::new(
        "getblocktemplate",
        &["template_request:obj?"],
        "What to mine (BIP22, BIP23), with long polling and proposals.",
        |c, a| Box::pin(template::getblocktemplate(c, a)),
    )
    .as_text(|c, a| Box::pin(template::getblocktemplate_text(c, a))),
    Method::new(
        "getmininginfo",
        &[],
        "Target, hash rate and next block of the chain, and what this node's own miner does.",
        |c, a| Box::pin(getmininginfo(c, a)),
    ),
    Method::new(
        "getnetworkhashps",
        &["nblocks:num?", "height:num?"],
        "Hashes per second of the whole network, estimated from the last nblocks (120) blocks; -1 since the last retarget.",
        |c, a| Box::pin(getnetworkhashps(c, a)),
    ),
    Method::new(
        "getpoolinfo",
        &[],
        "Workers, hash rates, blocks, payouts and balances of the pool that this node runs (--stratum).",
        |c, a| Box::pin(pool::getpoolinfo(c, a)),
    ),
    Method::new(
        "getprioritisedtransactions",
        &[],
        "What prioritisetransaction has added to transactions' fees, in the smallest unit.",
        |c, a| Box::pin(priority::getprioritisedtransactions(c, a)),
    ),
    Method::new(
        "prioritisetransaction",
        &["txid:str", "dummy:num?", "fee_delta:num"],
        "Has a transaction mined earlier or later, as if it paid fee_delta (smallest unit) more; dummy must be 0 or null.",
        |c, a| Box::pin(priority::prioritisetransaction(c, a)),
    ),
    Method::new(
        "reorg",
        &["depth:num", "blocks:num?", "address:str?"],
        "Replaces the newest depth blocks by others (depth + 1 unless told otherwise) without transactions (local chains only).",
        |c, a| Box::pin(reorg::reorg(c, a)),
    ),
    Method::new(
        "setmining",
        &["paused:bool?", "hashrate:num?", "address:str?", "threads:num?"],
        "Pauses or resumes the node's miner, limits it (hashes per second, 0 is no limit), pays another address.",
        |c, a| Box::pin(setmining(c, a)),
    ),
    Method::new(
        "submitblock",
        &["hexdata:str", "dummy:str?"],
        "Submits a block; null is accepted, else BIP22's word.",
        |c, a| Box::pin(submitblock(c, a)),
    ),
    Method::new("submitheader", &["hexdata:str"], "Submits a header.", |c, a| Box::pin(submitheader(c, a))),
];

/// Blocks that `getnetworkhashps` looks back by default (Core's).
const HASH_RATE_BLOCKS_DEFAULT: i64 = 120;

async fn submitblock(context: Arc<Context>, arguments: Arguments) -> Reply {
    let block: Block = arguments.decoded_prefix(0, "Block")?;
    Ok(match context.core.submit_block(Arc::new(block)).await? {
        Ok(Accepted::Inconclusive) => json!("inconclusive"),
        Ok(_) => Value::Null,
        Err(rejected) => json!(rejected.reason),
    })
}

async fn submitheader(context: Arc<Context>, arguments: Arguments) -> Reply {
    let header: Header = arguments.decoded_prefix(0, "Block header")?;
    let parent = header.previous;
    if context.core.read(move |core| core.summary(&parent).is_none()).await? {
        let message = format!("Must submit previous header ({parent}) first");
        return Err(RpcError::new(VERIFY_ERROR, message));
    }
    match context.core.submit_header(header).await? {
        Ok(_) => Ok(Value::Null),
        Err(rejected) => Err(rejection(VERIFY_ERROR, &rejected)),
    }
}

async fn getmininginfo(context: Arc<Context>, _: Arguments) -> Reply {
    let state = |core: &Core| {
        let rate = network_hash_rate(core, &core.tip(), HASH_RATE_BLOCKS_DEFAULT);
        // Any script and no transactions will do: only the template's height and target are shown.
        let next = core.template_on(&core.tip().hash, &Script::default(), &[], clock::now());
        (core.tip(), rate, core.mempool().len(), next, Warnings::of(core))
    };
    let (tip, rate, pooled, next, warnings) = context.core.read(state).await?;
    let next = next.map(|next| {
        json!({
            "height": next.height,
            "bits": next.bits.to_string(),
            "difficulty": view::difficulty(next.bits),
            "target": view::target(next.bits),
        })
    });
    Ok(json!({
        "blocks": tip.height,
        "bits": tip.header.bits.to_string(),
        "difficulty": view::difficulty(tip.header.bits),
        "target": view::target(tip.header.bits),
        "networkhashps": rate,
        "pooledtx": pooled,
        // Whatever is in the mempool may be mined.
        "blockmintxfee": view::fee_rate(0),
        "chain": view::chain_name(&context.spec),
        "next": next,
        "warnings": warnings.list(&context),
        "miner": context.mining.status().map(|status| miner(&status)),
    }))
}

/// What this node's own miner does; ours, not Core's.
fn miner(status: &MiningStatus) -> Value {
    let meter = &status.meter;
    json!({
        "address": status.address.to_string(),
        "threads": meter.threads,
        "kernel": meter.kernel.to_string(),
        "hashrate_max": meter.hashrate_max,
        "hashes_total": meter.hashes_total,
        "hashes_per_second_1s": meter.hashes_per_second_1s,
        "hashes_per_second_1m": meter.hashes_per_second_1m,
        "paused": meter.paused,
        "waiting": status.waiting.map(|waiting| waiting.to_string()),
    })
}

async fn getnetworkhashps(context: Arc<Context>, arguments: Arguments) -> Reply {
    let blocks = arguments.integer_or(0, HASH_RATE_BLOCKS_DEFAULT)?;
    let height = arguments.integer_or(1, -1)?;
    if blocks < -1 || blocks == 0 {
        return Err(RpcError::parameter("Invalid nblocks. Must be a positive number or -1."));
    }
    let rate = move |core: &Core| {
        let end = if height == -1 {
            core.tip()
        } else {
            let hash = u32::try_from(height).ok().and_then(|height| core.active_hash(height));
            let hash = hash.ok_or_else(|| RpcError::parameter("Block does not exist at specified height"))?;
            known_block(core, &hash)?
        };
        Ok(json!(network_hash_rate(core, &end, blocks)))
    };
    context.core.read(rate).await?
}

/// Core's `GetNetworkHashPS`: work of the last `blocks` blocks up to `end`, over the span of their times.
fn network_hash_rate(core: &Core, end: &Summary, blocks: i64) -> f64 {
    let blocks = match (u32::try_from(blocks), &core.spec().retarget) {
        (Ok(blocks), _) => blocks,
        (Err(_), chain_spec::spec::Retarget::Epoch { interval }) => end.height % interval + 1,
        (Err(_), _) => HASH_RATE_BLOCKS_DEFAULT as u32,
    };
    let blocks = blocks.min(end.height);
    let (mut time_min, mut time_max) = (end.header.time, end.header.time);
    let mut start = end.clone();
    for _ in 0..blocks {
        let Some(parent) = core.summary(&start.header.previous) else { break };
        start = parent;
        time_min = time_min.min(start.header.time);
        time_max = time_max.max(start.header.time);
    }
    if time_min == time_max {
        return 0.0;
    }
    end.work.saturating_sub(start.work).to_f64() / f64::from(time_max - time_min)
}

async fn setmining(context: Arc<Context>, arguments: Arguments) -> Reply {
    let mut change = Change::default();
    if arguments.get(0).is_some() {
        change.paused = Some(arguments.boolean_or(0, false)?);
    }
    if arguments.get(1).is_some() {
        let rate = u64::try_from(arguments.integer(1)?).map_err(|_| {
            RpcError::parameter("hashrate must be 0 (no limit) or a positive number of hashes per second")
        })?;
        change.hashrate_max = Some((rate > 0).then_some(rate));
    }
    if let Some(text) = arguments.optional_text(2)? {
        let address = Address::parse(text, &context.spec);
        change.payout = Some(address.map_err(|error| RpcError::new(INVALID_ADDRESS_OR_KEY, error.to_string()))?);
    }
    if arguments.get(3).is_some() {
        let threads = usize::try_from(arguments.integer(3)?).ok().filter(|threads| (1..=THREADS_MAX).contains(threads));
        let message = format!("threads must be between 1 and {THREADS_MAX}");
        change.threads = Some(threads.ok_or_else(|| RpcError::parameter(message))?);
    }
    context.mining.apply(change).map_err(|error| RpcError::new(MISC_ERROR, error.to_string()))?;
    Ok(json!({"miner": context.mining.status().map(|status| miner(&status))}))
}
