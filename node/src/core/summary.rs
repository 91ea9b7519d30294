//! One block of the tree as a value, for everybody who reads a core from outside.
//!
//! Below [`view`](super::view), [`snapshot`](super::snapshot) and [`verify`](super::verify), which all answer with it; above
//! the `chainstate`, whose nodes it is made from.

use super::chainstate::{Chainstate, Node};
use super::store::Status;
use chain_spec::{BlockHash, Header, Work};

/// One block of the tree, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The double SHA-256 of the header.
    pub hash: BlockHash,
    /// The 80 bytes that were mined.
    pub header: Header,
    /// Blocks below it.
    pub height: u32,
    /// Work of the whole branch up to and including it (Core: `chainwork`).
    pub work: Work,
    /// Median of the times of this block and the ten before it, Unix seconds (BIP113).
    pub median_time_past_s: u32,
    /// Transactions, 0 while the body is not stored.
    pub transactions: u32,
    /// How far it has been judged.
    pub status: Status,
    /// In the active chain.
    pub active: bool,
    /// The next block of the active chain, if this one is active and not the tip.
    pub next: Option<BlockHash>,
}

/// A block of the tree, and its place in the active chain.
pub(super) fn summary(chain: &Chainstate, node: &Node) -> Summary {
    let active = chain.is_active(node);
    let next = chain.active_at(node.height.saturating_add(1)).filter(|_| active);
    Summary {
        hash: node.hash,
        header: node.header,
        height: node.height,
        work: node.work,
        median_time_past_s: node.median_time_past_s,
        transactions: node.transactions,
        status: node.status(),
        active,
        next: next.map(|next| next.hash),
    }
}
