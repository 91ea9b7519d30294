//! secp256k1 keys and signatures (k256), and WIF.
mod batch;
mod combination;
mod der;

use crate::hash::hash160;
use crate::{Address, ChainSpec};
use k256::ecdsa::signature::hazmat::PrehashSigner;
use k256::ecdsa::{Signature, SigningKey, VerifyingKey};
use std::fmt;

pub(crate) use batch::{Equation, first_false};
pub use der::is_strict_der;
#[cfg(test)]
pub(crate) use der::mirrored;

/// Byte after a WIF secret that asks for a compressed public key.
const WIF_COMPRESSED: u8 = 1;

/// A secret key. Erased when dropped; `Debug` does not show it.
#[derive(Clone)]
pub struct PrivateKey(SigningKey, /** public key is compressed */ bool);

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
    /// From 32 bytes, most significant first; `compressed` says which form of the public key its address is made of.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] when the number is zero or not below the group's order.
    pub fn from_bytes(secret: &[u8; 32], compressed: bool) -> Result<PrivateKey, KeyError> {
        let key = SigningKey::from_slice(secret).map_err(|_| KeyError::Invalid)?;
        Ok(PrivateKey(key, compressed))
    }
    /// The 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }
    /// Whether its public key is compressed.
    pub fn is_compressed(&self) -> bool {
        self.1
    }
    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        let point = *self.0.verifying_key();
        PublicKey { bytes: point.to_sec1_point(self.1).as_bytes().into(), point }
    }
    /// RFC 6979, low-S, strict DER, without the type byte.
    pub fn sign(&self, digest: &[u8; 32]) -> Vec<u8> {
        let signature: Signature =
            self.0.sign_prehash(digest).expect("a 32-byte digest is long enough, the only thing signing asks for");
        signature.to_der().as_bytes().to_vec()
    }
    /// Wallet import format.
    pub fn to_wif(&self, spec: &ChainSpec) -> String {
        let mut bytes = vec![spec.wif_version];
        bytes.extend_from_slice(&self.to_bytes());
        if self.1 {
            bytes.push(WIF_COMPRESSED);
        }
        bs58::encode(bytes).with_check().into_string()
    }
    /// From wallet import format.
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
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// RIPEMD-160(SHA-256(bytes)).
    pub fn hash(&self) -> [u8; 20] {
        hash160(&self.bytes)
    }
    /// Its address.
    pub fn address(&self, spec: &ChainSpec) -> Address {
        Address { version: spec.address_version, public_key_hash: self.hash() }
    }
    /// Whether a signature (without a type byte, high S allowed) of `digest` is this key's (Core: `CPubKey::Verify`). It is
    /// read from any encoding; whether that must be strict DER is a rule of its own, [`is_strict_der`].
    pub fn verifies(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        self.equation(digest, signature).is_some_and(|equation| first_false(&[equation]).is_none())
    }
    /// What must hold for a signature to be this key's; `None` if the bytes are no signature.
    pub(crate) fn equation(&self, digest: &[u8; 32], signature: &[u8]) -> Option<Equation> {
        // Consensus takes a high S, which stands for the same signature as its mirror image (Core mirrors it too).
        let signature = der::parse_lax(signature)?.normalize_s();
        Some(Equation { key: self.point, digest: *digest, signature })
    }
}
