//! Genesis in a spec file: the whole block in hexadecimal digits, or what it is made of.
use super::{read_amount, read_compact, wrong};
use crate::address::Address;
use crate::amount::Amount;
use crate::block::{Block, Header};
use crate::encode::{Decode, Encode};
use crate::hash::{BlockHash, hash160};
use crate::merkle::merkle_root;
use crate::script::Script;
use crate::spec::SpecError;
use crate::target::CompactTarget;
use crate::transaction::{Outpoint, Transaction, TxIn, TxOut};
use serde::{Deserialize, Serialize};

/// Longest message, so that the coinbase's script stays within 100 bytes.
const MESSAGE_LEN_MAX: usize = 75;
/// Header version of a genesis block that names none.
const DEFAULT_VERSION: i32 = 4;

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct GenesisFile {
    /// The whole block; nothing else then.
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<String>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<u32>,
    /// Text in the coinbase's script.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<u32>,
    /// What the coinbase pays; without any, one unspendable output of nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<OutputFile>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutputFile {
    address: String,
    value: String,
}

impl GenesisFile {
    /// In the form that can hold any genesis.
    pub(super) fn whole(block: &Block) -> GenesisFile {
        GenesisFile { block: Some(hex::encode(block.to_bytes())), ..GenesisFile::default() }
    }

    pub(super) fn read(&self, address_version: u8, initial_target: CompactTarget) -> Result<Block, SpecError> {
        if let Some(text) = &self.block {
            let alone = self.time.is_none() && self.message.is_none() && self.version.is_none();
            if !alone || self.bits.is_some() || self.nonce.is_some() || !self.outputs.is_empty() {
                return Err(wrong("genesis.block", "is the whole block: no other field may stand beside it"));
            }
            return read_block(text);
        }
        let coinbase = self.coinbase(address_version)?;
        let bits = match &self.bits {
            Some(text) => read_compact("genesis.bits", text)?,
            None => initial_target,
        };
        let header = Header {
            version: self.version.unwrap_or(DEFAULT_VERSION),
            previous: BlockHash::ZERO,
            merkle_root: merkle_root(&[coinbase.txid()]).0,
            time: self
                .time
                .ok_or_else(|| wrong("genesis.time", "is missing (Unix seconds), and so is `genesis.block`"))?,
            bits,
            nonce: self.nonce.unwrap_or(0),
        };
        Ok(Block { header, transactions: vec![coinbase] })
    }

    fn coinbase(&self, address_version: u8) -> Result<Transaction, SpecError> {
        let message = self.message.as_deref().unwrap_or("").as_bytes();
        if message.is_empty() || message.len() > MESSAGE_LEN_MAX {
            let what = format_args!("has {} bytes; it must have 1 to {MESSAGE_LEN_MAX}", message.len()).to_string();
            return Err(wrong("genesis.message", what));
        }
        // Height 0, then the message, both as BIP34 would have them.
        let mut script = Script::height_prefix(0);
        script.push(message.len() as u8);
        script.extend_from_slice(message);
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for output in &self.outputs {
            let public_key_hash = read_address("genesis.outputs.address", &output.address, address_version)?;
            let value = read_amount("genesis.outputs.value", &output.value)?;
            outputs.push(TxOut { value, script: Script::pay_to_public_key_hash(&public_key_hash) });
        }
        if outputs.is_empty() {
            outputs.push(TxOut { value: Amount::ZERO, script: Script::pay_to_public_key_hash(&hash160(message)) });
        }
        let input = TxIn { outpoint: Outpoint::NULL, script: Script::from_bytes(script), sequence: u32::MAX };
        Ok(Transaction { version: 1, inputs: vec![input], outputs, lock_time: 0 })
    }
}

fn read_block(text: &str) -> Result<Block, SpecError> {
    let bytes =
        hex::decode(text).map_err(|error| wrong("genesis.block", format_args!("is not hexadecimal: {error}")))?;
    let block =
        Block::from_bytes(&bytes).map_err(|error| wrong("genesis.block", format_args!("is no block: {error}")))?;
    let txids: Vec<_> = block.transactions.iter().map(Transaction::txid).collect();
    if block.header.merkle_root != merkle_root(&txids).0 || block.header.previous != BlockHash::ZERO {
        return Err(wrong("genesis.block", "has another Merkle root than its transactions, or a parent"));
    }
    if !matches!(block.transactions.as_slice(), [coinbase] if coinbase.is_coinbase()) {
        return Err(wrong("genesis.block", "must hold one transaction, a coinbase"));
    }
    Ok(block)
}

/// The hash an address pays to.
pub(super) fn read_address(field: &str, text: &str, address_version: u8) -> Result<[u8; 20], SpecError> {
    match Address::decode(text) {
        Ok(address) if address.version == address_version => Ok(address.public_key_hash),
        Ok(address) => Err(wrong(
            field,
            format_args!("{text:?} has version {}, but `address_version` is {address_version}", address.version),
        )),
        Err(error) => Err(wrong(field, format_args!("{text:?}: {error}"))),
    }
}
