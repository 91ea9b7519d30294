//! Coins: outputs that nobody has spent yet, with what a rule needs to know of their making.
//!
//! Bitcoin gives coins no bytes of their own; the ones here are ours, for a store's coins and undo records.
use crate::encode::{
    Decode, DecodeError, Encode, compact_size_len, decode_compact_size, decode_list, encode_compact_size, encode_list,
    list_len,
};
use crate::transaction::TxOut;

/// Bytes of the smallest coin: height and flag, a value, an empty script.
const COIN_LEN_MIN: usize = 1 + 8 + 1;
/// The largest height with its flag: what a reader accepts.
const CODE_MAX: u64 = (u32::MAX as u64) << 1 | 1;

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
impl Coin {
    /// Height and flag in one number: twice the height, plus one for a coinbase's (Core: `Coin::Serialize`).
    pub fn code(&self) -> u64 {
        u64::from(self.height) << 1 | u64::from(self.is_coinbase)
    }
}
impl Encode for Coin {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_compact_size(self.code(), out);
        self.output.encode(out);
    }
    fn encoded_len(&self) -> usize {
        compact_size_len(self.code()) + self.output.encoded_len()
    }
}
impl Decode for Coin {
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let code = decode_compact_size(input)?;
        if code > CODE_MAX {
            return Err(DecodeError::TooLong(code));
        }
        let output = TxOut::decode(input)?;
        Ok(Coin { output, height: (code >> 1) as u32, is_coinbase: code & 1 == 1 })
    }
}

/// The coins a block spent: for each transaction after the coinbase, one per input, in order. Undoing a block gives them back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockUndo {
    /// `spent[t][i]` is what input `i` of transaction `t + 1` spent.
    pub spent: Vec<Vec<Coin>>,
}
impl Encode for BlockUndo {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_list(&self.spent, out);
    }
    fn encoded_len(&self) -> usize {
        list_len(&self.spent)
    }
}
impl Decode for BlockUndo {
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        Ok(BlockUndo { spent: decode_list(input, 1)? })
    }
}
impl Encode for Vec<Coin> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_list(self, out);
    }
    fn encoded_len(&self) -> usize {
        list_len(self)
    }
}
impl Decode for Vec<Coin> {
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        decode_list(input, COIN_LEN_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Amount, Script};
    use proptest::prelude::*;

    fn coin() -> impl Strategy<Value = Coin> {
        (any::<u64>(), proptest::collection::vec(any::<u8>(), 0..40), any::<u32>(), any::<bool>()).prop_map(
            |(units, script, height, is_coinbase)| Coin {
                output: TxOut { value: Amount::from_units(units), script: Script::from_bytes(script) },
                height,
                is_coinbase,
            },
        )
    }

    proptest! {
        #[test]
        fn undo_round_trips(spent in proptest::collection::vec(proptest::collection::vec(coin(), 0..4), 0..4)) {
            let undo = BlockUndo { spent };
            let bytes = undo.to_bytes();
            prop_assert_eq!(bytes.len(), undo.encoded_len());
            prop_assert_eq!(BlockUndo::from_bytes(&bytes), Ok(undo));
        }
        #[test]
        fn damaged_undo_is_an_error_not_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(undo) = BlockUndo::from_bytes(&bytes) {
                prop_assert_eq!(undo.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn a_height_over_32_bits_is_refused() {
        let mut bytes = Vec::new();
        encode_compact_size(CODE_MAX + 1, &mut bytes);
        bytes.extend([0; 9]);
        assert_eq!(Coin::from_bytes(&bytes), Err(DecodeError::TooLong(CODE_MAX + 1)));
    }
}
