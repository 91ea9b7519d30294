//! Transactions: inputs that spend coins, outputs that make them.
use crate::amount::Amount;
use crate::encode::{
    Decode, DecodeError, Encode, compact_size_len, decode_list, encode_length_prefixed, encode_list, list_len,
    take_array, take_length_prefixed,
};
use crate::hash::{Txid, sha256d};
use crate::script::Script;
use std::fmt;

/// Bytes of the smallest input: an outpoint, an empty script, a sequence number.
const TXIN_LEN_MIN: usize = 36 + 1 + 4;
/// Bytes of the smallest output: a value, an empty script.
const TXOUT_LEN_MIN: usize = 8 + 1;
/// Bytes of the smallest transaction that decodes: no inputs, no outputs.
pub(crate) const TRANSACTION_LEN_MIN: usize = 4 + 1 + 1 + 4;

/// One output of one transaction: the name of a coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outpoint {
    /// The transaction that made the output.
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
impl fmt::Display for Outpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.txid, self.index)
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

/// Moves coins: spends the outputs that its inputs name and makes new ones. What the inputs are worth beyond the
/// outputs is the fee.
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
        self.txid_with(&mut Vec::with_capacity(self.encoded_len()))
    }
    /// [`Transaction::txid`] with a buffer to reuse from one transaction to the next; leaves the bytes in it.
    pub fn txid_with(&self, scratch: &mut Vec<u8>) -> Txid {
        scratch.clear();
        self.encode(scratch);
        Txid::from_bytes(sha256d(scratch))
    }
    /// One input that spends the null outpoint.
    pub fn is_coinbase(&self) -> bool {
        matches!(self.inputs.as_slice(), [input] if input.outpoint.is_null())
    }
    /// Signature operations of all its scripts by Bitcoin's legacy count (Core: `GetLegacySigOpCount`).
    pub fn signature_operations(&self) -> u32 {
        let inputs = self.inputs.iter().map(|input| &input.script);
        let outputs = self.outputs.iter().map(|output| &output.script);
        inputs.chain(outputs).map(Script::signature_operations).sum()
    }
}

impl Encode for Transaction {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_le_bytes());
        encode_list(&self.inputs, out);
        encode_list(&self.outputs, out);
        out.extend_from_slice(&self.lock_time.to_le_bytes());
    }
    fn encoded_len(&self) -> usize {
        4 + list_len(&self.inputs) + list_len(&self.outputs) + 4
    }
}
impl Decode for Transaction {
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let version = i32::from_le_bytes(take_array(input)?);
        let inputs: Vec<TxIn> = decode_list(input, TXIN_LEN_MIN)?;
        if inputs.is_empty() && input.first() == Some(&1) {
            return Err(DecodeError::SegWit);
        }
        let outputs = decode_list(input, TXOUT_LEN_MIN)?;
        let lock_time = u32::from_le_bytes(take_array(input)?);
        Ok(Transaction { version, inputs, outputs, lock_time })
    }
}

impl Encode for TxIn {
    fn encode(&self, out: &mut Vec<u8>) {
        self.outpoint.encode(out);
        encode_length_prefixed(self.script.as_bytes(), out);
        out.extend_from_slice(&self.sequence.to_le_bytes());
    }
    fn encoded_len(&self) -> usize {
        let script = self.script.as_bytes().len();
        36 + compact_size_len(script as u64) + script + 4
    }
}
impl Decode for TxIn {
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let outpoint = Outpoint::decode(input)?;
        let script = Script::from_bytes(take_length_prefixed(input)?);
        let sequence = u32::from_le_bytes(take_array(input)?);
        Ok(TxIn { outpoint, script, sequence })
    }
}

impl Encode for TxOut {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.value.units().to_le_bytes());
        encode_length_prefixed(self.script.as_bytes(), out);
    }
    fn encoded_len(&self) -> usize {
        let script = self.script.as_bytes().len();
        8 + compact_size_len(script as u64) + script
    }
}
impl Decode for TxOut {
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let value = Amount::from_units(u64::from_le_bytes(take_array(input)?));
        let script = Script::from_bytes(take_length_prefixed(input)?);
        Ok(TxOut { value, script })
    }
}

impl Encode for Outpoint {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.txid.as_bytes());
        out.extend_from_slice(&self.index.to_le_bytes());
    }
    fn encoded_len(&self) -> usize {
        36
    }
}
impl Decode for Outpoint {
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let txid = Txid::from_bytes(take_array(input)?);
        let index = u32::from_le_bytes(take_array(input)?);
        Ok(Outpoint { txid, index })
    }
}
