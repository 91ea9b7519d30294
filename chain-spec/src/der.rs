//! The two encodings of a signature in Bitcoin's history: strict DER (BIP66), and before it whatever OpenSSL read as a
//! signature.
//!
//! Below [`key`](crate::key) and [`script`](crate::script), which both read signatures.
use k256::ecdsa::Signature;

/// Bytes that a length may need beyond its leading zeros (Core: `ecdsa_signature_parse_der_lax`); no script is that long.
const LENGTH_BYTES_MAX: usize = 3;

/// Which encodings of a signature a block may hold; [`ChainSpec::signature_encoding`](crate::spec::ChainSpec::signature_encoding)
/// gives it for each height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureEncoding {
    /// Strict DER only (BIP66).
    Strict,
    /// Anything that OpenSSL read as a signature before BIP66 (Core: `ecdsa_signature_parse_der_lax`).
    Lax,
}

/// Whether `bytes` (without a hash type byte) are strict DER (BIP66; Core: `IsValidSignatureEncoding`). Whether the two
/// numbers are in 1..n is not looked at.
pub fn is_strict_der(bytes: &[u8]) -> bool {
    // 0x30 [length] 0x02 [length of R] R 0x02 [length of S] S; with the type byte 9 to 73 bytes.
    if !(8..=72).contains(&bytes.len()) || bytes[0] != 0x30 || usize::from(bytes[1]) != bytes.len() - 2 {
        return false;
    }
    strict_integer(&bytes[2..]).and_then(strict_integer).is_some_and(<[u8]>::is_empty)
}

/// What follows one positive integer without needless leading zeros.
fn strict_integer(bytes: &[u8]) -> Option<&[u8]> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    let (value, rest) = rest.split_at_checked(usize::from(length))?;
    let &first = value.first()?;
    let needless_zero = first == 0 && value.get(1).is_some_and(|second| second & 0x80 == 0);
    (tag == 0x02 && first & 0x80 == 0 && !needless_zero).then_some(rest)
}

/// Reads a signature as Core does (`ecdsa_signature_parse_der_lax`); `None` unless both numbers are in 1..n.
///
/// Strict DER has only this one reading. Other bytes are read as OpenSSL read them before BIP66: the outer length is ignored,
/// lengths may be in the long form, numbers may be padded or look negative, and more bytes may follow.
pub(crate) fn parse_lax(bytes: &[u8]) -> Option<Signature> {
    let (&tag, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let skipped = if length & 0x80 == 0 { 0 } else { usize::from(length & 0x7f) };
    let rest = rest.get(skipped..)?;
    let (r, rest) = lax_integer(rest)?;
    let (s, _) = lax_integer(rest)?;
    if tag != 0x30 {
        return None;
    }
    Signature::from_scalars(scalar(r)?, scalar(s)?).ok()
}

/// One integer's bytes and what follows it.
fn lax_integer(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    if tag != 0x02 {
        return None;
    }
    if length & 0x80 == 0 {
        return rest.split_at_checked(usize::from(length));
    }
    let (length, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
    let length = without_leading_zeros(length);
    if length.len() > LENGTH_BYTES_MAX {
        return None;
    }
    rest.split_at_checked(length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]
}

/// 32 bytes, most significant first, unless the number is longer.
fn scalar(integer: &[u8]) -> Option<[u8; 32]> {
    let digits = without_leading_zeros(integer);
    let mut bytes = [0; 32];
    bytes[32_usize.checked_sub(digits.len())?..].copy_from_slice(digits);
    Some(bytes)
}

/// The other valid signature of the same key and digest, with S replaced by n − S. Wallets never make a high S, because nodes
/// do not relay it.
#[cfg(test)]
pub(crate) fn with_mirrored_s(bytes: &[u8]) -> Vec<u8> {
    let signature = parse_lax(bytes).unwrap();
    let (r, s) = signature.split_scalars();
    Signature::from_scalars(r, -*s).unwrap().to_der().as_bytes().to_vec()
}
