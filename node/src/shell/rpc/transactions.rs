//! Transactions: decoding, looking up, testing. Submitting is in [`submission`].

use crate::core::Core;
use crate::core::event::SubmissionLimits;
use crate::core::mempool::Tested;
use crate::core::rejection::{Answer, RejectionKind};
use crate::core::summary::Summary;
use crate::shell::clock;
use crate::shell::rpc::error::{RpcError, TYPE_ERROR};
use crate::shell::rpc::lookup::{coins_of, stored_block};
use crate::shell::rpc::method::arguments::{Arguments, decode_hex};
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::{Method, Reply};
use crate::shell::rpc::view;
use chain_spec::{Amount, BlockHash, Coin, Encode, Outpoint, Script, Transaction, Txid};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;

pub mod package;
pub mod raw;
pub mod sign;
pub mod submission;

/// The group's table.
pub const METHODS: &[Method] = &[
    Method::new(
        "combinerawtransaction",
        &["txs:arr"],
        "Several partly signed copies of one transaction as one.",
        |c, a| Box::pin(raw::combinerawtransaction(c, a)),
    ),
    Method::new(
        "createrawtransaction",
        &["inputs:arr", "outputs", "locktime:num?", "replaceable:bool?", "version:num?"],
        "An unsigned transaction that spends inputs ({txid, vout}) to outputs ({address: amount} or {data: hex}).",
        |c, a| Box::pin(raw::createrawtransaction(c, a)),
    ),
    Method::new("decoderawtransaction", &["hexstring:str", "iswitness:bool?"], "A transaction as JSON.", |c, a| {
        Box::pin(decoderawtransaction(c, a))
    }),
    Method::new("decodescript", &["hexstring:str"], "A script as JSON.", |c, a| Box::pin(decodescript(c, a))),
    Method::new(
        "getrawtransaction",
        &["txid:str", "verbosity|verbose?", "blockhash:str?"],
        "A transaction of the mempool, of a named block, or (with --txindex) of any: 0 hex, 1 JSON, 2 also the coins it spends.",
        |c, a| Box::pin(getrawtransaction(c, a)),
    ),
    Method::new(
        "sendrawtransaction",
        &["hexstring:str", "maxfeerate?", "maxburnamount?"],
        "Submits a transaction; the default maxfeerate is 0.10 per 1,000 bytes, 0 accepts any.",
        |c, a| Box::pin(submission::sendrawtransaction(c, a)),
    )
    .in_batches(|c, batch| Box::pin(submission::send_all(c, batch))),
    Method::new(
        "signrawtransactionwithkey",
        &["hexstring:str", "privkeys:arr", "prevtxs:arr?", "sighashtype:str?"],
        "Signs a transaction's inputs with private keys in wallet import format.",
        |c, a| Box::pin(sign::signrawtransactionwithkey(c, a)),
    ),
    Method::new(
        "submitpackage",
        &["package:arr", "maxfeerate?", "maxburnamount?"],
        "Submits a transaction, last in the list, with its unconfirmed parents; in a full mempool it may pay for them.",
        |c, a| Box::pin(package::submitpackage(c, a)),
    ),
    Method::new(
        "testmempoolaccept",
        &["rawtxs:arr", "maxfeerate?"],
        "Whether transactions would be accepted into the mempool; changes nothing.",
        |c, a| Box::pin(testmempoolaccept(c, a)),
    ),
];

/// Fee rate above which a submission is taken for a mistake, units per 1,000 bytes (Core: `DEFAULT_MAX_RAW_TX_FEE_RATE`).
const FEE_RATE_MAX_DEFAULT: Amount = Amount::from_units(10_000_000);
/// Most transactions in one `testmempoolaccept` or `submitpackage` (Core: `MAX_PACKAGE_COUNT`).
const PACKAGE_TRANSACTIONS_MAX: usize = 25;

async fn decoderawtransaction(context: Arc<Context>, arguments: Arguments) -> Reply {
    let transaction: Transaction = arguments.decoded(0, "TX")?;
    Ok(view::transaction(&context.spec, &transaction, &transaction.txid(), None, false))
}

