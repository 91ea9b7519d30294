//! The chain: blocks, headers, tips.

use crate::core::Core;
use crate::core::event::PeerKey;
use crate::shell::clock;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::lookup::{self, known_block, unknown_block};
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::warnings::Warnings;
use crate::shell::rpc::method::{Method, Reply};
use crate::shell::rpc::view::{self, Detail};
use crate::shell::store::StoreConfig;
use chain_spec::{BlockHash, Encode};
use serde_json::json;
use std::sync::Arc;

pub mod activity;
pub mod blockstats;
pub mod chaintxstats;
pub mod coins;
pub mod deployments;
pub mod filters;
pub mod muhash;
pub mod overrides;
pub mod proof;
pub mod prune;
pub mod snapshot;
pub mod verify;
pub mod waiting;

/// The group's table.
pub const METHODS: &[Method] = &[
    Method::new(
        "dumptxoutset",
        &["path:str", "type:str?", "options:obj?"],
        "Writes all coins of the active tip (type latest), or of an older block (options {rollback: height or hash}), to a new file \
         in Core's format; a relative path is in the data directory.",
        |c, a| Box::pin(snapshot::dumptxoutset(c, a)),
    ),
    Method::new("getbestblockhash", &[], "The active tip's hash.", |c, a| Box::pin(getbestblockhash(c, a))),
    Method::new(
        "getblock",
        &["blockhash:str", "verbosity|verbose?"],
        "A block: 0 hex, 1 (default) ids, 2 transactions, 3 also the coins they spend.",
        |c, a| Box::pin(getblock(c, a)),
    ),
    Method::new("getblockchaininfo", &[], "Tip, difficulty, progress and warnings of the chain.", |c, a| {
        Box::pin(getblockchaininfo(c, a))
    }),
    Method::new("getblockcount", &[], "The active tip's height.", |c, a| Box::pin(getblockcount(c, a))),
    Method::new(
        "getblockfilter",
        &["blockhash:str", "filtertype:str?"],
        "The basic filter of a block (BIP158) and its header (BIP157); needs --blockfilterindex.",
        |c, a| Box::pin(filters::getblockfilter(c, a)),
    ),
    Method::new(
        "getblockfrompeer",
        &["blockhash:str", "peer_id:num"],
        "Asks a peer (the id of getpeerinfo) for a block whose header is known; the block comes later, if the peer has it.",
        |c, a| Box::pin(getblockfrompeer(c, a)),
    ),
    Method::new("getblockhash", &["height:num"], "The active chain's block at a height.", |c, a| {
        Box::pin(getblockhash(c, a))
    }),
    Method::new("getblockheader", &["blockhash:str", "verbose:bool?"], "A header: object (default) or hex.", |c, a| {
        Box::pin(getblockheader(c, a))
    }),
    Method::new(
        "getblockstats",
        &["hash_or_height", "stats:arr?"],
        "One block in numbers, fees and fee rates among them; all of them, or those named.",
        |c, a| Box::pin(blockstats::getblockstats(c, a)),
    ),
    Method::new("getchainstates", &[], "The one set of coins that this node keeps, and how far it is.", |c, a| {
        Box::pin(getchainstates(c, a))
    }),
    Method::new("getchaintips", &[], "All leaves of the block tree.", |c, a| Box::pin(getchaintips(c, a))),
    Method::new(
        "getchaintxstats",
        &["nblocks:num?", "blockhash:str?"],
        "How many transactions the chain holds up to a block, and how fast they came in the nblocks before.",
        |c, a| Box::pin(chaintxstats::getchaintxstats(c, a)),
    ),
    Method::new(
        "getdeploymentinfo",
        &["blockhash:str?"],
        "The rules that came into force at some height, and whether they are in force.",
        |c, a| Box::pin(deployments::getdeploymentinfo(c, a)),
    ),
    Method::new(
        "getdescriptoractivity",
        &["blockhashes:arr", "scanobjects:arr", "include_mempool:bool?"],
        "What descriptors were paid and what was spent from them, in these blocks of the active chain and in the mempool.",
        |c, a| Box::pin(activity::getdescriptoractivity(c, a)),
    ),
    Method::new("getdifficulty", &[], "The active tip's difficulty.", |c, a| Box::pin(getdifficulty(c, a))),
    Method::new(
        "gettxoutproof",
        &["txids:arr", "blockhash:str?"],
        "A proof that transactions are in a block (named, or found by an unspent output or --txindex).",
        |c, a| Box::pin(proof::gettxoutproof(c, a)),
    ),
    Method::new(
        "invalidateblock",
        &["blockhash:str"],
        "Treats a block and its descendants as invalid until reconsiderblock.",
        |c, a| Box::pin(overrides::invalidateblock(c, a)),
    ),
    Method::new(
        "pruneblockchain",
        &["height:num"],
        "Deletes blocks up to a height (or up to two hours before a Unix time above 1,000,000,000) as far as they fill whole \
         files; needs --prune.",
        |c, a| Box::pin(prune::pruneblockchain(c, a)),
    ),
    Method::new(
        "preciousblock",
        &["blockhash:str"],
        "Treats a block as if it had come before others with the same work.",
        |c, a| Box::pin(overrides::preciousblock(c, a)),
    ),
    Method::new(
        "reconsiderblock",
        &["blockhash:str"],
        "Lifts invalidateblock from a block, its ancestors and its descendants.",
        |c, a| Box::pin(overrides::reconsiderblock(c, a)),
    ),
    Method::new(
        "scanblocks",
        &["action:str", "scanobjects:arr?", "start_height:num?", "stop_height:num?", "filtertype:str?", "options:obj?"],
        "start: finds the blocks that pay or spend scripts of descriptors, by their filters; needs --blockfilterindex.",
        |c, a| Box::pin(filters::scanblocks(c, a)),
    ),
    Method::new(
        "verifychain",
        &["checklevel:num?", "nblocks:num?"],
        "Checks stored blocks: 0 readable, 1 rules, 2 undo data, 3 (default) coins, 4 full validation; nblocks 0 is all.",
        |c, a| Box::pin(verify::verifychain(c, a)),
    ),
    Method::new(
        "verifytxoutproof",
        &["proof:str"],
        "The transactions that a proof is about; none if it is wrong.",
        |c, a| Box::pin(proof::verifytxoutproof(c, a)),
    ),
    Method::new(
        "waitforblock",
        &["blockhash:str", "timeout:num?"],
        "Waits for a tip; timeout in ms, 0 for ever.",
        |c, a| Box::pin(waiting::waitforblock(c, a)),
    ),
    Method::new("waitforblockheight", &["height:num", "timeout:num?"], "Waits for a height; timeout in ms.", |c, a| {
        Box::pin(waiting::waitforblockheight(c, a))
    }),
    Method::new(
        "waitfornewblock",
        &["timeout:num?", "current_tip:str?"],
        "Waits for a new tip; timeout in ms.",
        |c, a| Box::pin(waiting::waitfornewblock(c, a)),
    ),
];

