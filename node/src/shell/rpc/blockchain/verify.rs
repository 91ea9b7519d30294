//! `verifychain`: do the stored blocks, the undo data and the coins still agree ([`Verifier`](crate::core::verify::Verifier))?
//!
//! It runs on a snapshot, beside the core's thread: blocks go on being connected meanwhile.

use crate::core::Core;
use crate::core::rejection::AcceptError;
use crate::shell::core_handle::Stopped;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use serde_json::json;
use std::sync::Arc;
use tracing::warn;

/// Core's defaults.
const LEVEL_DEFAULT: u32 = 3;
/// Core's deepest level.
const LEVEL_MAX: u32 = 4;
/// Core's default number of blocks.
const BLOCKS_DEFAULT: u32 = 6;
/// `verifychain`: true, or false with the reason in the log.
pub async fn verifychain(context: Arc<Context>, arguments: Arguments) -> Reply {
    let level = arguments.bounded_or(0, LEVEL_DEFAULT, LEVEL_MAX)?;
    let blocks = arguments.bounded_or(1, BLOCKS_DEFAULT, u32::MAX)?;
    let verifier = context.core.read(|core: &Core| core.verifier()).await?;
    let (stop, blocks) = (context.clone(), if blocks == 0 { u32::MAX } else { blocks });
    let missing = verifier.blocks_missing(blocks);
    // A store that cannot even be read is the finding, not a failure of the call.
    let verify = move || Ok(verifier.verify(level, blocks, &|| stop.is_stopping()));
    let verdict = context.run_blocking(verify).await?;
    if context.is_stopping() {
        return Err(Stopped.into());
    }
    match verdict {
        // As in Core, what is not there does not count as verified.
        Ok(()) if missing > 0 => {
            warn!("verifychain ended where blocks were pruned; {missing} of the blocks it was to look at are not here");
            Ok(json!(false))
        }
        Ok(()) => Ok(json!(true)),
        Err(error) => {
            let problem = match error {
                AcceptError::Rejected(rejection) => rejection.detail,
                AcceptError::Store(error) => error.to_string(),
            };
            warn!("verifychain found a problem: {problem}; restart with --reindex to rebuild from the blocks");
            Ok(json!(false))
        }
    }
}
