//! `waitfornewblock`, `waitforblock`, `waitforblockheight`: calls that return when the tip does something.

use crate::shell::core_handle::TipState;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use chain_spec::BlockHash;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait when no timeout is given or it is 0, milliseconds (a day: for ever, as far as HTTP goes).
const WAIT_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// Returns when the tip is another than at the time of the call, or than the one named.
pub async fn waitfornewblock(context: Arc<Context>, arguments: Arguments) -> Reply {
    let timeout = timeout(&arguments, 0)?;
    let from: BlockHash = match arguments.get(1) {
        Some(_) => arguments.hash(1)?,
        None => context.core.tip().borrow().hash,
    };
    wait(&context, timeout, move |tip| tip.hash != from).await
}

/// Returns when the tip is the one named.
pub async fn waitforblock(context: Arc<Context>, arguments: Arguments) -> Reply {
    let wanted: BlockHash = arguments.hash(0)?;
    let timeout = timeout(&arguments, 1)?;
    wait(&context, timeout, move |tip| tip.hash == wanted).await
}

/// Returns when the tip is at least this high.
pub async fn waitforblockheight(context: Arc<Context>, arguments: Arguments) -> Reply {
    let height = arguments.integer(0)?;
    let timeout = timeout(&arguments, 1)?;
    wait(&context, timeout, move |tip| i64::from(tip.height) >= height).await
}

fn timeout(arguments: &Arguments, index: usize) -> Result<Duration, RpcError> {
    let given = u64::try_from(arguments.integer_or(index, 0)?).map_err(|_| RpcError::misc("Negative timeout"))?;
    Ok(Duration::from_millis(if given == 0 { WAIT_MS_MAX } else { given.min(WAIT_MS_MAX) }))
}

/// Waits, and answers with the tip as it is then: what was waited for, or not if the time ran out or the node stops.
async fn wait(context: &Context, timeout: Duration, until: impl Fn(&TipState) -> bool) -> Reply {
    let mut tip = context.core.tip();
    tokio::select! {
        // Neither a timeout nor a stop is an error to the caller, as in Core: the answer is the tip.
        _ = tokio::time::timeout(timeout, tip.wait_for(|tip| until(tip))) => {}
        () = context.stopping() => {}
    }
    let now = *context.core.tip().borrow();
    Ok(json!({"hash": now.hash.to_string(), "height": now.height}))
}