async fn getbestblockhash(context: Arc<Context>, _: Arguments) -> Reply {
    Ok(json!(context.core.read(|core| core.tip().hash).await?.to_string()))
}

async fn getblockcount(context: Arc<Context>, _: Arguments) -> Reply {
    Ok(json!(context.core.read(|core| core.tip().height).await?))
}

async fn getblockhash(context: Arc<Context>, arguments: Arguments) -> Reply {
    let height = u32::try_from(arguments.integer(0)?).ok();
    let hash = context.core.read(move |core| height.and_then(|height| core.active_hash(height))).await?;
    hash.map(|hash| json!(hash.to_string())).ok_or_else(|| RpcError::parameter("Block height out of range"))
}

async fn getblockheader(context: Arc<Context>, arguments: Arguments) -> Reply {
    let hash: BlockHash = arguments.hash(0)?;
    let verbose = arguments.boolean_or(1, true)?;
    let (block, tip) = context.core.read(move |core| (core.summary(&hash), core.tip().height)).await?;
    let block = block.ok_or_else(unknown_block)?;
    if !verbose {
        return Ok(json!(hex::encode(block.header.to_array())));
    }
    Ok(view::header(&block, tip, block.height == 0))
}

async fn getblock(context: Arc<Context>, arguments: Arguments) -> Reply {
    let hash: BlockHash = arguments.hash(0)?;
    let verbosity = arguments.verbosity_or(1, 1)?;
    let found = context.core.read(move |core| -> Result<_, RpcError> {
        let summary = known_block(core, &hash)?;
        let block = lookup::stored_block(core, &hash)?;
        let undo = if verbosity >= 2 { core.undo(&hash)? } else { None };
        Ok((summary, block, undo, core.tip().height))
    });
    let (summary, block, undo, tip_height) = found.await??;
    if verbosity <= 0 {
        return Ok(json!(hex::encode(block.to_bytes())));
    }
    let detail = match verbosity {
        1 => Detail::Ids,
        2 => Detail::Transactions,
        _ => Detail::Prevouts,
    };
    let spent = undo.as_ref().map(|undo| undo.spent.as_slice());
    Ok(view::block(&context.spec, &block, &summary, tip_height, detail, spent))
}

