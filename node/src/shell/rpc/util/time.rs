//! `setmocktime` and `mockscheduler`: the node's time on chains that are for trying things out.

use crate::shell::clock;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::lookup::is_local;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use chain_spec::ChainSpec;
use serde_json::Value;
use std::sync::Arc;

/// Latest time that can be set, Unix seconds: a header's time has 32 bits.
const TIME_S_MAX: i64 = u32::MAX as i64;
/// Most seconds that `mockscheduler` moves ahead (Core's).
const STEP_S_MAX: i64 = 60 * 60;

fn refuse_elsewhere(spec: &ChainSpec, method: &str) -> Result<(), RpcError> {
    if is_local(spec) {
        return Ok(());
    }
    Err(RpcError::misc(format!(
        "{method} is for local chains only (local, bitcoin-regtest or a chain spec of one's own)"
    )))
}

/// `setmocktime timestamp`.
pub async fn setmocktime(context: Arc<Context>, arguments: Arguments) -> Reply {
    refuse_elsewhere(&context.spec, "setmocktime")?;
    let time = arguments.integer(0)?;
    let time_s = u64::try_from(time).ok().filter(|_| time <= TIME_S_MAX);
    let time_s = time_s
        .ok_or_else(|| RpcError::parameter(format!("Mocktime must be in the range [0, {TIME_S_MAX}], not {time}.")))?;
    clock::set_mock_time(time_s);
    Ok(Value::Null)
}

/// `mockscheduler delta_time`.
pub async fn mockscheduler(context: Arc<Context>, arguments: Arguments) -> Reply {
    refuse_elsewhere(&context.spec, "mockscheduler")?;
    let delta = arguments.integer(0)?;
    let delta_s = u64::try_from(delta).ok().filter(|_| (1..=STEP_S_MAX).contains(&delta));
    let delta_s = delta_s.ok_or_else(|| RpcError::misc("delta_time must be between 1 and 3600 seconds (1 hr)"))?;
    clock::advance(delta_s);
    Ok(Value::Null)
}
