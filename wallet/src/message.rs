//! Signed messages in Bitcoin's format, as people pass them around: proof that whoever has an address' key wrote a text.
//!
//! The signature is 65 bytes in Base64 (Core: `MessageSign`, `MessageVerify`). Neighbours: [`chain_spec::message`] signs and
//! finds the key that signed; here texts and addresses are put to it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chain_spec::{Address, PrivateKey};

/// Bytes of a signature: how to find the public key in it, r, s.
const SIGNATURE_LEN: usize = 65;
/// The least and the greatest first byte of a signature (Core: `PubKey::RecoverCompact`).
const FIRST_BYTES: std::ops::RangeInclusive<u8> = 27..=34;

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

/// Signs a text; the signature in Base64.
pub fn sign(text: &str, key: &PrivateKey) -> Result<String, MessageError> {
    chain_spec::message::sign(text, key).map(|bytes| STANDARD.encode(bytes)).ok_or(MessageError::Unsignable)
}

/// Whether `signature` is one of `text` by the key behind `address`.
pub fn verify(text: &str, signature: &str, address: &Address) -> Result<(), MessageError> {
    let bytes = STANDARD.decode(signature.trim()).map_err(|_| MessageError::Malformed)?;
    if bytes.len() != SIGNATURE_LEN || !FIRST_BYTES.contains(&bytes[0]) {
        return Err(MessageError::Malformed);
    }
    let signer = chain_spec::message::signer(text, &bytes).ok_or(MessageError::Mismatch)?;
    if signer.hash() == address.public_key_hash { Ok(()) } else { Err(MessageError::Mismatch) }
}

#[cfg(test)]
mod tests;