async fn getblockfrompeer(context: Arc<Context>, arguments: Arguments) -> Reply {
    let hash: BlockHash = arguments.hash(0)?;
    let peer = u64::try_from(arguments.integer(1)?).map_err(|_| RpcError::misc("Peer does not exist"))?;
    match context.core.fetch_block(PeerKey(peer), hash).await? {
        Ok(_) => Ok(json!({})),
        Err(refused) => Err(RpcError::misc(refused.reason)),
    }
}

async fn getblockchaininfo(context: Arc<Context>, _: Arguments) -> Reply {
    let read = |core: &Core| (core.tip(), core.progress(clock::now()), prune::facts(core), Warnings::of(core));
    let (tip, progress, pruning, warnings) = context.core.read(read).await?;
    let is_behind = progress.initial_block_download || lookup::is_stale(&context.spec, &tip, clock::now_s());
    let mut info = json!({
        "chain": view::chain_name(&context.spec),
        "blocks": tip.height,
        "headers": progress.headers,
        "bestblockhash": tip.hash.to_string(),
        "bits": tip.header.bits.to_string(),
        "target": view::target(tip.header.bits),
        "difficulty": view::difficulty(tip.header.bits),
        "time": tip.header.time,
        "mediantime": tip.median_time_past_s,
        "verificationprogress": progress.verification_progress,
        "initialblockdownload": context.is_initial_download(is_behind),
        "chainwork": tip.work.to_string(),
        "size_on_disk": context.size_on_disk(),
    });
    if let Some(info) = info.as_object_mut() {
        info.extend(pruning);
        info.insert("warnings".to_owned(), json!(warnings.list(&context)));
    }
    Ok(info)
}

async fn getchainstates(context: Arc<Context>, _: Arguments) -> Reply {
    let read = |core: &Core| (core.tip(), core.progress(clock::now()), core.config().coin_cache_bytes_max);
    let (tip, progress, cache_bytes) = context.core.read(read).await?;
    let state = json!({
        "blocks": tip.height,
        "bestblockhash": tip.hash.to_string(),
        "bits": tip.header.bits.to_string(),
        "target": view::target(tip.header.bits),
        "difficulty": view::difficulty(tip.header.bits),
        "verificationprogress": progress.verification_progress,
        "coins_db_cache_bytes": StoreConfig::default().cache_bytes,
        "coins_tip_cache_bytes": cache_bytes,
        "validated": true,
    });
    Ok(json!({"headers": progress.headers, "chainstates": [state]}))
}

async fn getchaintips(context: Arc<Context>, _: Arguments) -> Reply {
    let tips = context.core.read(|core| core.chain_tips()).await?;
    let views = tips.iter().map(|tip| {
        json!({
            "height": tip.summary.height,
            "hash": tip.summary.hash.to_string(),
            "branchlen": tip.branch_length,
            "status": tip.status.to_string(),
        })
    });
    Ok(views.collect())
}

async fn getdifficulty(context: Arc<Context>, _: Arguments) -> Reply {
    let bits = context.core.read(|core| core.tip().header.bits).await?;
    Ok(json!(view::difficulty(bits)))
}
