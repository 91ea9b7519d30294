//! Coins: outputs that nobody has spent yet, with what a rule needs to know of their making.
use crate::{Decode, DecodeError, Encode, TxOut};

/// An unspent output (Core: `Coin`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coin {
    /// Value and script.
    pub output: TxOut,
    /// Height of the block that made it.
    pub height: u32,
    /// Whether a coinbase made it.
    pub is_coinbase: bool,
}
impl Encode for Coin {
    fn encode(&self, _out: &mut Vec<u8>) {
        todo!()
    }
    fn encoded_len(&self) -> usize {
        todo!()
    }
}
impl Decode for Coin {
    fn decode(_input: &mut &[u8]) -> Result<Self, DecodeError> {
        todo!()
    }
}
/// The coins a block spent: for each transaction after the coinbase, one per input, in order. Undoing a block gives them back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockUndo {
    /// `spent[t][i]` is what input `i` of transaction `t + 1` spent.
    pub spent: Vec<Vec<Coin>>,
}
impl Encode for BlockUndo {
    fn encode(&self, _out: &mut Vec<u8>) {
        todo!()
    }
    fn encoded_len(&self) -> usize {
        todo!()
    }
}
impl Decode for BlockUndo {
    fn decode(_input: &mut &[u8]) -> Result<Self, DecodeError> {
        todo!()
    }
}
