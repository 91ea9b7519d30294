//! What methods of several groups look up in the core, with Core's answer when it is not there.

use crate::core::Core;
use crate::core::view::Summary;
use crate::shell::rpc::error::RpcError;
use chain_spec::BlockHash;

/// What an unknown hash is answered with.
pub fn unknown_block() -> RpcError {
    RpcError::not_found("Block not found")
}

/// The summary of a known block.
pub fn known_block(core: &Core, hash: &BlockHash) -> Result<Summary, RpcError> {
    core.summary(hash).ok_or_else(unknown_block)
}
