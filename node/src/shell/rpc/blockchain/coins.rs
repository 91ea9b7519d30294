//! Coins: one (`gettxout`), all (`gettxoutsetinfo`), those of a script (`scantxoutset`).

use crate::core::Core;
use crate::core::snapshot::Snapshot;
use crate::shell::core_handle::Stopped;
use crate::shell::rpc::blockchain::muhash::MuHash;
use crate::shell::rpc::descriptor::Descriptor;
use crate::shell::rpc::error::{INVALID_ADDRESS_OR_KEY, RpcError};
use crate::shell::rpc::lookup::scan_scripts;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::{Method, Reply};
use crate::shell::rpc::view;
use chain_spec::{Amount, Coin, Encode, Outpoint, Txid};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The group's table.
pub const METHODS: &[Method] = &[
    Method::new("gettxout", &["txid:str", "n:num", "include_mempool:bool?"], "An unspent coin, or null.", |c, a| {
        Box::pin(gettxout(c, a))
    }),
    Method::new(
        "gettxoutsetinfo",
        &["hash_type:str?", "hash_or_height?", "use_index:bool?"],
        "Counts all coins and hashes them (hash_serialized_3, muhash or none): equal hashes are equal coin sets.",
        |c, a| Box::pin(gettxoutsetinfo(c, a)),
    ),
    Method::new(
        "scantxoutset",
        &["action:str", "scanobjects:arr?"],
        "start: finds all coins of descriptors, each a text or {desc, range}; status and abort do nothing, since a scan ends within its call.",
        |c, a| Box::pin(scantxoutset(c, a)),
    ),
];

async fn gettxout(context: Arc<Context>, arguments: Arguments) -> Reply {
    let txid: Txid = arguments.hash(0)?;
    let index = u32::try_from(arguments.integer(1)?).map_err(|_| RpcError::misc("JSON integer out of range"))?;
    let include_mempool = arguments.boolean_or(2, true)?;
    let found = context.core.read(move |core| -> Result<_, RpcError> {
        let outpoint = Outpoint { txid, index };
        let is_pooled = include_mempool && core.mempool().get(&txid).is_some();
        Ok((core.coin(&outpoint, include_mempool)?, core.tip(), is_pooled))
    });
    let (coin, tip, is_pooled) = found.await??;
    let Some(coin) = coin else { return Ok(Value::Null) };
    let confirmations = if is_pooled { 0 } else { (tip.height + 1).saturating_sub(coin.height) };
    Ok(json!({
        "bestblock": tip.hash.to_string(),
        "confirmations": confirmations,
        "value": view::amount(coin.output.value),
        "scriptPubKey": view::script(&context.spec, &coin.output.script),
        "coinbase": coin.is_coinbase,
    }))
}

/// What one walk over all coins counts.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) coins: u64,
    transactions: u64,
    bogosize: u64,
    amount: u128,
    last_txid: Option<Txid>,
    pub(super) hash: CoinHash,
    scratch: Vec<u8>,
}

/// What is made of each coin's bytes (Core: `CoinStatsHashType`).
#[derive(Default)]
pub(super) enum CoinHash {
    #[default]
    None,
    Serialized(Sha256),
    MuHash(Box<MuHash>),
}

impl CoinHash {
    /// Core's `hash_serialized_3`.
    pub(super) fn serialized() -> CoinHash {
        CoinHash::Serialized(Sha256::new())
    }
    fn named(name: &str) -> Option<CoinHash> {
        match name {
            "hash_serialized_3" => Some(CoinHash::serialized()),
            "muhash" => Some(CoinHash::MuHash(Box::default())),
            "none" => Some(CoinHash::None),
            _ => None,
        }
    }
    fn add(&mut self, coin: &[u8]) {
        match self {
            CoinHash::None => {}
            CoinHash::Serialized(hasher) => hasher.update(coin),
            CoinHash::MuHash(set) => set.insert(coin),
        }
    }
    pub(super) fn finish(self) -> Option<[u8; 32]> {
        match self {
            CoinHash::None => None,
            CoinHash::Serialized(hasher) => Some(Sha256::digest(hasher.finalize()).into()),
            CoinHash::MuHash(set) => Some(set.finish()),
        }
    }
}

impl Totals {
    /// Nothing counted yet.
    pub(super) fn new(hash: CoinHash) -> Totals {
        Totals { hash, ..Totals::default() }
    }
    pub(super) fn add(&mut self, outpoint: &Outpoint, coin: &Coin) {
        self.coins += 1;
        self.amount += u128::from(coin.output.value.units());
        // Core's database-independent size: txid, index, height and coinbase, amount, script length, script.
        self.bogosize += 32 + 4 + 4 + 8 + 2 + coin.output.script.as_bytes().len() as u64;
        if self.last_txid != Some(outpoint.txid) {
            self.transactions += 1;
            self.last_txid = Some(outpoint.txid);
        }
        let bytes = &mut self.scratch;
        bytes.clear();
        outpoint.encode(bytes);
        bytes.extend_from_slice(&(coin.height * 2 + u32::from(coin.is_coinbase)).to_le_bytes());
        coin.output.encode(bytes);
        self.hash.add(bytes);
    }
}

