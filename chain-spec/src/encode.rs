//! Bitcoin's byte format: little-endian integers, CompactSize, length-prefixed lists.
//!
//! The types themselves say how they are laid out, beside their definitions; this module holds what they share. Reading
//! borrows from a slice that moves on, and never allocates more than the bytes at hand can fill.

/// Largest length a reader accepts (Core: `MAX_SIZE`), bytes or elements.
pub const LENGTH_MAX: u64 = 0x0200_0000;

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
    #[error("length {0} is over the limit of {LENGTH_MAX}")]
    TooLong(u64),
    /// Bytes remained after the value.
    #[error("{0} bytes after the value")]
    TrailingBytes(usize),
    /// A transaction whose list of inputs is empty and whose next byte is 1: SegWit's marker and flag. Either reading of
    /// those bytes is refused, as a format this chain lacks or as a transaction without inputs.
    #[error("a transaction without inputs, or SegWit serialisation, which is not part of this chain")]
    SegWit,
}

/// A value with canonical bytes.
pub trait Encode {
    /// Appends the bytes.
    fn encode(&self, out: &mut Vec<u8>);
    /// How many bytes [`Encode::encode`] appends.
    fn encoded_len(&self) -> usize;
    /// The whole encoding in one buffer, of [`encoded_len`](Encode::encoded_len) bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode(&mut out);
        out
    }
}

/// A value that can be read from its canonical bytes.
pub trait Decode: Sized {
    /// Reads one value from the front of `input` and moves it on.
    ///
    /// # Errors
    /// [`DecodeError`]; `input` is then left somewhere inside the value.
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError>;
    /// Reads a value that must fill `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`], [`DecodeError::TrailingBytes`] included.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = bytes;
        let value = Self::decode(&mut input)?;
        if input.is_empty() { Ok(value) } else { Err(DecodeError::TrailingBytes(input.len())) }
    }
}