async fn decodescript(context: Arc<Context>, arguments: Arguments) -> Reply {
    let bytes = hex::decode(arguments.text(0)?)
        .map_err(|error| RpcError::parameter(format!("argument must be hexadecimal string: {error}")))?;
    let mut view = view::script(&context.spec, &Script::from_bytes(bytes));
    // The caller has the hex.
    view.as_object_mut().map(|fields| fields.remove("hex"));
    Ok(view)
}

/// A transaction that was found, and where.
struct Found {
    transaction: Arc<Transaction>,
    block: Option<(Summary, u32)>,
    spent: Option<Vec<Coin>>,
}

async fn getrawtransaction(context: Arc<Context>, arguments: Arguments) -> Reply {
    let txid: Txid = arguments.hash(0)?;
    let verbosity = arguments.verbosity_or(1, 0)?;
    let block: Option<BlockHash> = arguments.get(2).map(|_| arguments.hash(2)).transpose()?;
    if context.spec.genesis.transactions.first().is_some_and(|coinbase| coinbase.txid() == txid) {
        let message = "The genesis block coinbase is not considered an ordinary transaction and cannot be retrieved";
        return Err(RpcError::not_found(message));
    }
    let txindex = context.txindex;
    let found = context.core.read(move |core| find(core, &txid, block, verbosity >= 2, txindex)).await??;
    let bytes = hex::encode(found.transaction.to_bytes());
    if verbosity <= 0 {
        return Ok(json!(bytes));
    }
    let mut view = view::transaction(&context.spec, &found.transaction, &txid, found.spent.as_deref(), verbosity >= 2);
    view["hex"] = json!(bytes);
    if let Some((block, tip_height)) = found.block {
        if arguments.get(2).is_some() {
            view["in_active_chain"] = json!(block.active);
        }
        view["blockhash"] = json!(block.hash.to_string());
        view["confirmations"] = json!(view::confirmations(&block, tip_height).max(0));
        if block.active {
            view["time"] = json!(block.header.time);
            view["blocktime"] = json!(block.header.time);
        }
    }
    Ok(view)
}

fn find(
    core: &Core,
    txid: &Txid,
    block: Option<BlockHash>,
    with_coins: bool,
    txindex: bool,
) -> Result<Found, RpcError> {
    if block.is_none()
        && let Some(entry) = core.mempool().get(txid)
    {
        let transaction = Arc::clone(entry.transaction.transaction());
        let spent = if with_coins { coins_of(core, &transaction)?.into_iter().collect() } else { None };
        return Ok(Found { transaction, block: None, spent });
    }
    let missing = || {
        RpcError::not_found(match block {
            Some(_) => "No such transaction found in the provided block. Use gettransaction for wallet transactions.",
            None if txindex => "No such mempool or blockchain transaction. Use gettransaction for wallet transactions.",
            None => {
                "No such mempool transaction. Start the node with --txindex, or name the block, to find mined transactions."
            }
        })
    };
    let hash = match block {
        Some(hash) => hash,
        None => core.transaction_block(txid)?.ok_or_else(missing)?,
    };
    let summary = core.summary(&hash).ok_or_else(|| RpcError::not_found("Block hash not found"))?;
    let block = stored_block(core, &hash)?;
    let (position, transaction) =
        block.transactions.iter().enumerate().find(|(_, candidate)| candidate.txid() == *txid).ok_or_else(missing)?;
    let undo = if with_coins { core.undo(&hash)? } else { None };
    let spent = undo.and_then(|undo| undo.spent.get(position.checked_sub(1)?).cloned());
    Ok(Found { transaction: Arc::new(transaction.clone()), block: Some((summary, core.tip().height)), spent })
}

/// The bound an operator sets on fee rates; `None` is no bound.
pub(in crate::shell::rpc) fn fee_rate_max(arguments: &Arguments, index: usize) -> Result<Option<Amount>, RpcError> {
    let rate = arguments.amount(index)?.unwrap_or(FEE_RATE_MAX_DEFAULT);
    if rate >= Amount::COIN {
        return Err(RpcError::parameter("Fee rates larger than or equal to 1 coin per 1,000 bytes are not accepted"));
    }
    Ok((rate != Amount::ZERO).then_some(rate))
}

