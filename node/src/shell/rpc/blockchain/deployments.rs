//! `getdeploymentinfo`: the rules that began at some height, with Core's fields.

use crate::shell::rpc::lookup::known_block;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use chain_spec::der::SignatureEncoding;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `getdeploymentinfo ( blockhash )`: each rule, the first height it holds at, and whether it holds after that block.
pub async fn getdeploymentinfo(context: Arc<Context>, arguments: Arguments) -> Reply {
    let asked = arguments.get(0).is_some().then(|| arguments.hash(0)).transpose()?;
    let read = move |core: &crate::core::Core| asked.map_or_else(|| Ok(core.tip()), |hash| known_block(core, &hash));
    let block = context.core.read(read).await??;
    let spec = &context.spec;
    let heights = [
        ("bip34", spec.bip34_height),
        ("bip66", spec.bip66_height),
        ("bip65", spec.bip65_height),
        ("csv", spec.csv_height),
    ];
    let deployment = |height: u32| json!({"type": "buried", "active": block.height + 1 >= height, "height": height});
    let deployments: Map<String, Value> =
        heights.into_iter().map(|(name, height)| (name.to_owned(), deployment(height))).collect();
    // The flags that Core would check the block's scripts with, of those that say something about pay-to-public-key-hash.
    let is_strict = spec.signature_encoding(block.height) == SignatureEncoding::Strict;
    Ok(json!({
        "hash": block.hash.to_string(),
        "height": block.height,
        "script_flags": if is_strict { json!(["DERSIG"]) } else { json!([]) },
        "deployments": deployments,
    }))
}
