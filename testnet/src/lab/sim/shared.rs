//! What the simulator keeps of all nodes together: which tip each has, and which messages each has seen.

use chain_spec::BlockHash;
use node::core::message::Gossip;
use rustc_hash::FxHashMap;

/// Which tip each node has, and how many nodes have it.
pub(super) struct Tips {
    of: Vec<BlockHash>,
    holders: FxHashMap<BlockHash, usize>,
}

impl Tips {
    /// All nodes have one tip.
    pub(super) fn new(nodes: usize, tip: BlockHash) -> Tips {
        Tips { of: vec![tip; nodes], holders: FxHashMap::from_iter([(tip, nodes)]) }
    }

    /// A node has another tip.
    pub(super) fn change(&mut self, node: usize, tip: BlockHash) {
        let left = std::mem::replace(&mut self.of[node], tip);
        *self.holders.entry(tip).or_default() += 1;
        if let Some(holders) = self.holders.get_mut(&left) {
            *holders -= 1;
            if *holders == 0 {
                self.holders.remove(&left);
            }
        }
    }
}

/// A gossiped message and which nodes have seen it: gossip drops what it has seen before a core hears of it.
pub(super) struct Message {
    pub(super) gossip: Gossip,
    pub(super) bytes: usize,
    pub(super) seen: Vec<u64>,
}

impl Tips {
    /// Whether all nodes have one tip.
    pub(super) fn agree(&self) -> bool {
        self.holders.len() == 1
    }
}

impl Message {
    /// Whether a node has seen it.
    pub(super) fn has_seen(&self, node: usize) -> bool {
        self.seen[node / 64] >> (node % 64) & 1 == 1
    }

    /// Marks it as seen; whether it was already.
    pub(super) fn see(&mut self, node: usize) -> bool {
        let had = self.has_seen(node);
        self.seen[node / 64] |= 1 << (node % 64);
        had
    }
}
