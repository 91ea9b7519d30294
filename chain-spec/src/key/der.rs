//! Strict DER (BIP66): the one form in which a signature may stand in a block.
use k256::ecdsa::Signature;

/// The two integers of a strict-DER signature without its type byte, with their sign bytes (Core: `IsValidSignatureEncoding`).
fn integers(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    // 0x30 [length] 0x02 [length of R] R 0x02 [length of S] S; with the type byte 9 to 73 bytes.
    if !(8..=72).contains(&bytes.len()) || bytes[0] != 0x30 || usize::from(bytes[1]) != bytes.len() - 2 {
        return None;
    }
    let (r, rest) = integer(&bytes[2..])?;
    let (s, rest) = integer(rest)?;
    rest.is_empty().then_some((r, s))
}

/// One positive integer without needless leading zeros, and what follows it.
fn integer(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    let (value, rest) = rest.split_at_checked(usize::from(length))?;
    let &first = value.first()?;
    let needless_zero = first == 0 && value.get(1).is_some_and(|second| second & 0x80 == 0);
    (tag == 0x02 && first & 0x80 == 0 && !needless_zero).then_some((value, rest))
}

/// Whether `bytes` (without a type byte) are strict DER. Says nothing of the numbers' size.
pub(crate) fn is_strict_der(bytes: &[u8]) -> bool {
    integers(bytes).is_some()
}

/// The signature, if it is strict DER and both numbers are in 1..n.
pub(super) fn parse(bytes: &[u8]) -> Option<Signature> {
    let (r, s) = integers(bytes)?;
    Signature::from_scalars(scalar(r)?, scalar(s)?).ok()
}

/// 32 bytes, most significant first, unless the number is longer.
fn scalar(integer: &[u8]) -> Option<[u8; 32]> {
    let digits = integer.strip_prefix(&[0]).unwrap_or(integer);
    let mut bytes = [0; 32];
    bytes[32_usize.checked_sub(digits.len())?..].copy_from_slice(digits);
    Some(bytes)
}

/// The other signature of the same key and digest: S replaced by the group's order less S. Wallets never make it, since their
/// peers relay low S only; tests do.
#[cfg(test)]
pub(crate) fn mirrored(bytes: &[u8]) -> Vec<u8> {
    let signature = parse(bytes).unwrap();
    let (r, s) = signature.split_scalars();
    Signature::from_scalars(r, -*s).unwrap().to_der().as_bytes().to_vec()
}
