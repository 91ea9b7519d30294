//! How many bytes of which messages went over a peer's link, for `getpeerinfo`.
//!
//! Contents are counted, by the names that Bitcoin's messages with the same content have. What libp2p adds, and the gossip
//! that it sends to whom it chooses, is the difference to the bytes of the whole link.

use super::wire::kind;
use std::collections::BTreeMap;

/// Bytes by message.
pub type ByMessage = BTreeMap<&'static str, u64>;

/// Both directions of one link.
#[derive(Clone, Debug, Default)]
pub struct MessageBytes {
    /// What the peer sent.
    pub received: ByMessage,
    /// What it was sent.
    pub sent: ByMessage,
}

/// The name of a request of this kind.
pub fn request_name(kind: u8) -> &'static str {
    match kind {
        kind::HEADERS => "getheaders",
        kind::BLOCKS | kind::TRANSACTIONS => "getdata",
        kind::BLOCK_TRANSACTIONS => "getblocktxn",
        _ => "mempool",
    }
}

/// The name of an answer of this kind.
pub fn response_name(kind: u8) -> &'static str {
    match kind {
        kind::HEADERS => "headers",
        kind::BLOCKS => "block",
        kind::BLOCK_TRANSACTIONS => "blocktxn",
        kind::TRANSACTIONS => "tx",
        _ => "inv",
    }
}

/// Adds to a count.
pub fn count(by_message: &mut ByMessage, name: &'static str, bytes: usize) {
    *by_message.entry(name).or_default() += bytes as u64;
}

/// The counts, and as `*other*` (Core's word) what the link carried beside them.
pub fn with_others(by_message: &ByMessage, link_bytes: u64) -> ByMessage {
    let mut all = by_message.clone();
    let others = link_bytes.saturating_sub(all.values().sum());
    if others > 0 {
        all.insert("*other*", others);
    }
    all
}
