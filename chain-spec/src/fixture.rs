//! What the tests and benches of every crate build keys, transactions and blocks with. Only in tests, and with the feature
//! `test-support`.
//!
//! It stands in this crate, and not in the test kit of `tests/`, for one reason: a crate's unit tests that used a kit which
//! depends on that crate would see two copies of its types. Here there is one copy for everybody. [`ChainBuilder`] makes whole
//! chains with proof of work; the functions below make single pieces.
mod chain;
#[cfg(test)]
mod coins;

use crate::amount::Amount;
use crate::block::{Block, Header};
use crate::hash::{BlockHash, Txid};
use crate::key::PrivateKey;
use crate::script::Script;
use crate::spec::ChainSpec;
use crate::target::CompactTarget;
use crate::transaction::{Outpoint, Transaction, TxIn, TxOut};
pub use chain::{ChainBuilder, PAYMENT_FEE};
#[cfg(test)]
pub(crate) use coins::{CoinMap, checked, context};

use crate::merkle::merkle_root;
use crate::signature_hash::{SIGHASH_ALL, signature_hash};

/// Median-time-past of every branch that [`block`] continues, Unix seconds.
pub const MEDIAN_TIME_S: u32 = 1_800_000_000;
/// The easiest compact target of Bitcoin's regression-test chain: every second hash meets it.
const EASIEST_TARGET: u32 = 0x207f_ffff;

/// The built-in chain `local`.
pub fn local() -> ChainSpec {
    ChainSpec::builtin("local").expect("a built-in chain")
}

/// Bitcoin's regression-test chain, on which a block takes two hashes.
pub fn regtest() -> ChainSpec {
    ChainSpec::builtin("bitcoin-regtest").expect("a built-in chain")
}

/// The key whose 32 bytes are all `number`, from 1 to 254.
pub fn key(number: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[number; 32], true).expect("such numbers from 1 to 254 are in 1..n")
}

/// The script that pays key `number`.
pub fn pay_to(number: u8) -> Script {
    pay_to_key(&key(number))
}

/// The script that pays a key.
pub fn pay_to_key(key: &PrivateKey) -> Script {
    Script::pay_to_public_key_hash(&key.public_key().hash())
}

/// An output of `units` base units to key 1.
pub fn output(units: u64) -> TxOut {
    TxOut { value: Amount::from_units(units), script: pay_to(1) }
}

/// An outpoint of a transaction that nobody has made.
pub fn outpoint(number: u8, index: u32) -> Outpoint {
    Outpoint { txid: Txid::from_bytes([number; 32]), index }
}

/// An input that is final and not signed.
pub fn input(outpoint: Outpoint) -> TxIn {
    TxIn { outpoint, script: Script::default(), sequence: u32::MAX }
}

/// An unsigned transaction of version 2 with outputs to key 1.
pub fn transaction(inputs: &[Outpoint], outputs: &[u64]) -> Transaction {
    unsigned(inputs, outputs.iter().map(|units| output(*units)).collect())
}

/// An unsigned transaction of version 2 with any outputs.
pub fn unsigned(inputs: &[Outpoint], outputs: Vec<TxOut>) -> Transaction {
    let inputs = inputs.iter().map(|outpoint| input(*outpoint)).collect();
    Transaction { version: 2, inputs, outputs, lock_time: 0 }
}

/// A coinbase for `height` that pays `units` base units to key 1.
pub fn coinbase(height: u32, units: u64) -> Transaction {
    coinbase_of(height, b"test", vec![output(units)])
}

/// A coinbase for `height`, with `extra` after the height in its script, by which rival blocks differ.
pub fn coinbase_of(height: u32, extra: &[u8], outputs: Vec<TxOut>) -> Transaction {
    let mut script = Script::height_prefix(height);
    script.extend_from_slice(extra);
    let mut transaction = unsigned(&[Outpoint::NULL], outputs);
    transaction.version = 1;
    transaction.inputs[0].script = Script::from_bytes(script);
    transaction
}

/// Signs input `index`, which spends a coin of key `number`.
pub fn sign(transaction: &mut Transaction, index: usize, number: u8, hash_type: u8) {
    sign_with(transaction, index, &key(number), hash_type);
}

/// Signs input `index`, which spends a coin of `key`.
pub fn sign_with(transaction: &mut Transaction, index: usize, key: &PrivateKey, hash_type: u8) {
    let digest = signature_hash(transaction, index, &pay_to_key(key), u32::from(hash_type));
    let mut signature = key.sign(&digest);
    signature.push(hash_type);
    transaction.inputs[index].script = Script::unlock_public_key_hash(&signature, key.public_key().as_bytes());
}

/// A signed transaction that spends coins of one key.
pub fn spend(coins: &[Outpoint], key: &PrivateKey, outputs: Vec<TxOut>) -> Transaction {
    let mut transaction = unsigned(coins, outputs);
    for index in 0..coins.len() {
        sign_with(&mut transaction, index, key, SIGHASH_ALL as u8);
    }
    transaction
}

/// A block without parent and without proof of work, whose Merkle root is right.
pub fn block(transactions: Vec<Transaction>) -> Block {
    let header = Header {
        version: 4,
        previous: BlockHash::ZERO,
        merkle_root: root_of(&transactions),
        time: MEDIAN_TIME_S + 10,
        bits: CompactTarget::from_bits(EASIEST_TARGET),
        nonce: 0,
    };
    Block { header, transactions }
}

/// The Merkle root of these transactions.
pub fn root_of(transactions: &[Transaction]) -> crate::hash::MerkleRoot {
    let txids: Vec<Txid> = transactions.iter().map(Transaction::txid).collect();
    merkle_root(&txids).0
}

/// Counts the nonce up until the hash meets the header's own target: quick at the targets that tests use.
pub fn solve(mut header: Header) -> Header {
    let target = header.bits.to_target().expect("a compact target that is one");
    while !target.is_met_by(&header.hash()) {
        header.nonce = header.nonce.wrapping_add(1);
    }
    header
}
