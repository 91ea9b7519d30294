//! Signed messages in Bitcoin's format: proof that whoever has an address' key wrote a text.
//!
//! The digest is the double SHA-256 of "Bitcoin Signed Message:\n" and the text, each behind its length; the signature is
//! 65 bytes in Base64: how to find the public key in it, then r and s (Core: `MessageSign`, `MessageVerify`).
//! The one seam of this crate with `k256`: the recovery of a key from a signature is in no other interface.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chain_spec::encode::encode_length_prefixed;
use chain_spec::hash::sha256d;
use chain_spec::{Address, PrivateKey, PublicKey};
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};

const MAGIC: &[u8] = b"Bitcoin Signed Message:\n";
/// The first byte of a signature is this and the recovery id …
const HEADER_MIN: u8 = 27;
/// … and this more where the public key is compressed.
const COMPRESSED: u8 = 4;
/// Bytes of a signature: header, r, s.
const SIGNATURE_LEN: usize = 65;

/// Why a message could not be signed or checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not a signature at all.
    #[error("not a message signature: it is 65 bytes in Base64 (88 characters)")]
    Malformed,
    /// A signature, but not of this text by this address.
    #[error("the signature is not one of this message by this address")]
    Mismatch,
    /// The key cannot sign; its chance is below 2⁻¹²⁷.
    #[error("this key cannot sign this message")]
    Unsignable,
}

fn digest(text: &str) -> [u8; 32] {
    let mut bytes = Vec::new();
    encode_length_prefixed(MAGIC, &mut bytes);
    encode_length_prefixed(text.as_bytes(), &mut bytes);
    sha256d(&bytes)
}

/// Signs a text; the signature in Base64.
pub fn sign(text: &str, key: &PrivateKey) -> Result<String, MessageError> {
    let secret = zeroize::Zeroizing::new(key.to_bytes());
    let signer = SigningKey::from_slice(&*secret).map_err(|_| MessageError::Unsignable)?;
    let (signature, id) = signer.sign_prehash_recoverable(&digest(text));
    let compressed = if key.is_compressed() { COMPRESSED } else { 0 };
    let mut bytes = vec![HEADER_MIN + compressed + id.to_byte()];
    bytes.extend_from_slice(&signature.to_bytes());
    Ok(STANDARD.encode(bytes))
}

/// Whether `signature` is one of `text` by the key behind `address`.
pub fn verify(text: &str, signature: &str, address: &Address) -> Result<(), MessageError> {
    let bytes = STANDARD.decode(signature.trim()).map_err(|_| MessageError::Malformed)?;
    let (header, rest) = bytes.split_first().filter(|_| bytes.len() == SIGNATURE_LEN).ok_or(MessageError::Malformed)?;
    let code = header.checked_sub(HEADER_MIN).filter(|code| *code < 2 * COMPRESSED).ok_or(MessageError::Malformed)?;
    let id = RecoveryId::from_byte(code % COMPRESSED).ok_or(MessageError::Malformed)?;
    let parsed = Signature::from_slice(rest).map_err(|_| MessageError::Mismatch)?;
    let key = VerifyingKey::recover_from_prehash(&digest(text), &parsed, id).map_err(|_| MessageError::Mismatch)?;
    let point = key.to_sec1_point(code >= COMPRESSED);
    let key = PublicKey::from_bytes(point.as_bytes()).map_err(|_| MessageError::Mismatch)?;
    if key.hash() == address.public_key_hash { Ok(()) } else { Err(MessageError::Mismatch) }
}

#[cfg(test)]
mod tests;
