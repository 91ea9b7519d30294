//! `gettxoutproof` and `verifytxoutproof`: proofs that transactions are in a block, as BIP37's `merkleblock` (Core:
//! `CMerkleBlock`, `CPartialMerkleTree`).

use crate::core::Core;
use crate::core::summary::Summary;
use crate::shell::rpc::error::{DESERIALIZATION_ERROR, RpcError, TYPE_ERROR};
use crate::shell::rpc::lookup::{known_block, stored_block};
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::{Arguments, parse_hash};
use crate::shell::rpc::method::context::Context;
use chain_spec::encode::{decode_compact_size, decode_length, encode_compact_size, take_array};
use chain_spec::hash::sha256d;
use chain_spec::{BlockHash, ChainSpec, Decode, Encode, Header, Outpoint, Txid};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;

/// Smallest transaction there can be, bytes: what bounds a block's count of them (Core: `MIN_TRANSACTION_WEIGHT` / 4).
const TRANSACTION_BYTES_MIN: usize = 60;

/// A block's header and as much of its Merkle tree as shows that some transactions are in it.
struct Proof {
    header: Header,
    transactions: u32,
    /// In depth-first order: the hash of each part that holds none of the transactions, and each transaction.
    hashes: Vec<[u8; 32]>,
    /// In the same order: whether a part holds one of the transactions.
    flags: Vec<bool>,
}

/// What reading a proof finds: its hashes and flags used up to here, and the transactions it is about.
struct Walk<'a> {
    proof: &'a Proof,
    hashes: usize,
    flags: usize,
    found: Vec<Txid>,
}

/// Parts of a tree at a height above its leaves.
fn width(transactions: u32, height: u32) -> u64 {
    u64::from(transactions).div_ceil(1 << height)
}

/// The height of the root.
fn root_height(transactions: u32) -> u32 {
    (0..32).find(|height| width(transactions, *height) <= 1).unwrap_or(32)
}

fn parent(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    sha256d(&[left.as_slice(), right.as_slice()].concat())
}

impl Proof {
    fn new(header: Header, txids: &[Txid], wanted: &HashSet<Txid>) -> Proof {
        let mut levels: Vec<Vec<([u8; 32], bool)>> =
            vec![txids.iter().map(|txid| (*txid.as_bytes(), wanted.contains(txid))).collect()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let pairs = below.chunks(2).map(|pair| {
                let right = pair.last().unwrap_or(&pair[0]);
                (parent(&pair[0].0, &right.0), pair[0].1 || right.1)
            });
            let level = pairs.collect();
            levels.push(level);
        }
        let mut proof = Proof { header, transactions: txids.len() as u32, hashes: Vec::new(), flags: Vec::new() };
        proof.add(&levels, levels.len() - 1, 0);
        proof
    }

