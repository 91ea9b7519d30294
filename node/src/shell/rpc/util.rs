//! Things that need no chain: addresses and descriptors.

use crate::shell::rpc::descriptor;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::{Method, Reply};
use chain_spec::Address;
use serde_json::{Value, json};
use std::sync::Arc;

pub mod control;
pub mod indexes;

/// The group's table.
pub const METHODS: &[Method] = &[
    Method::new("deriveaddresses", &["descriptor"], "The address of an addr(ADDRESS) descriptor.", |c, a| {
        Box::pin(deriveaddresses(c, a))
    }),
    Method::new("getdescriptorinfo", &["descriptor"], "A descriptor with its checksum.", |c, a| {
        Box::pin(getdescriptorinfo(c, a))
    }),
    Method::new(
        "estimatesmartfee",
        &["conf_target", "estimate_mode?"],
        "No estimate: a pool does not tell one.",
        |c, a| Box::pin(estimatesmartfee(c, a)),
    ),
    Method::new("getindexinfo", &["index_name?"], "The optional indexes that are kept.", |c, a| {
        Box::pin(indexes::getindexinfo(c, a))
    }),
    Method::new("validateaddress", &["address"], "Whether a text is an address of this chain.", |c, a| {
        Box::pin(validateaddress(c, a))
    }),
];

/// Confirmation targets that may be asked for, blocks (Core's longest horizon).
const TARGET_MAX: u32 = 1_008;

/// As Core answers before it has seen enough: clients fall back to a fee of their own.
async fn estimatesmartfee(_: Arc<Context>, arguments: Arguments) -> Reply {
    let target = arguments.integer(0)?;
    if !(1..=i64::from(TARGET_MAX)).contains(&target) {
        return Err(RpcError::parameter(format!("Invalid conf_target, must be between 1 and {TARGET_MAX}")));
    }
    Ok(json!({"errors": ["Insufficient data or no feerate found"], "blocks": target.max(2)}))
}

async fn validateaddress(context: Arc<Context>, arguments: Arguments) -> Reply {
    Ok(match Address::parse(arguments.text(0)?, &context.spec) {
        Ok(address) => json!({
            "isvalid": true,
            "address": address.to_string(),
            "scriptPubKey": hex::encode(address.script().as_bytes()),
            "isscript": false,
            "iswitness": false,
        }),
        Err(error) => json!({
            "isvalid": false,
            "error_locations": Value::Array(Vec::new()),
            "error": error.to_string(),
        }),
    })
}

async fn getdescriptorinfo(context: Arc<Context>, arguments: Arguments) -> Reply {
    let script = descriptor::parse(arguments.text(0)?, &context.spec).map_err(RpcError::not_found)?;
    let canonical = descriptor::of_script(&script, Address::from_script(&script, &context.spec).as_ref());
    Ok(json!({
        "descriptor": canonical,
        "checksum": canonical.rsplit_once('#').map(|(_, checksum)| checksum),
        "isrange": false,
        "issolvable": false,
        "hasprivatekeys": false,
    }))
}

async fn deriveaddresses(context: Arc<Context>, arguments: Arguments) -> Reply {
    let script = descriptor::parse(arguments.text(0)?, &context.spec).map_err(RpcError::not_found)?;
    let address = Address::from_script(&script, &context.spec);
    let address = address.ok_or_else(|| RpcError::not_found("Descriptor does not have a corresponding address"))?;
    Ok(json!([address.to_string()]))
}