async fn testmempoolaccept(context: Arc<Context>, arguments: Arguments) -> Reply {
    let raw = arguments.list(0)?;
    let fee_rate_max = fee_rate_max(&arguments, 1)?;
    if raw.is_empty() || raw.len() > PACKAGE_TRANSACTIONS_MAX {
        let message = format!("Array must contain between 1 and {PACKAGE_TRANSACTIONS_MAX} transactions.");
        return Err(RpcError::parameter(message));
    }
    let transactions = decode_all(raw)?;
    let ids: Vec<Txid> = transactions.iter().map(|transaction| transaction.txid()).collect();
    if let Some(error) = package_error(&transactions, &ids) {
        let result = |txid: &Txid| json!({"txid": txid.to_string(), "wtxid": txid.to_string(), "package-error": error});
        return Ok(ids.iter().map(result).collect());
    }
    let limits = SubmissionLimits { fee_rate_max, burn_max: None };
    let dry_run = move |core: &Core| core.dry_run_transactions(&transactions, &limits, clock::now());
    let answers = context.core.read(dry_run).await??;
    Ok(ids.iter().zip(&answers).map(|(txid, answer)| test_result(txid, answer.as_ref())).collect())
}

/// Transactions from a list of texts.
fn decode_all(raw: &[Value]) -> Result<Vec<Arc<Transaction>>, RpcError> {
    let wrong = || RpcError::new(TYPE_ERROR, "JSON value of a transaction is not of expected type string");
    let decode = |text: &Value| decode_hex::<Transaction>(text.as_str().ok_or_else(wrong)?, "TX").map(Arc::new);
    raw.iter().map(decode).collect()
}

/// What is wrong with several transactions as a list (Core: `IsWellFormedPackage`): repeated, children before parents, or
/// spending the same coin.
fn package_error(transactions: &[Arc<Transaction>], ids: &[Txid]) -> Option<&'static str> {
    let mut later: HashSet<&Txid> = ids.iter().collect();
    if later.len() < ids.len() {
        return Some("package-contains-duplicates");
    }
    for (transaction, txid) in transactions.iter().zip(ids) {
        if transaction.inputs.iter().any(|input| later.contains(&input.outpoint.txid)) {
            return Some("package-not-sorted");
        }
        later.remove(txid);
    }
    let mut spent = HashSet::new();
    let mut conflicts = |transaction: &Transaction| {
        // A coin spent twice by one transaction is that transaction's own fault.
        let own: HashSet<Outpoint> = transaction.inputs.iter().map(|input| input.outpoint).collect();
        own.into_iter().any(|outpoint| !spent.insert(outpoint))
    };
    transactions.iter().any(|transaction| conflicts(transaction)).then_some("conflict-in-package")
}

/// A result as Core words it; one that was not judged has only its ids.
fn test_result(txid: &Txid, answer: Option<&Answer<Tested>>) -> Value {
    let mut result = json!({"txid": txid.to_string(), "wtxid": txid.to_string()});
    match answer {
        None => {}
        Some(Ok(Tested { fee, size, .. })) => {
            let per_kilobyte = fee.units().saturating_mul(1_000) / (*size as u64).max(1);
            result["allowed"] = json!(true);
            result["vsize"] = json!(size);
            result["fees"] = json!({
                "base": view::amount(*fee),
                "effective-feerate": view::fee_rate(per_kilobyte),
                "effective-includes": [txid.to_string()],
            });
        }
        Some(Err(rejected)) => {
            // Core's word for missing coins differs here from the one in blocks.
            let is_missing = matches!(rejected.kind, RejectionKind::MissingInputs { .. });
            result["allowed"] = json!(false);
            result["reject-reason"] = json!(if is_missing { "missing-inputs" } else { &rejected.reason });
            if rejected.kind != RejectionKind::AboveLimit {
                result["reject-details"] = json!(format!("{}, {}", rejected.reason, rejected.detail));
            }
        }
    }
    result
}
