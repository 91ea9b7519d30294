//! Hash maps keyed by hashes. The ids are already uniform, so hashing them means mixing eight of their bytes with a secret:
//! fast, and an id ground to collide under one node's secret does not collide under another's.
//!
//! Nothing here is ordered: what leaves the core is sorted or comes from an ordered collection.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};

/// A map keyed by ids.
pub(crate) type IdMap<K, V> = HashMap<K, V, IdState>;
/// A set of ids.
pub(crate) type IdSet<K> = HashSet<K, IdState>;

/// The secret of one core's maps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdState {
    secret: u64,
}

impl IdState {
    /// From the core's seed.
    pub(crate) fn new(seed: u64) -> IdState {
        IdState { secret: seed ^ 0x9e37_79b9_7f4a_7c15 }
    }
}

impl BuildHasher for IdState {
    type Hasher = IdHasher;
    fn build_hasher(&self) -> IdHasher {
        IdHasher { state: self.secret }
    }
}

/// Mixes by a folded 64 × 64 → 128 bit product.
pub(crate) struct IdHasher {
    state: u64,
}

impl IdHasher {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.state ^ word).wrapping_mul(0xa076_1d64_78bd_642f_e703_7ed1_a0b4_28db);
        self.state = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.state
    }
    /// Ids are hashes: their first eight bytes say as much as all of them.
    fn write(&mut self, bytes: &[u8]) {
        let mut word = [0; 8];
        let length = bytes.len().min(8);
        word[..length].copy_from_slice(&bytes[..length]);
        self.mix(u64::from_le_bytes(word));
    }
    fn write_u32(&mut self, word: u32) {
        self.mix(u64::from(word));
    }
    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }
    /// The length prefix of a fixed-size id says nothing.
    fn write_usize(&mut self, _length: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain_spec::{Outpoint, Txid};

    #[test]
    fn outpoints_of_one_transaction_spread_and_secrets_differ() {
        let outpoint = |index| Outpoint { txid: Txid::from_bytes([7; 32]), index };
        let hashes: HashSet<u64> = (0..1_000).map(|index| IdState::new(1).hash_one(outpoint(index)) >> 44).collect();
        assert!(hashes.len() > 990, "{} of 1,000 high halves differ", hashes.len());
        assert_ne!(IdState::new(1).hash_one(outpoint(0)), IdState::new(2).hash_one(outpoint(0)));
    }
}
