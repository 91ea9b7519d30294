//! `submitpackage`: a transaction and its unconfirmed parents, submitted together
//! ([`Input::SubmitPackage`](crate::core::event::Input::SubmitPackage)).

use super::{PACKAGE_TRANSACTIONS_MAX, decode_all, fee_rate_max, package_error};
use crate::core::Core;
use crate::core::event::{Accepted, PackageMember, SubmissionLimits};
use crate::core::rejection::Answer;
use crate::shell::rpc::error::{RpcError, VERIFY_ERROR};
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::view;
use chain_spec::{Amount, Outpoint, Transaction, Txid};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// `submitpackage package ( maxfeerate maxburnamount )`.
pub async fn submitpackage(context: Arc<Context>, arguments: Arguments) -> Reply {
    let raw = arguments.list(0)?;
    if raw.is_empty() || raw.len() > PACKAGE_TRANSACTIONS_MAX {
        let message = format!("Array must contain between 1 and {PACKAGE_TRANSACTIONS_MAX} transactions.");
        return Err(RpcError::parameter(message));
    }
    let burn_max = Some(arguments.amount(2)?.unwrap_or(Amount::ZERO));
    let limits = SubmissionLimits { fee_rate_max: fee_rate_max(&arguments, 1)?, burn_max };
    let transactions = decode_all(raw)?;
    let ids: Vec<Txid> = transactions.iter().map(|transaction| transaction.txid()).collect();
    if let Some(error) = package_error(&transactions, &ids) {
        let unjudged = |txid: &Txid| json!({"txid": txid.to_string(), "error": "package-not-validated"});
        let results = ids.iter().map(|txid| (txid.to_string(), unjudged(txid))).collect::<Map<_, _>>();
        return Ok(json!({"package_msg": error, "tx-results": results, "replaced-transactions": []}));
    }
    if !is_child_with_parents(&transactions, &ids) {
        let message = "package topology disallowed. not child-with-parents or parents depend on each other.";
        return Err(RpcError::new(VERIFY_ERROR, message));
    }
    let inputs = transactions.iter().flat_map(|transaction| transaction.inputs.iter().map(|input| input.outpoint));
    let outpoints: Vec<Outpoint> = inputs.collect();
    let own: BTreeSet<Txid> = ids.iter().copied().collect();
    let rivals = context.core.read(move |core| rivals(core, &outpoints, &own)).await?;
    let submissions = transactions.iter().map(|transaction| (Arc::clone(transaction), limits)).collect();
    let answers = context.core.submit_package(submissions).await?;
    let is_gone = move |core: &Core| -> Value {
        let gone = rivals.iter().filter(|txid| core.mempool().get(txid).is_none());
        gone.map(|txid| json!(txid.to_string())).collect()
    };
    let replaced = context.core.read(is_gone).await?;
    let together = accepted_together(&answers);
    let results = ids.iter().zip(&answers).map(|(txid, answer)| (txid.to_string(), result(txid, answer, &together)));
    Ok(json!({
        "package_msg": if answers.iter().all(Result::is_ok) { "success" } else { "transaction failed" },
        "tx-results": results.collect::<Map<_, _>>(),
        "replaced-transactions": replaced,
    }))
}

/// Pooled transactions that spend the same coins, and those that need them: what the package may replace.
fn rivals(core: &Core, outpoints: &[Outpoint], own: &BTreeSet<Txid>) -> BTreeSet<Txid> {
    let pool = core.mempool();
    let spenders = outpoints.iter().filter_map(|outpoint| pool.spender(outpoint)).filter(|txid| !own.contains(txid));
    spenders.flat_map(|txid| pool.descendants(&txid).into_iter().chain([txid])).collect()
}

/// Whether all but the last are parents of the last, and none of another one (Core: `IsChildWithParentsTree`).
fn is_child_with_parents(transactions: &[Arc<Transaction>], ids: &[Txid]) -> bool {
    let (Some((child, parents)), Some((_, parent_ids))) = (transactions.split_last(), ids.split_last()) else {
        return false;
    };
    let spends =
        |transaction: &Transaction, txid: &Txid| transaction.inputs.iter().any(|input| input.outpoint.txid == *txid);
    parent_ids.iter().all(|txid| spends(child, txid))
        && parents.iter().all(|parent| !parent_ids.iter().any(|txid| spends(parent, txid)))
}

/// The ids of those that were accepted for what they pay together.
fn accepted_together(answers: &[Answer<Accepted>]) -> Vec<String> {
    let together = answers.iter().filter_map(|answer| match answer {
        Ok(Accepted::Packaged(PackageMember { txid, together: Some(_), .. })) => Some(txid.to_string()),
        _ => None,
    });
    together.collect()
}

fn result(txid: &Txid, answer: &Answer<Accepted>, accepted_together: &[String]) -> Value {
    let member = match answer {
        Ok(Accepted::Packaged(member)) => member,
        Ok(_) => return json!({"txid": txid.to_string()}),
        Err(rejected) => return json!({"txid": txid.to_string(), "error": rejected.reason}),
    };
    let mut fees = json!({"base": view::amount(member.fee)});
    if !member.was_pooled {
        let (fee, size) = member.together.unwrap_or((member.fee, member.size));
        fees["effective-feerate"] = view::fee_rate(fee.units().saturating_mul(1_000) / (size as u64).max(1));
        let own = [txid.to_string()];
        fees["effective-includes"] = json!(if member.together.is_some() { accepted_together } else { &own[..] });
    }
    json!({"txid": txid.to_string(), "vsize": member.size, "fees": fees})
}
