//! secp256k1 keys, signatures (ECDSA by k256) and the wallet import format.
//!
//! Signatures are read by [`der`]; many are checked together by `key/batch.rs`, whose arithmetic is in
//! `key/ecmult.rs`.
mod batch;
mod ecmult;

use crate::address::Address;
use crate::der;
use crate::hash::hash160;
use crate::spec::ChainSpec;
use k256::ecdsa::signature::hazmat::PrehashSigner;
use k256::ecdsa::{Signature, SigningKey, VerifyingKey};
use std::fmt;

pub(crate) use batch::{SignatureCheck, first_invalid};

/// Byte after a WIF secret that asks for a compressed public key.
const WIF_COMPRESSED: u8 = 1;

/// A secret key. Its memory is erased when it is dropped, and `Debug` does not show it.
#[derive(Clone)]
pub struct PrivateKey {
    key: SigningKey,
    /// Whether the public key is written in 33 bytes instead of 65, which gives it another address.
    is_compressed: bool,
}

/// A public key in the bytes it was given: 33, or 65 (plain or hybrid). Its hash depends on which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    bytes: Box<[u8]>,
    point: VerifyingKey,
}

/// Why bytes or text are not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a scalar in 1..n, not a point, or a wrong length.
    #[error("not a valid key")]
    Invalid,
    /// Not Base58Check or a wrong version.
    #[error("not a WIF key of this chain: {0}")]
    Wif(String),
}

impl PrivateKey {
    /// From 32 bytes, most significant first. `is_compressed` says which form of the public key its address is
    /// made from.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] when the number is zero or not below the group's order.
    pub fn from_bytes(secret: &[u8; 32], is_compressed: bool) -> Result<PrivateKey, KeyError> {
        let key = SigningKey::from_slice(secret).map_err(|_| KeyError::Invalid)?;
        Ok(PrivateKey { key, is_compressed })
    }
    /// The secret number in 32 bytes, most significant first.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_bytes().into()
    }
    /// Whether the public key is written in its compressed form (33 bytes).
    pub fn is_compressed(&self) -> bool {
        self.is_compressed
    }
    /// The public key, in the form this key asks for.
    pub fn public_key(&self) -> PublicKey {
        let point = *self.key.verifying_key();
        PublicKey { bytes: point.to_sec1_point(self.is_compressed).as_bytes().into(), point }
    }
    /// A signature of `digest` in strict DER, without a hash type byte. The nonce is deterministic (RFC 6979) and S is low.
    pub fn sign(&self, digest: &[u8; 32]) -> Vec<u8> {
        let signature: Signature =
            self.key.sign_prehash(digest).expect("a 32-byte digest is long enough, the only thing signing asks for");
        signature.to_der().as_bytes().to_vec()
    }
    /// The key as text in wallet import format.
    pub fn to_wif(&self, spec: &ChainSpec) -> String {
        let mut bytes = vec![spec.wif_version];
        bytes.extend_from_slice(&self.to_bytes());
        if self.is_compressed {
            bytes.push(WIF_COMPRESSED);
        }
        bs58::encode(bytes).with_check().into_string()
    }
    /// Reads a key from wallet import format.
    ///
    /// # Errors
    /// [`KeyError`]. The text is a secret, so no message repeats it.
    pub fn from_wif(text: &str, spec: &ChainSpec) -> Result<PrivateKey, KeyError> {
        let bytes = bs58::decode(text)
            .with_check(None)
            .into_vec()
            .map_err(|_| KeyError::Wif("it is not Base58Check text".to_owned()))?;
        let (version, rest) = bytes.split_first().ok_or_else(|| KeyError::Wif("it is empty".to_owned()))?;
        if *version != spec.wif_version {
            let (name, expected) = (&spec.name, spec.wif_version);
            return Err(KeyError::Wif(format!("version {version}, but chain {name:?} uses {expected}")));
        }
        match rest.split_first_chunk::<32>() {
            Some((secret, [])) => PrivateKey::from_bytes(secret, false),
            Some((secret, [WIF_COMPRESSED])) => PrivateKey::from_bytes(secret, true),
            _ => Err(KeyError::Wif(format!("{} bytes instead of 33 or 34, or an unknown suffix", bytes.len()))),
        }
    }
}
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(secret)")
    }
}

impl PublicKey {
    /// From 33 or 65 bytes that are a point, in any form that Bitcoin's consensus takes (Core: `CPubKey`, which hands them to
    /// `secp256k1_ec_pubkey_parse`): compressed, uncompressed, or hybrid, which holds the whole point and its parity too.
    ///
    /// # Errors
    /// [`KeyError::Invalid`].
    pub fn from_bytes(bytes: &[u8]) -> Result<PublicKey, KeyError> {
        let point = match (bytes.len(), bytes.first()) {
            (33, Some(2 | 3)) | (65, Some(4)) => VerifyingKey::from_sec1_bytes(bytes),
            (65, Some(&form @ (6 | 7))) if form & 1 == bytes[64] & 1 => {
                VerifyingKey::from_sec1_bytes(&[&[4], &bytes[1..]].concat())
            }
            _ => return Err(KeyError::Invalid),
        };
        let point = point.map_err(|_| KeyError::Invalid)?;
        Ok(PublicKey { bytes: bytes.into(), point })
    }
    /// Whether the bytes are in the hybrid form (first byte 6 or 7), which consensus takes and nobody relays.
    pub fn is_hybrid(&self) -> bool {
        matches!(self.bytes.first(), Some(6 | 7))
    }
    /// The 33 or 65 bytes as they were given.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// RIPEMD-160 of SHA-256 of the bytes: what an address holds.
    pub fn hash(&self) -> [u8; 20] {
        hash160(&self.bytes)
    }
    /// The address that pays this key on `spec`'s chain.
    pub fn address(&self, spec: &ChainSpec) -> Address {
        Address { version: spec.address_version, public_key_hash: self.hash() }
    }
    /// Whether `signature` (without a hash type byte, high S allowed) is this key's signature of `digest` (Core:
    /// `CPubKey::Verify`). Any encoding is read; that it must be strict DER is a rule of its own,
    /// [`is_strict_der`](der::is_strict_der).
    pub fn verifies(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        self.signature_check(digest, signature).is_some_and(|check| first_invalid(&[check]).is_none())
    }
    /// The check whether `signature` is this key's signature of `digest`, to be made together with others by
    /// [`first_invalid`]. `None` if the bytes are no signature.
    pub(crate) fn signature_check(&self, digest: &[u8; 32], signature: &[u8]) -> Option<SignatureCheck> {
        // Consensus takes a high S; the signature with S replaced by n − S is equally valid (Core replaces it too).
        let signature = der::parse_lax(signature)?.normalize_s();
        Some(SignatureCheck { key: self.point, digest: *digest, signature })
    }
}