/// Appends a CompactSize.
pub fn encode_compact_size(value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_le_bytes();
    match compact_size_len(value) {
        1 => out.push(bytes[0]),
        3 => out.extend_from_slice(&[0xfd, bytes[0], bytes[1]]),
        5 => out.extend_from_slice(&[0xfe, bytes[0], bytes[1], bytes[2], bytes[3]]),
        _ => {
            out.push(0xff);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Reads a canonical CompactSize, of any size: where it is a length, use [`decode_length`].
///
/// # Errors
/// [`DecodeError::UnexpectedEnd`], or [`DecodeError::NonCanonicalCompactSize`] when fewer bytes would have done.
pub fn decode_compact_size(input: &mut &[u8]) -> Result<u64, DecodeError> {
    let (value, least) = match take_array::<1>(input)?[0] {
        0xff => (u64::from_le_bytes(take_array(input)?), 1 << 32),
        0xfe => (u64::from(u32::from_le_bytes(take_array(input)?)), 1 << 16),
        0xfd => (u64::from(u16::from_le_bytes(take_array(input)?)), 0xfd),
        small => (u64::from(small), 0),
    };
    if value < least { Err(DecodeError::NonCanonicalCompactSize) } else { Ok(value) }
}

/// Bytes of a CompactSize.
pub const fn compact_size_len(value: u64) -> usize {
    match value {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Reads a CompactSize that counts bytes or elements (Core: `ReadCompactSize` with its range check).
///
/// # Errors
/// Those of [`decode_compact_size`], and [`DecodeError::TooLong`] above [`LENGTH_MAX`].
pub fn decode_length(input: &mut &[u8]) -> Result<usize, DecodeError> {
    let length = decode_compact_size(input)?;
    if length > LENGTH_MAX {
        return Err(DecodeError::TooLong(length));
    }
    Ok(length as usize)
}

/// Reads `N` bytes.
///
/// # Errors
/// [`DecodeError::UnexpectedEnd`].
pub fn take_array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let (head, rest) = input.split_first_chunk::<N>().ok_or(DecodeError::UnexpectedEnd)?;
    *input = rest;
    Ok(*head)
}

/// Reads a CompactSize and as many bytes.
///
/// # Errors
/// Those of [`decode_length`], and [`DecodeError::UnexpectedEnd`].
pub fn take_length_prefixed<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = decode_length(input)?;
    let (head, rest) = input.split_at_checked(length).ok_or(DecodeError::UnexpectedEnd)?;
    *input = rest;
    Ok(head)
}

/// Appends a CompactSize and the bytes it counts.
pub fn encode_length_prefixed(bytes: &[u8], out: &mut Vec<u8>) {
    encode_compact_size(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends a CompactSize and the values it counts.
pub fn encode_list<T: Encode>(values: &[T], out: &mut Vec<u8>) {
    encode_compact_size(values.len() as u64, out);
    values.iter().for_each(|value| value.encode(out));
}

/// Bytes of [`encode_list`].
pub fn list_len<T: Encode>(values: &[T]) -> usize {
    compact_size_len(values.len() as u64) + values.iter().map(Encode::encoded_len).sum::<usize>()
}

/// Reads a CompactSize and as many values, each of at least `bytes_min` bytes, which bounds what is reserved.
///
/// # Errors
/// Those of [`decode_length`] and of the values.
pub fn decode_list<T: Decode>(input: &mut &[u8], bytes_min: usize) -> Result<Vec<T>, DecodeError> {
    let count = decode_length(input)?;
    // A count that the input cannot hold must not reserve memory before it is found out.
    let mut values = Vec::with_capacity(count.min(input.len() / bytes_min));
    for _ in 0..count {
        values.push(T::decode(input)?);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        encode_compact_size(value, &mut out);
        out
    }

    #[test]
    fn compact_size_has_one_form_per_number() {
        for (value, bytes) in [
            (0, vec![0]),
            (252, vec![252]),
            (253, vec![0xfd, 253, 0]),
            (0xffff, vec![0xfd, 0xff, 0xff]),
            (0x1_0000, vec![0xfe, 0, 0, 1, 0]),
            (0xffff_ffff, vec![0xfe, 0xff, 0xff, 0xff, 0xff]),
            (0x1_0000_0000, vec![0xff, 0, 0, 0, 0, 1, 0, 0, 0]),
            (u64::MAX, vec![0xff; 9]),
        ] {
            assert_eq!(encoded(value), bytes);
            assert_eq!(compact_size_len(value), bytes.len());
            let mut input = bytes.as_slice();
            assert_eq!(decode_compact_size(&mut input), Ok(value));
            assert!(input.is_empty());
        }
    }

    #[test]
    fn longer_forms_are_refused() {
        for bytes in [
            vec![0xfd, 0, 0],
            vec![0xfd, 252, 0],
            vec![0xfe, 0xff, 0xff, 0, 0],
            vec![0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        ] {
            assert_eq!(decode_compact_size(&mut bytes.as_slice()), Err(DecodeError::NonCanonicalCompactSize));
        }
        for bytes in [&[][..], &[0xfd], &[0xfd, 0], &[0xfe, 0, 0, 0], &[0xff, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(decode_compact_size(&mut &*bytes), Err(DecodeError::UnexpectedEnd));
        }
    }

    #[test]
    fn lengths_are_bounded_before_memory_is_reserved() {
        assert_eq!(decode_length(&mut encoded(LENGTH_MAX).as_slice()), Ok(LENGTH_MAX as usize));
        assert_eq!(decode_length(&mut encoded(LENGTH_MAX + 1).as_slice()), Err(DecodeError::TooLong(LENGTH_MAX + 1)));
        assert_eq!(take_length_prefixed(&mut encoded(LENGTH_MAX).as_slice()), Err(DecodeError::UnexpectedEnd));
    }
}
