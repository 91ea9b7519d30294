//! What the rules' tests build blocks from: small valid ones, to be broken in one place each.
use crate::merkle::merkle_root;
use crate::rules::block::check_block;
use crate::rules::spend::{BlockContext, Coins};
use crate::signature_hash::signature_hash;
use crate::{
    Amount, Block, BlockHash, ChainSpec, CheckedBlock, Coin, CompactTarget, Header, Outpoint, PrivateKey, Script,
    Transaction, TxIn, TxOut, Txid,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Median-time-past of every branch here.
pub(crate) const MEDIAN_TIME_S: u32 = 1_800_000_000;

pub(crate) fn local() -> ChainSpec {
    ChainSpec::builtin("local").unwrap()
}

pub(crate) fn key(number: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[number; 32], true).unwrap()
}

/// The script that pays key `number`.
pub(crate) fn pay_to(number: u8) -> Script {
    Script::pay_to_public_key_hash(&key(number).public_key().hash())
}

pub(crate) fn output(units: u64) -> TxOut {
    TxOut { value: Amount::from_units(units), script: pay_to(1) }
}

/// An outpoint that no transaction here has.
pub(crate) fn outpoint(number: u8, index: u32) -> Outpoint {
    Outpoint { txid: Txid::from_bytes([number; 32]), index }
}

pub(crate) fn input(outpoint: Outpoint) -> TxIn {
    TxIn { outpoint, script: Script::default(), sequence: u32::MAX }
}

pub(crate) fn transaction(inputs: &[Outpoint], outputs: &[u64]) -> Transaction {
    Transaction {
        version: 2,
        inputs: inputs.iter().map(|outpoint| input(*outpoint)).collect(),
        outputs: outputs.iter().map(|units| output(*units)).collect(),
        lock_time: 0,
    }
}

pub(crate) fn coinbase(height: u32, units: u64) -> Transaction {
    let mut transaction = transaction(&[Outpoint::NULL], &[units]);
    let mut script = Script::height_prefix(height);
    script.extend_from_slice(b"test");
    transaction.inputs[0].script = Script::from_bytes(script);
    transaction
}

/// Signs an input with key `number`, type `SIGHASH_ALL` unless said otherwise.
pub(crate) fn sign(transaction: &mut Transaction, index: usize, number: u8, hash_type: u8) {
    let digest = signature_hash(transaction, index, &pay_to(number), u32::from(hash_type));
    let mut signature = key(number).sign(&digest);
    signature.push(hash_type);
    let public_key = key(number).public_key();
    transaction.inputs[index].script = Script::unlock_public_key_hash(&signature, public_key.as_bytes());
}

/// A block of these transactions with the Merkle root they have.
pub(crate) fn block(transactions: Vec<Transaction>) -> Block {
    let txids: Vec<Txid> = transactions.iter().map(Transaction::txid).collect();
    let header = Header {
        version: 4,
        previous: BlockHash::ZERO,
        merkle_root: merkle_root(&txids).0,
        time: MEDIAN_TIME_S + 10,
        bits: CompactTarget::from_bits(0x207f_ffff),
        nonce: 0,
    };
    Block { header, transactions }
}

pub(crate) fn checked(transactions: Vec<Transaction>) -> CheckedBlock {
    check_block(Arc::new(block(transactions)), &local()).unwrap()
}

pub(crate) fn context(height: u32) -> BlockContext {
    BlockContext { height, median_time_past_s: MEDIAN_TIME_S, block_time_s: MEDIAN_TIME_S + 10 }
}

/// Coins by outpoint; the median-time-past before a height is an hour for each block below 1000.
#[derive(Default)]
pub(crate) struct CoinMap(pub(crate) HashMap<Outpoint, Coin>);
impl CoinMap {
    pub(crate) fn with(mut self, outpoint: Outpoint, units: u64, height: u32, is_coinbase: bool) -> CoinMap {
        self.0.insert(outpoint, Coin { output: output(units), height, is_coinbase });
        self
    }
}
impl Coins for CoinMap {
    fn coin(&self, outpoint: &Outpoint) -> Option<&Coin> {
        self.0.get(outpoint)
    }
    fn median_time_past_before(&self, height: u32) -> u32 {
        MEDIAN_TIME_S - 3600 * 1000_u32.saturating_sub(height)
    }
}
