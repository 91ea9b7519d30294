//! Bitcoin's byte format: little-endian integers, CompactSize, length-prefixed lists.

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ended early.
    #[error("input ended early")]
    UnexpectedEnd,
    /// A length that a shorter encoding exists for (Core: "non-canonical ReadCompactSize()").
    #[error("non-canonical CompactSize")]
    NonCanonicalCompactSize,
    /// A length above Core's `MAX_SIZE` (32 MiB).
    #[error("length {0} is over the limit")]
    TooLong(u64),
    /// Bytes remained after the value.
    #[error("{0} bytes after the value")]
    TrailingBytes(usize),
    /// A SegWit transaction, which this chain does not have.
    #[error("SegWit serialisation is not part of this chain")]
    SegWit,
}
/// A value with canonical bytes.
pub trait Encode {
    /// Appends the bytes.
    fn encode(&self, out: &mut Vec<u8>);
    /// How many bytes [`Encode::encode`] appends.
    fn encoded_len(&self) -> usize;
    /// The bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode(&mut out);
        out
    }
}
/// A value that can be read from its canonical bytes.
pub trait Decode: Sized {
    /// Reads one value from the front of `input` and moves it on.
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError>;
    /// Reads a value that must fill `bytes`.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = bytes;
        let value = Self::decode(&mut input)?;
        if input.is_empty() { Ok(value) } else { Err(DecodeError::TrailingBytes(input.len())) }
    }
}
/// Appends a CompactSize.
pub fn encode_compact_size(_value: u64, _out: &mut Vec<u8>) {
    todo!()
}
/// Reads a canonical CompactSize.
pub fn decode_compact_size(_input: &mut &[u8]) -> Result<u64, DecodeError> {
    todo!()
}
/// Bytes of a CompactSize.
pub const fn compact_size_len(_value: u64) -> usize {
    todo!()
}
