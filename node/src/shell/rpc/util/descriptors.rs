//! `getdescriptorinfo` and `deriveaddresses`.

use crate::shell::rpc::descriptor::Descriptor;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::lookup::parse_range;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use chain_spec::Address;
use serde_json::{Value, json};
use std::sync::Arc;

/// `getdescriptorinfo descriptor`.
pub async fn getdescriptorinfo(context: Arc<Context>, arguments: Arguments) -> Reply {
    let text = arguments.text(0)?;
    let descriptor = Descriptor::parse(text, &context.spec).map_err(RpcError::not_found)?;
    // Core's checksum is of the text as it was given, private keys and all.
    let given = chain_spec::descriptor::with_checksum(text.split('#').next().unwrap_or_default());
    Ok(json!({
        "descriptor": descriptor.canonical(),
        "checksum": given.rsplit_once('#').map(|(_, checksum)| checksum),
        "isrange": descriptor.is_range(),
        "issolvable": descriptor.is_solvable(),
        "hasprivatekeys": descriptor.has_private_key(),
    }))
}

/// `deriveaddresses descriptor ( range )`.
pub async fn deriveaddresses(context: Arc<Context>, arguments: Arguments) -> Reply {
    let text = arguments.text(0)?;
    if !text.contains('#') {
        return Err(RpcError::not_found("Missing checksum"));
    }
    let descriptor = Descriptor::parse(text, &context.spec).map_err(RpcError::not_found)?;
    let range = match (descriptor.is_range(), arguments.get(1)) {
        (false, Some(_)) => {
            return Err(RpcError::parameter("Range should not be specified for an un-ranged descriptor"));
        }
        (true, None) => return Err(RpcError::parameter("Range must be specified for a ranged descriptor")),
        (false, None) => 0..=0,
        (true, Some(range)) => parse_range(range)?,
    };
    let mut addresses = Vec::new();
    for index in range {
        // Of `combo`, only one script has an address.
        for derived in descriptor.scripts(index).map_err(RpcError::not_found)? {
            addresses.extend(Address::from_script(&derived.script, &context.spec));
        }
    }
    if addresses.is_empty() {
        return Err(RpcError::not_found("Descriptor does not have a corresponding address"));
    }
    Ok(addresses.iter().map(|address| json!(address.to_string())).collect::<Value>())
}
