//! Texts signed in Bitcoin's format (Core: `MessageSign`, `MessageVerify`): proof that whoever has the key of an address wrote
//! a text. No rule of the chain speaks of them.
//!
//! A signature is 65 bytes: how to find the public key (27 to 34), then r and s.

use crate::encode::encode_length_prefixed;
use crate::hash::sha256d;
use crate::{PrivateKey, PublicKey};
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};

/// What a signed text begins with, so that no signature of a text is one of a transaction.
const MAGIC: &[u8] = b"Bitcoin Signed Message:\n";
/// The first byte of a signature by an uncompressed key, without the recovery id.
const FIRST_BYTE: u8 = 27;
/// Added for a compressed key.
const COMPRESSED: u8 = 4;

/// The digest that is signed.
fn digest(text: &str) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(MAGIC.len() + text.len() + 10);
    encode_length_prefixed(MAGIC, &mut bytes);
    encode_length_prefixed(text.as_bytes(), &mut bytes);
    sha256d(&bytes)
}

/// Signs a text. `None` for a key that cannot, of which none is known.
pub fn sign(text: &str, key: &PrivateKey) -> Option<[u8; 65]> {
    let signer = SigningKey::from_slice(&key.to_bytes()).ok()?;
    let (signature, id) = signer.sign_prehash_recoverable(&digest(text));
    let mut bytes = [0; 65];
    bytes[0] = FIRST_BYTE + id.to_byte() + if key.is_compressed() { COMPRESSED } else { 0 };
    bytes[1..].copy_from_slice(&signature.to_bytes());
    Some(bytes)
}

/// The key that made a signature of a text, in the form that the signature names; `None` if the bytes are no signature.
pub fn signer(text: &str, signature: &[u8]) -> Option<PublicKey> {
    let (first, numbers) = signature.split_first()?;
    let code = first.checked_sub(FIRST_BYTE).filter(|code| *code < 2 * COMPRESSED)?;
    let id = RecoveryId::from_byte(code % COMPRESSED)?;
    let numbers = Signature::from_slice(numbers).ok()?;
    let point = VerifyingKey::recover_from_prehash(&digest(text), &numbers, id).ok()?;
    PublicKey::from_bytes(point.to_sec1_point(code >= COMPRESSED).as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChainSpec;

    #[test]
    fn what_a_key_signed_names_the_key_and_anything_else_another_or_none() {
        for is_compressed in [true, false] {
            let key = PrivateKey::from_bytes(&[7; 32], is_compressed).unwrap();
            let signature = sign("a text", &key).unwrap();
            assert_eq!(signer("a text", &signature), Some(key.public_key()));
            assert_ne!(signer("another text", &signature), Some(key.public_key()));
            for place in 0..signature.len() {
                let mut changed = signature;
                changed[place] ^= 1;
                assert_ne!(signer("a text", &changed), Some(key.public_key()), "byte {place}");
            }
            for length in 0..signature.len() {
                assert_eq!(signer("a text", &signature[..length]), None);
            }
        }
    }

    /// From Core's functional test `rpc_signmessagewithprivkey.py`.
    #[test]
    fn core_s_signature() {
        let spec = ChainSpec::builtin("bitcoin-regtest").unwrap();
        let key = PrivateKey::from_wif("cUeKHd5orzT3mz8P9pxyREHfsWtVfgsfDjiZZBcjUBAaGk1BTj7N", &spec).unwrap();
        let signature = sign("This is just a test message", &key).unwrap();
        let expected = concat!(
            "20d6d59d6e1ee8f7919acbf6420bbc36ea29beb56391cc686feb17f0e7191b4480",
            "2e15b26d48f330b3dd02c5c8e3a61919bd0a4134628bec16210cd1a46fd4f92d"
        );
        assert_eq!(key.public_key().address(&spec).to_string(), "mpLQjfK79b7CCV4VMJWEWAj5Mpx8Up5zxB");
        assert_eq!(hex::encode(signature), expected);
    }
}
