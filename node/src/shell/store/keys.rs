//! Keys and values of the coin database. One tree holds everything; a key's first byte says what it is.

use super::files::{End, Position};
use crate::core::store::{IndexEntry, Status, StoreError};
use chain_spec::{BlockHash, Header, Outpoint, Txid};
use std::hash::Hasher;

/// The one [`Meta`].
pub(super) const META: [u8; 1] = *b"M";
/// Coins, by [`coin_key`]; the value is the coin's canonical bytes.
pub(super) const COIN: u8 = b'C';
/// [`IndexValue`] by block hash.
pub(super) const INDEX: u8 = b'H';
/// [`BlockPosition`] by block hash.
pub(super) const BLOCK: u8 = b'B';
/// [`Position`] by block hash.
pub(super) const UNDO: u8 = b'U';
/// Block hash by txid (`--txindex`).
pub(super) const TRANSACTION: u8 = b'T';
/// Filter header and filter by block hash (`--blockfilterindex`).
pub(super) const FILTER: u8 = b'F';
/// Spending txid and its block's hash by [`spender_key`] (`--txospenderindex`).
pub(super) const SPENDER: u8 = b'S';
/// Which of the last two are kept.
pub(super) const INDEXES: [u8; 1] = *b"I";

/// Format of the database; another one is rebuilt from the blocks.
pub(super) const FORMAT: u32 = 2;
/// Most bytes a value other than a coin takes.
const VALUE_BYTES_MAX: usize = 1024;

/// The state that every commit replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) struct Meta {
    pub(super) format: u32,
    pub(super) coins_tip: Option<[u8; 32]>,
    /// Up to where the block files are indexed here.
    pub(super) blocks: End,
    /// Up to where the undo files are indexed here.
    pub(super) undos: End,
    /// Whether every connected block's transactions are in the index.
    pub(super) txindex: bool,
    /// The number of the last commit; the first is 1.
    pub(super) sequence: u64,
    /// The next commit has been begun, so the redo log must have it.
    pub(super) applying: bool,
    pub(super) coins: CoinSum,
}

/// How many coins there are and what they sum to, kept with every commit. sled's own checksums do not notice everything:
/// after one flipped byte in its log it may give back an old value. A sum over all coins notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) struct CoinSum {
    pub(super) count: u64,
    sum: u64,
}

impl CoinSum {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(coin_hash(key, value));
    }
    pub(super) fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(coin_hash(key, value));
    }
}

fn coin_hash(key: &[u8], value: &[u8]) -> u64 {
    // Guards against damage, not against an adversary: a fixed key will do.
    let mut hasher = siphasher::sip::SipHasher13::new();
    hasher.write(key);
    hasher.write(value);
    hasher.finish()
}

/// Where a block is and what a scan had to read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) struct BlockPosition {
    pub(super) position: Position,
    pub(super) transactions: u32,
}

/// In a status: the block's undo data was deleted, and its body too unless that came again.
const PRUNED: u8 = 0x80;

/// An [`IndexEntry`] without its key.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) struct IndexValue {
    header: [u8; 80],
    height: u32,
    transactions: u32,
    status: u8,
}

impl From<&IndexEntry> for IndexValue {
    fn from(entry: &IndexEntry) -> IndexValue {
        let pruned = if entry.is_pruned { PRUNED } else { 0 };
        let status = match entry.status {
            Status::Header => 0,
            Status::Stored => 1,
            Status::Valid => 2,
            Status::Invalid => 3,
            Status::InvalidAncestor => 4,
        };
        IndexValue {
            header: entry.header.to_array(),
            height: entry.height,
            transactions: entry.transactions,
            status: status | pruned,
        }
    }
}

