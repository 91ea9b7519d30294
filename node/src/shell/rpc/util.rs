//! Addresses, descriptors, signed messages, fee estimates and the process itself.

use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::{Method, Reply};
use chain_spec::Address;
use serde_json::{Value, json};
use std::sync::Arc;

pub mod control;
pub mod descriptors;
pub mod fees;
pub mod indexes;
pub mod logging;
pub mod messages;
pub mod time;

/// The group's table.
pub const METHODS: &[Method] = &[
    Method::new(
        "deriveaddresses",
        &["descriptor:str", "range?"],
        "The addresses of a descriptor with its checksum; of one with a wildcard, those of a range (END or [BEGIN,END]).",
        |c, a| Box::pin(descriptors::deriveaddresses(c, a)),
    ),
    Method::new("getdescriptorinfo", &["descriptor:str"], "A descriptor with its checksum, and what it is.", |c, a| {
        Box::pin(descriptors::getdescriptorinfo(c, a))
    }),
    Method::new(
        "estimatesmartfee",
        &["conf_target:num", "estimate_mode:str?"],
        "The fee rate, in coins per 1,000 bytes, that should bring a transaction into a block within conf_target blocks.",
        |c, a| Box::pin(fees::estimatesmartfee(c, a)),
    ),
    Method::new(
        "getindexinfo",
        &["index_name:str?"],
        "The optional indexes that this node keeps, and how far they are.",
        |c, a| Box::pin(indexes::getindexinfo(c, a)),
    ),
    Method::new("getzmqnotifications", &[], "What is published over ZMQ, and where (--zmqpub…).", |c, a| {
        Box::pin(indexes::getzmqnotifications(c, a))
    }),
    Method::new(
        "signmessagewithprivkey",
        &["privkey:str", "message:str"],
        "Signs a text with a private key in wallet import format, in Bitcoin's format.",
        |c, a| Box::pin(messages::signmessagewithprivkey(c, a)),
    ),
    Method::new(
        "validateaddress",
        &["address:str"],
        "Whether a text is an address of this chain, and its script.",
        |c, a| Box::pin(validateaddress(c, a)),
    ),
    Method::new(
        "verifymessage",
        &["address:str", "signature:str", "message:str"],
        "Whether a signature of a text is one by the key of an address.",
        |c, a| Box::pin(messages::verifymessage(c, a)),
    ),
];

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
