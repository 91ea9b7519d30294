//! `sendrawtransaction`, alone and in batches. A batch is judged in its order, as if each call came alone, but in one go: its
//! signatures are checked on all cores ([`CoreHandle::submit_transactions`](crate::shell::core_handle::CoreHandle)).

use crate::core::Core;
use crate::core::event::Rejection;
use crate::core::store::StoreError;
use crate::shell::clock;
use crate::shell::rpc::error::{RpcError, VERIFY_ALREADY_IN_UTXO_SET, VERIFY_ERROR, VERIFY_REJECTED, rejection};
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::transactions::{fee_rate_max, is_absurd};
use chain_spec::{Amount, Encode, Outpoint, Transaction, Txid};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// One call's arguments, read.
#[derive(Clone)]
struct Submission {
    transaction: Arc<Transaction>,
    txid: Txid,
    fee_rate_max: Option<Amount>,
}

/// What the node knows of a transaction before it is submitted.
enum Standing {
    /// It would be accepted, but its fee is more than the caller allows.
    Absurd,
    /// Its fee is more than the caller allows, and it would not be accepted anyway, for this reason.
    Refused(Rejection),
    /// It may be submitted, even if it is in the mempool: then it is kept as the caller's own. It is mined, with a coin left,
    /// if `is_mined`.
    New { is_mined: bool },
}

impl Submission {
    fn read(arguments: &Arguments) -> Result<Submission, RpcError> {
        let transaction: Arc<Transaction> = Arc::new(arguments.decoded(0, "TX")?);
        let fee_rate_max = fee_rate_max(arguments, 1)?;
        let burn_max = arguments.amount(2)?.unwrap_or(Amount::ZERO);
        if transaction.outputs.iter().any(|output| output.script.is_unspendable() && output.value > burn_max) {
            let message = "Unspendable output exceeds maximum configured by user (maxburnamount)";
            return Err(RpcError::new(VERIFY_ERROR, message));
        }
        Ok(Submission { txid: transaction.txid(), transaction, fee_rate_max })
    }
}

/// One call.
pub async fn sendrawtransaction(context: Arc<Context>, arguments: Arguments) -> Reply {
    let replies = send_all(context, vec![arguments]).await;
    replies.into_iter().next().unwrap_or_else(|| Err(RpcError::misc("no transaction")))
}

/// Several calls: a reply to each, in their order.
pub async fn send_all(context: Arc<Context>, calls: Vec<Arguments>) -> Vec<Reply> {
    let read: Vec<Result<Submission, RpcError>> = calls.iter().map(Submission::read).collect();
    let submissions: Vec<Submission> = read.iter().flatten().cloned().collect();
    let mut sent = match send(&context, submissions).await {
        Ok(replies) => replies.into_iter(),
        Err(error) => return calls.iter().map(|_| Err(error.clone())).collect(),
    };
    let missing = || RpcError::misc("the node gave no answer");
    read.into_iter().map(|submission| submission.and_then(|_| sent.next().unwrap_or_else(|| Err(missing())))).collect()
}

async fn send(context: &Context, submissions: Vec<Submission>) -> Result<Vec<Reply>, RpcError> {
    let looked_at = submissions.clone();
    let standings = context.core.read(move |core| standings(core, &looked_at)).await??;
    let new = submissions.iter().zip(&standings).filter(|(_, standing)| matches!(standing, Standing::New { .. }));
    let new = new.map(|(submission, _)| Arc::clone(&submission.transaction)).collect();
    let mut judgements = context.core.submit_transactions(new).await?.into_iter();
    let replies = submissions.iter().zip(&standings).map(|(submission, standing)| {
        let txid = || json!(submission.txid.to_string());
        match standing {
            Standing::Absurd => {
                Err(RpcError::new(VERIFY_ERROR, "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)"))
            }
            Standing::Refused(rejected) => refusal(rejected, false),
            // Submitting again is harmless: the caller wants it in the mempool, and there it is (Core does the same).
            Standing::New { is_mined } => match judgements.next() {
                Some(Err(rejected)) if rejected.reason != "txn-already-in-mempool" => refusal(&rejected, *is_mined),
                _ => Ok(txid()),
            },
        }
    });
    Ok(replies.collect())
}

/// How each transaction stands, the earlier ones of the batch taken as submitted.
fn standings(core: &Core, submissions: &[Submission]) -> Result<Vec<Standing>, StoreError> {
    let mut earlier: HashMap<Txid, &Transaction> = HashMap::new();
    let mut standings = Vec::with_capacity(submissions.len());
    for submission in submissions {
        standings.push(standing(core, submission, &earlier)?);
        earlier.insert(submission.txid, &submission.transaction);
    }
    Ok(standings)
}

fn standing(
    core: &Core,
    submission: &Submission,
    earlier: &HashMap<Txid, &Transaction>,
) -> Result<Standing, StoreError> {
    let Submission { transaction, txid, fee_rate_max } = submission;
    if core.mempool().get(txid).is_some() {
        return Ok(Standing::New { is_mined: false });
    }
    let fee = fee(core, transaction, earlier)?;
    if fee.is_some_and(|fee| is_absurd(fee, transaction.encoded_len(), *fee_rate_max)) {
        // What it breaks comes first, as in Core, unless it spends from the rest of the batch and cannot be judged yet.
        let tested = core.test_package(std::slice::from_ref(transaction), clock::now())?;
        return Ok(match tested {
            Err((_, rejected)) if rejected.reason != "bad-txns-inputs-missingorspent" => Standing::Refused(rejected),
            _ => Standing::Absurd,
        });
    }
    for index in 0..transaction.outputs.len() as u32 {
        if core.coin(&Outpoint { txid: *txid, index }, false)?.is_some() {
            return Ok(Standing::New { is_mined: true });
        }
    }
    Ok(Standing::New { is_mined: false })
}

/// What a transaction leaves to the miner, if the coins it spends are known.
fn fee(
    core: &Core,
    transaction: &Transaction,
    earlier: &HashMap<Txid, &Transaction>,
) -> Result<Option<Amount>, StoreError> {
    let mut spent = Vec::with_capacity(transaction.inputs.len());
    for input in &transaction.inputs {
        let Outpoint { txid, index } = input.outpoint;
        let pooled = core.mempool().get(&txid).map(|entry| entry.transaction.transaction().as_ref());
        let value = match pooled.or_else(|| earlier.get(&txid).copied()) {
            Some(parent) => parent.outputs.get(index as usize).map(|output| output.value),
            None => core.coin(&input.outpoint, false)?.map(|coin| coin.output.value),
        };
        let Some(value) = value else { return Ok(None) };
        spent.push(value);
    }
    let paid = Amount::checked_sum(transaction.outputs.iter().map(|output| output.value));
    Ok(paid.and_then(|paid| Amount::checked_sum(spent)?.checked_sub(paid)))
}

/// Core's code for a refused transaction: mined ones are −27, missing coins −25, rules and policy −26.
fn refusal(rejected: &Rejection, is_mined: bool) -> Result<Value, RpcError> {
    if is_mined {
        return Err(RpcError::new(VERIFY_ALREADY_IN_UTXO_SET, "Transaction outputs already in utxo set"));
    }
    let code = if rejected.reason == "bad-txns-inputs-missingorspent" { VERIFY_ERROR } else { VERIFY_REJECTED };
    Err(rejection(code, rejected))
}