impl IndexValue {
    /// `None` for a status this version does not know.
    pub(super) fn entry(&self) -> Option<IndexEntry> {
        let status = match self.status & !PRUNED {
            0 => Status::Header,
            1 => Status::Stored,
            2 => Status::Valid,
            3 => Status::Invalid,
            4 => Status::InvalidAncestor,
            _ => return None,
        };
        let header = Header::from_array(&self.header);
        let is_pruned = self.status & PRUNED != 0;
        Some(IndexEntry { header, height: self.height, transactions: self.transactions, status, is_pruned })
    }
}

/// Fixed-width integers: the variable ones of bincode have several encodings of one value.
fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<VALUE_BYTES_MAX>()
}
pub(super) fn encode(value: &impl bincode::Encode) -> Result<Vec<u8>, StoreError> {
    bincode::encode_to_vec(value, config())
        .map_err(|error| StoreError(format!("cannot encode a database value: {error}")))
}
/// `None` if the bytes are not exactly one value.
pub(super) fn decode<T: bincode::Decode<()>>(bytes: &[u8]) -> Option<T> {
    let (value, used) = bincode::decode_from_slice(bytes, config()).ok()?;
    (used == bytes.len()).then_some(value)
}

/// A prefix and a hash.
pub(super) fn hash_key(prefix: u8, hash: &[u8; 32]) -> [u8; 33] {
    let mut key = [prefix; 33];
    key[1..].copy_from_slice(hash);
    key
}
/// The key whose order is Core's order of coins: txid bytes, then output index ascending. An index below 251 takes one byte;
/// a longer one is big-endian after a byte that says how long it is.
pub(super) fn coin_key(outpoint: &Outpoint) -> Vec<u8> {
    let mut key = Vec::with_capacity(38);
    key.push(COIN);
    key.extend_from_slice(outpoint.txid.as_bytes());
    match outpoint.index {
        index @ 0..=250 => key.push(index as u8),
        index @ 251..=0xffff => {
            key.push(251);
            key.extend_from_slice(&(index as u16).to_be_bytes());
        }
        index => {
            key.push(252);
            key.extend_from_slice(&index.to_be_bytes());
        }
    }
    key
}
/// Reads a [`coin_key`] back.
pub(super) fn outpoint_of(key: &[u8]) -> Option<Outpoint> {
    let (txid, index) = key.strip_prefix(&[COIN])?.split_first_chunk::<32>()?;
    let index = match index {
        [byte @ 0..=250] => u32::from(*byte),
        [251, high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [252, a, b, c, d] => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => return None,
    };
    Some(Outpoint { txid: Txid::from_bytes(*txid), index })
}
/// The key of what spends a coin.
pub(super) fn spender_key(outpoint: &Outpoint) -> Vec<u8> {
    let mut key = coin_key(outpoint);
    key[0] = SPENDER;
    key
}
/// The hash of a [`hash_key`].
pub(super) fn hash_of(key: &[u8]) -> Option<BlockHash> {
    key.get(1..)?.try_into().ok().map(BlockHash::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coin_keys_sort_by_txid_bytes_and_then_by_index() {
        let indexes = [0, 1, 249, 250, 251, 252, 255, 256, 65_535, 65_536, 16_777_216, u32::MAX];
        let mut outpoints = Vec::new();
        for txid in [[0; 32], [1; 32], [255; 32]] {
            outpoints.extend(indexes.map(|index| Outpoint { txid: Txid::from_bytes(txid), index }));
        }
        let keys: Vec<_> = outpoints.iter().map(coin_key).collect();
        assert!(keys.is_sorted_by(|a, b| a < b));
        assert_eq!(keys.iter().filter_map(|key| outpoint_of(key)).collect::<Vec<_>>(), outpoints);
    }

    #[test]
    fn values_with_bytes_too_many_or_too_few_are_refused() {
        let meta = Meta { coins_tip: Some([9; 32]), txindex: true, ..Meta::default() };
        let mut bytes = encode(&meta).unwrap();
        assert_eq!(decode::<Meta>(&bytes), Some(meta));
        assert_eq!(decode::<Meta>(&bytes[1..]), None);
        bytes.push(0);
        assert_eq!(decode::<Meta>(&bytes), None);
    }
}
