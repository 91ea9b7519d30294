//! `sendrawtransaction`, alone and in batches: one input to the core, one judgement and one answer for each transaction
//! ([`Input::Submit`](crate::core::event::Input::Submit)). A batch is judged in its order, as if each call came alone, but its
//! signatures are checked on all cores.

use super::fee_rate_max;
use crate::core::event::{Accepted, SubmissionLimits};
use crate::core::rejection::{Answer, RejectionKind};
use crate::shell::rpc::error::{RpcError, VERIFY_ALREADY_IN_UTXO_SET, VERIFY_ERROR, VERIFY_REJECTED, rejection};
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use chain_spec::{Amount, Transaction};
use serde_json::json;
use std::sync::Arc;

/// The transaction and what its submitter allows.
fn read(arguments: &Arguments) -> Result<(Arc<Transaction>, SubmissionLimits), RpcError> {
    let transaction: Arc<Transaction> = Arc::new(arguments.decoded(0, "TX")?);
    let burn_max = Some(arguments.amount(2)?.unwrap_or(Amount::ZERO));
    Ok((transaction, SubmissionLimits { fee_rate_max: fee_rate_max(arguments, 1)?, burn_max }))
}

/// One call.
pub async fn sendrawtransaction(context: Arc<Context>, arguments: Arguments) -> Reply {
    let (transaction, limits) = read(&arguments)?;
    let txid = transaction.txid();
    reply(&txid.to_string(), context.core.submit_transaction(transaction, limits).await?)
}

/// Several calls: a reply to each, in their order.
pub async fn send_all(context: Arc<Context>, calls: Vec<Arguments>) -> Vec<Reply> {
    let read: Vec<Result<(Arc<Transaction>, SubmissionLimits), RpcError>> = calls.iter().map(read).collect();
    let mut answers = match context.core.submit_transactions(read.iter().flatten().cloned().collect()).await {
        Ok(answers) => answers.into_iter(),
        Err(stopped) => return calls.iter().map(|_| Err(stopped.into())).collect(),
    };
    let missing = || RpcError::misc("the node gave no answer");
    let answer_to = |read: Result<(Arc<Transaction>, SubmissionLimits), RpcError>| {
        let (transaction, _) = read?;
        reply(&transaction.txid().to_string(), answers.next().ok_or_else(missing)?)
    };
    read.into_iter().map(answer_to).collect()
}

/// Core's reply: the id, or a code: mined ones are −27, missing coins and the caller's own limits −25, rules and policy −26.
fn reply(txid: &str, answer: Answer<Accepted>) -> Reply {
    let rejected = match answer {
        Ok(_) => return Ok(json!(txid)),
        Err(rejected) => rejected,
    };
    match &rejected.kind {
        // Submitting again is harmless: the caller wants it in the mempool, and there it is (Core does the same).
        RejectionKind::AlreadyInMempool => Ok(json!(txid)),
        RejectionKind::AlreadyInChain => {
            Err(RpcError::new(VERIFY_ALREADY_IN_UTXO_SET, "Transaction outputs already in utxo set"))
        }
        RejectionKind::AboveLimit => Err(RpcError::new(VERIFY_ERROR, rejected.detail)),
        RejectionKind::MissingInputs { .. } => Err(rejection(VERIFY_ERROR, &rejected)),
        _ => Err(rejection(VERIFY_REJECTED, &rejected)),
    }
}
