//! `signmessagewithprivkey` and `verifymessage`: texts signed in Bitcoin's format, in Base64.

use crate::shell::rpc::error::{INVALID_ADDRESS_OR_KEY, RpcError, TYPE_ERROR};
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::{Arguments, bad_address};
use crate::shell::rpc::method::context::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chain_spec::{Address, PrivateKey, message};
use serde_json::json;
use std::sync::Arc;

/// `signmessagewithprivkey privkey message`.
pub async fn signmessagewithprivkey(context: Arc<Context>, arguments: Arguments) -> Reply {
    let key = PrivateKey::from_wif(arguments.text(0)?, &context.spec)
        .map_err(|error| RpcError::new(INVALID_ADDRESS_OR_KEY, format!("Invalid private key: {error}")))?;
    let signature = message::sign(arguments.text(1)?, &key);
    let signature = signature.ok_or_else(|| RpcError::new(INVALID_ADDRESS_OR_KEY, "Sign failed"))?;
    Ok(json!(BASE64_STANDARD.encode(signature)))
}

/// `verifymessage address signature message`.
pub async fn verifymessage(context: Arc<Context>, arguments: Arguments) -> Reply {
    let address = Address::parse(arguments.text(0)?, &context.spec).map_err(|error| bad_address(&error))?;
    let malformed = || RpcError::new(TYPE_ERROR, "Malformed base64 encoding");
    let signature = BASE64_STANDARD.decode(arguments.text(1)?).map_err(|_| malformed())?;
    let signer = message::signer(arguments.text(2)?, &signature);
    Ok(json!(signer.is_some_and(|key| key.address(&context.spec) == address)))
}