    fn add(&mut self, levels: &[Vec<([u8; 32], bool)>], height: usize, position: usize) {
        let (hash, is_wanted) = levels[height][position];
        self.flags.push(is_wanted);
        if height == 0 || !is_wanted {
            self.hashes.push(hash);
            return;
        }
        self.add(levels, height - 1, position * 2);
        if position * 2 + 1 < levels[height - 1].len() {
            self.add(levels, height - 1, position * 2 + 1);
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.header.to_bytes();
        bytes.extend(self.transactions.to_le_bytes());
        encode_compact_size(self.hashes.len() as u64, &mut bytes);
        bytes.extend(self.hashes.iter().flatten());
        let packed = self
            .flags
            .chunks(8)
            .map(|eight| eight.iter().enumerate().fold(0, |byte, (bit, flag)| byte | u8::from(*flag) << bit));
        encode_compact_size(self.flags.len().div_ceil(8) as u64, &mut bytes);
        bytes.extend(packed);
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Option<Proof> {
        let header = Header::decode(&mut bytes).ok()?;
        let transactions = u32::from_le_bytes(take_array(&mut bytes).ok()?);
        let count = usize::try_from(decode_compact_size(&mut bytes).ok()?).ok()?;
        let mut hashes = Vec::new();
        for _ in 0..count {
            hashes.push(take_array(&mut bytes).ok()?);
        }
        let length = decode_length(&mut bytes).ok()?;
        let packed = bytes.get(..length)?;
        let flags = packed.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect();
        Some(Proof { header, transactions, hashes, flags })
    }

    /// The transactions that the proof is about; `None` unless it leads to its header's Merkle root (Core:
    /// `ExtractMatches`).
    fn transactions(&self, spec: &ChainSpec) -> Option<Vec<Txid>> {
        let transactions_max = spec.block_size_max / TRANSACTION_BYTES_MIN;
        let (count, hashes) = (self.transactions as usize, self.hashes.len());
        if count == 0 || count > transactions_max || hashes > count || self.flags.len() < hashes {
            return None;
        }
        let mut walk = Walk { proof: self, hashes: 0, flags: 0, found: Vec::new() };
        let root = walk.descend(root_height(self.transactions), 0)?;
        let uses_all = walk.hashes == hashes && walk.flags.div_ceil(8) == self.flags.len() / 8;
        (uses_all && root == *self.header.merkle_root.as_bytes()).then_some(walk.found)
    }
}

impl Walk<'_> {
    /// The hash of a part of the tree.
    fn descend(&mut self, height: u32, position: u64) -> Option<[u8; 32]> {
        let is_wanted = *self.proof.flags.get(self.flags)?;
        self.flags += 1;
        if height == 0 || !is_wanted {
            let hash = *self.proof.hashes.get(self.hashes)?;
            self.hashes += 1;
            if height == 0 && is_wanted {
                self.found.push(Txid::from_bytes(hash));
            }
            return Some(hash);
        }
        let left = self.descend(height - 1, position * 2)?;
        let has_right = position * 2 + 1 < width(self.proof.transactions, height - 1);
        let right = if has_right { self.descend(height - 1, position * 2 + 1)? } else { left };
        // Equal halves would let one transaction count twice (CVE-2012-2459).
        (!has_right || left != right).then(|| parent(&left, &right))
    }
}

/// `gettxoutproof txids ( blockhash )`.
pub async fn gettxoutproof(context: Arc<Context>, arguments: Arguments) -> Reply {
    let mut wanted = HashSet::new();
    for value in arguments.list(0)? {
        let text = value.as_str().ok_or_else(|| RpcError::new(TYPE_ERROR, "txids: every element must be a string"))?;
        let txid: Txid = parse_hash(text, "txid")?;
        if !wanted.insert(txid) {
            return Err(RpcError::parameter(format!("Invalid parameter, duplicated txid: {text}")));
        }
    }
    if wanted.is_empty() {
        return Err(RpcError::parameter("Parameter 'txids' cannot be empty"));
    }
    let named: Option<BlockHash> = arguments.get(1).map(|_| arguments.hash(1)).transpose()?;
    let prove = move |core: &Core| -> Reply {
        let summary = match named {
            Some(hash) => known_block(core, &hash)?,
            None => block_of(core, &wanted)?.ok_or_else(|| RpcError::not_found("Transaction not yet in block"))?,
        };
        let block = stored_block(core, &summary.hash)?;
        let txids: Vec<Txid> = block.transactions.iter().map(|transaction| transaction.txid()).collect();
        if txids.iter().filter(|txid| wanted.contains(txid)).count() < wanted.len() {
            return Err(RpcError::not_found("Not all transactions found in specified or retrieved block"));
        }
        Ok(json!(hex::encode(Proof::new(block.header, &txids, &wanted).encode())))
    };
    context.core.read(prove).await?
}

/// The block of the active chain that holds one of some transactions: found by a coin of theirs, or by the index.
fn block_of(core: &Core, wanted: &HashSet<Txid>) -> Result<Option<Summary>, RpcError> {
    /// Outputs of a transaction that are looked for.
    const OUTPUTS_MAX: u32 = 1_000;
    for txid in wanted {
        if let Some(hash) = core.transaction_block(txid)? {
            return Ok(core.summary(&hash));
        }
        for index in 0..OUTPUTS_MAX {
            if let Some(coin) = core.coin(&Outpoint { txid: *txid, index }, false)? {
                return Ok(core.active_hash(coin.height).and_then(|hash| core.summary(&hash)));
            }
        }
    }
    Ok(None)
}

/// `verifytxoutproof proof`: the transactions it is about, or none if it does not hold.
pub async fn verifytxoutproof(context: Arc<Context>, arguments: Arguments) -> Reply {
    let text = arguments.text(0)?;
    let bytes = hex::decode(text)
        .map_err(|_| RpcError::parameter(format!("proof must be hexadecimal string (not '{text}')")))?;
    let proof =
        Proof::decode(&bytes).ok_or_else(|| RpcError::new(DESERIALIZATION_ERROR, "the proof cannot be decoded"))?;
    let Some(found) = proof.transactions(&context.spec) else { return Ok(Value::Array(Vec::new())) };
    let hash = proof.header.hash();
    let block = context.core.read(move |core| core.summary(&hash)).await?;
    let block = block.filter(|block| block.active && block.transactions > 0);
    let block = block.ok_or_else(|| RpcError::not_found("Block not found in chain"))?;
    // A proof for another number of transactions could pass off a part of the tree as a transaction (CVE-2017-12842).
    if block.transactions != proof.transactions {
        return Ok(Value::Array(Vec::new()));
    }
    Ok(found.iter().map(|txid| json!(txid.to_string())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain_spec::merkle::merkle_root;

    fn header(txids: &[Txid]) -> Header {
        let spec = ChainSpec::builtin("bitcoin-main").unwrap();
        Header { merkle_root: merkle_root(txids).0, ..spec.genesis.header }
    }

    #[test]
    fn every_choice_from_blocks_of_every_small_size_is_proved_and_read_back() {
        let spec = ChainSpec::builtin("bitcoin-main").unwrap();
        for count in 1..=9u8 {
            let txids: Vec<Txid> = (0..count).map(|number| Txid::from_bytes(sha256d(&[number]))).collect();
            for choice in 1..1u32 << count {
                let chosen: Vec<Txid> =
                    (0..count).filter(|place| choice >> place & 1 == 1).map(|place| txids[place as usize]).collect();
                let proof = Proof::new(header(&txids), &txids, &chosen.iter().copied().collect());
                let read = Proof::decode(&proof.encode()).unwrap();
                assert_eq!(read.transactions(&spec), Some(chosen), "{choice:b} of {count}");
            }
        }
    }

    /// A flag that is flipped at a leaf names another transaction of the tree, or one fewer; both are true.
    #[test]
    fn a_proof_that_is_changed_anywhere_never_names_a_transaction_that_is_not_in_the_tree() {
        let spec = ChainSpec::builtin("bitcoin-main").unwrap();
        let txids: Vec<Txid> = (0..7u8).map(|number| Txid::from_bytes(sha256d(&[number]))).collect();
        let chosen = HashSet::from([txids[2], txids[6]]);
        let bytes = Proof::new(header(&txids), &txids, &chosen).encode();
        let mut refused = 0;
        for place in Header::LEN..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[place] ^= 1 << bit;
                match Proof::decode(&changed).and_then(|proof| proof.transactions(&spec)) {
                    None => refused += 1,
                    Some(found) => assert!(found.iter().all(|txid| txids.contains(txid)), "byte {place}, bit {bit}"),
                }
            }
        }
        // The count of transactions, the counts of hashes and flags, and every hash.
        assert!(refused >= 8 * (bytes.len() - Header::LEN - 2), "{refused}");
        for length in 0..bytes.len() {
            assert!(Proof::decode(&bytes[..length]).and_then(|proof| proof.transactions(&spec)).is_none());
        }
    }
}
