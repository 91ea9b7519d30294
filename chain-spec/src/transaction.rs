//! Transactions: inputs that spend coins, outputs that make them.
use crate::{Amount, Decode, DecodeError, Encode, Script, Txid};

/// One output of one transaction: the name of a coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outpoint {
    /// The transaction.
    pub txid: Txid,
    /// Which of its outputs, from 0.
    pub index: u32,
}
impl Outpoint {
    /// What a coinbase's only input names.
    pub const NULL: Outpoint = Outpoint { txid: Txid::ZERO, index: u32::MAX };
    /// Whether this is [`Outpoint::NULL`].
    pub fn is_null(&self) -> bool {
        *self == Self::NULL
    }
}
/// `txid:index`.
impl std::fmt::Display for Outpoint {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
/// A transaction's input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TxIn {
    /// The coin it spends.
    pub outpoint: Outpoint,
    /// What unlocks it.
    pub script: Script,
    /// BIP68/BIP125 sequence number.
    pub sequence: u32,
}
/// A transaction's output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TxOut {
    /// How much.
    pub value: Amount,
    /// Who may spend it.
    pub script: Script,
}
/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// Format version.
    pub version: i32,
    /// Coins spent.
    pub inputs: Vec<TxIn>,
    /// Coins made.
    pub outputs: Vec<TxOut>,
    /// Earliest block height (< 500,000,000) or Unix time it may be mined in.
    pub lock_time: u32,
}
impl Transaction {
    /// The double SHA-256 of its bytes.
    pub fn txid(&self) -> Txid {
        todo!()
    }
    /// One input that spends the null outpoint.
    pub fn is_coinbase(&self) -> bool {
        todo!()
    }
}
impl Encode for Transaction {
    fn encode(&self, _out: &mut Vec<u8>) {
        todo!()
    }
    fn encoded_len(&self) -> usize {
        todo!()
    }
}
impl Decode for Transaction {
    fn decode(_input: &mut &[u8]) -> Result<Self, DecodeError> {
        todo!()
    }
}
impl Encode for TxOut {
    fn encode(&self, _out: &mut Vec<u8>) {
        todo!()
    }
    fn encoded_len(&self) -> usize {
        todo!()
    }
}
impl Decode for TxOut {
    fn decode(_input: &mut &[u8]) -> Result<Self, DecodeError> {
        todo!()
    }
}
impl Encode for Outpoint {
    fn encode(&self, _out: &mut Vec<u8>) {
        todo!()
    }
    fn encoded_len(&self) -> usize {
        36
    }
}
impl Decode for Outpoint {
    fn decode(_input: &mut &[u8]) -> Result<Self, DecodeError> {
        todo!()
    }
}
