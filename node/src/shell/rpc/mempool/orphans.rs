//! `getorphantxs`: transactions that came from peers and wait for their parents.

use crate::core::Core;
use crate::core::event::PeerKey;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::view::WEIGHT_PER_BYTE;
use chain_spec::{CheckedTransaction, Encode};
use serde_json::{Value, json};
use std::sync::Arc;

/// `getorphantxs ( verbosity )`.
pub async fn getorphantxs(context: Arc<Context>, arguments: Arguments) -> Reply {
    let verbosity = arguments.verbosity_or(0, 0)?;
    if !(0..=2).contains(&verbosity) {
        return Err(RpcError::parameter(format!("Invalid verbosity value {verbosity}")));
    }
    let list = move |core: &Core| -> Value {
        core.orphans().map(|(orphan, peer)| describe(orphan, peer, verbosity)).collect()
    };
    Ok(context.core.read(list).await?)
}

fn describe(orphan: &CheckedTransaction, peer: PeerKey, verbosity: i64) -> Value {
    let txid = orphan.txid().to_string();
    if verbosity == 0 {
        return json!(txid);
    }
    let mut view = json!({
        "txid": txid,
        "wtxid": txid,
        "bytes": orphan.size(),
        "vsize": orphan.size(),
        "weight": orphan.size() * WEIGHT_PER_BYTE,
        // It is kept once, for the first peer that sent it.
        "from": [peer.0],
    });
    if verbosity == 2 {
        view["hex"] = json!(hex::encode(orphan.transaction().to_bytes()));
    }
    view
}
