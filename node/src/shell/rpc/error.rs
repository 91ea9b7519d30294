//! What an RPC call can fail with: Bitcoin Core's codes (its `rpc/protocol.h`), because clients branch on them.

use crate::core::rejection::Rejection;
use crate::core::store::StoreError;
use crate::shell::core_handle::Stopped;
use serde_json::{Value, json};

/// The request is not a JSON-RPC request object.
pub const INVALID_REQUEST: i32 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// The node failed, not the caller.
pub const INTERNAL_ERROR: i32 = -32603;
/// The body is not JSON.
pub const PARSE_ERROR: i32 = -32700;
/// Anything without a code of its own; also wrong usage, with the method's help as message.
pub const MISC_ERROR: i32 = -1;
/// An argument has another JSON type than the method takes.
pub const TYPE_ERROR: i32 = -3;
/// No such block or transaction, or not an address of this chain.
pub const INVALID_ADDRESS_OR_KEY: i32 = -5;
/// An argument's value is out of range, missing or duplicated.
pub const INVALID_PARAMETER: i32 = -8;
/// No peers to work with.
pub const CLIENT_NOT_CONNECTED: i32 = -9;
/// The node is catching up.
pub const CLIENT_IN_INITIAL_DOWNLOAD: i32 = -10;
/// A block, transaction or header could not be read from its hex.
pub const DESERIALIZATION_ERROR: i32 = -22;
/// What an operator ordered about a block cannot be done.
pub const DATABASE_ERROR: i32 = -20;
/// The node was already added with `addnode`.
pub const CLIENT_NODE_ALREADY_ADDED: i32 = -23;
/// The node was not added before.
pub const CLIENT_NODE_NOT_ADDED: i32 = -24;
/// A block or header is not valid; for a transaction: it could not be judged.
pub const VERIFY_ERROR: i32 = -25;
/// A rule or a policy refused the transaction.
pub const VERIFY_REJECTED: i32 = -26;
/// The transaction is in a block already, and some output of it is unspent.
pub const VERIFY_ALREADY_IN_UTXO_SET: i32 = -27;
/// The node is still loading.
pub const IN_WARMUP: i32 = -28;
/// The peer to disconnect is not connected.
pub const CLIENT_NODE_NOT_CONNECTED: i32 = -29;
/// Not an address, subnet or peer id.
pub const CLIENT_INVALID_IP_OR_SUBNET: i32 = -30;

/// The error of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    /// One of the codes above.
    pub code: i32,
    /// One sentence for a person.
    pub message: String,
}

impl RpcError {
    /// An error with a code.
    pub fn new(code: i32, message: impl Into<String>) -> RpcError {
        RpcError { code, message: message.into() }
    }
    /// An argument's value is wrong (−8).
    pub fn parameter(message: impl Into<String>) -> RpcError {
        RpcError::new(INVALID_PARAMETER, message)
    }
    /// Something that was named does not exist (−5).
    pub fn not_found(message: impl Into<String>) -> RpcError {
        RpcError::new(INVALID_ADDRESS_OR_KEY, message)
    }
    /// Anything else (−1).
    pub fn misc(message: impl Into<String>) -> RpcError {
        RpcError::new(MISC_ERROR, message)
    }
    /// As the `error` member of a reply.
    pub fn to_json(&self) -> Value {
        json!({"code": self.code, "message": self.message})
    }
}

/// Our disk failed: nothing the caller can mend.
impl From<StoreError> for RpcError {
    fn from(error: StoreError) -> RpcError {
        RpcError::new(INTERNAL_ERROR, error.to_string())
    }
}

/// The node is going down under the call.
impl From<Stopped> for RpcError {
    fn from(_: Stopped) -> RpcError {
        RpcError::new(CLIENT_NOT_CONNECTED, "the node is shutting down")
    }
}

/// What `sendrawtransaction` and `submitheader` say of a refusal: the reject string first, as clients match on it.
pub fn rejection(code: i32, rejected: &Rejection) -> RpcError {
    if rejected.detail.is_empty() || rejected.detail == rejected.reason {
        RpcError::new(code, rejected.reason.clone())
    } else {
        RpcError::new(code, format!("{}, {}", rejected.reason, rejected.detail))
    }
}