async fn gettxoutsetinfo(context: Arc<Context>, arguments: Arguments) -> Reply {
    let hash_type = arguments.optional_text(0)?.unwrap_or("hash_serialized_3").to_owned();
    let hash = CoinHash::named(&hash_type)
        .ok_or_else(|| RpcError::parameter(format!("'{hash_type}' is not a valid hash_type")))?;
    if arguments.get(1).is_some() {
        return Err(RpcError::parameter(
            "Querying specific block heights requires coinstatsindex, which this node lacks",
        ));
    }
    let mut totals = Totals::new(hash);
    let (totals, tip) = walk(&context, move |walker, snapshot| {
        walker.run(snapshot, &mut |outpoint, coin| totals.add(&outpoint, &coin))?;
        Ok((totals, snapshot.tip().clone()))
    })
    .await?;
    let mut info = json!({
        "height": tip.height,
        "bestblock": tip.hash.to_string(),
        "txouts": totals.coins,
        "bogosize": totals.bogosize,
    });
    if let Some(hash) = totals.hash.finish() {
        info[hash_type] = json!(Txid::from_bytes(hash).to_string());
    }
    let amount = u64::try_from(totals.amount).map_or(Amount::MAX_MONEY, Amount::from_units);
    info["total_amount"] = view::amount(amount);
    info["transactions"] = json!(totals.transactions);
    info["disk_size"] = json!(context.size_on_disk());
    Ok(info)
}

/// Walks all coins beside the core's thread, on a snapshot of its own.
pub(super) async fn walk<T: Send + 'static>(
    context: &Arc<Context>,
    run: impl FnOnce(Walker, &Snapshot) -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    let snapshot = context.core.read(|core: &Core| core.snapshot()).await?;
    walk_on(context, snapshot, |walker, snapshot| run(walker, snapshot)).await
}

/// The same on a snapshot that was taken before.
pub(super) async fn walk_on<T: Send + 'static>(
    context: &Arc<Context>,
    mut snapshot: Snapshot,
    run: impl FnOnce(Walker, &mut Snapshot) -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    let walker = Walker(context.clone());
    context.run_blocking(move || run(walker, &mut snapshot)).await
}

/// Goes on until the last coin or the node's end.
pub(super) struct Walker(Arc<Context>);

impl Walker {
    pub(super) fn run(&self, snapshot: &Snapshot, visit: &mut dyn FnMut(Outpoint, Coin)) -> Result<(), RpcError> {
        let mut stopped = false;
        snapshot.for_each_coin(&mut |outpoint, coin| {
            visit(outpoint, coin);
            stopped = self.0.is_stopping();
            if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if stopped { Err(Stopped.into()) } else { Ok(()) }
    }
}

async fn scantxoutset(context: Arc<Context>, arguments: Arguments) -> Reply {
    match arguments.text(0)? {
        "start" => {}
        // Scans run to their end inside their call, so there is never one to report on or to stop.
        "status" => return Ok(Value::Null),
        "abort" => return Ok(json!(false)),
        other => return Err(RpcError::parameter(format!("Invalid action '{other}'"))),
    }
    let parse = |text: &str| {
        Descriptor::parse(text, &context.spec).map_err(|error| RpcError::new(INVALID_ADDRESS_OR_KEY, error))
    };
    let wanted = scan_scripts(arguments.list(1)?, parse)?;
    let (scanned, unspents, tip) = walk(&context, move |walker, snapshot| {
        let (mut scanned, mut unspents) = (0u64, Vec::new());
        walker.run(snapshot, &mut |outpoint, coin| {
            scanned += 1;
            if let Some(descriptor) = wanted.get(&coin.output.script) {
                unspents.push((outpoint, coin, descriptor.clone()));
            }
        })?;
        Ok((scanned, unspents, snapshot.tip().clone()))
    })
    .await?;
    let heights: Vec<u32> = unspents.iter().map(|(_, coin, _)| coin.height).collect();
    // The chain may have moved on meanwhile, or elsewhere: the hashes are those below the snapshot's tip.
    let ancestors =
        move |core: &Core| heights.iter().map(|height| core.ancestor(&tip.hash, *height)).collect::<Vec<_>>();
    let hashes = context.core.read(ancestors).await?;
    let total = Amount::checked_sum(unspents.iter().map(|(_, coin, _)| coin.output.value)).unwrap_or(Amount::MAX_MONEY);
    let list = unspents.iter().zip(hashes).map(|((outpoint, coin, descriptor), hash)| {
        json!({
            "txid": outpoint.txid.to_string(),
            "vout": outpoint.index,
            "scriptPubKey": hex::encode(coin.output.script.as_bytes()),
            "desc": descriptor,
            "amount": view::amount(coin.output.value),
            "coinbase": coin.is_coinbase,
            "height": coin.height,
            "blockhash": hash.map(|hash| hash.to_string()),
            "confirmations": (tip.height + 1).saturating_sub(coin.height),
        })
    });
    Ok(json!({
        "success": true,
        "txouts": scanned,
        "height": tip.height,
        "bestblock": tip.hash.to_string(),
        "unspents": list.collect::<Value>(),
        "total_amount": view::amount(total),
    }))
}
