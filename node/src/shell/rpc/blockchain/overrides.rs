//! `invalidateblock`, `reconsiderblock`, `preciousblock`: what an operator overrides about a block.

use crate::core::event::BlockOverride;
use crate::shell::rpc::error::{DATABASE_ERROR, RpcError, rejection};
use crate::shell::rpc::lookup::known_block;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use serde_json::Value;
use std::sync::Arc;

/// `invalidateblock`.
pub async fn invalidateblock(context: Arc<Context>, arguments: Arguments) -> Reply {
    override_block(&context, &arguments, BlockOverride::Invalidate).await
}

/// `reconsiderblock`.
pub async fn reconsiderblock(context: Arc<Context>, arguments: Arguments) -> Reply {
    override_block(&context, &arguments, BlockOverride::Reconsider).await
}

/// `preciousblock`.
pub async fn preciousblock(context: Arc<Context>, arguments: Arguments) -> Reply {
    override_block(&context, &arguments, BlockOverride::Precious).await
}

async fn override_block(context: &Context, arguments: &Arguments, change: BlockOverride) -> Reply {
    let hash = arguments.hash(0)?;
    let height = context.core.read(move |core| known_block(core, &hash).map(|block| block.height)).await??;
    if height == 0 && change == BlockOverride::Invalidate {
        return Err(RpcError::parameter("the genesis block is what defines this chain; it cannot be invalid"));
    }
    match context.core.override_block(hash, change).await? {
        Ok(_) => Ok(Value::Null),
        Err(rejected) => Err(rejection(DATABASE_ERROR, &rejected)),
    }
}
