//! secp256k1 keys and signatures (k256), and WIF.
use crate::{Address, ChainSpec};
/// A secret key. Erased when dropped; `Debug` does not show it.
#[derive(Clone)]
pub struct PrivateKey(k256::ecdsa::SigningKey, /** public key is compressed */ bool);
/// A public key in the bytes it was given: 33 or 65. Its hash depends on which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Box<[u8]>);
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
    /// From 32 bytes; its public key is compressed unless said otherwise.
    pub fn from_bytes(_secret: &[u8; 32], _compressed: bool) -> Result<PrivateKey, KeyError> {
        todo!()
    }
    /// The 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        todo!()
    }
    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        todo!()
    }
    /// RFC 6979, low-S, strict DER, without the type byte.
    pub fn sign(&self, _digest: &[u8; 32]) -> Vec<u8> {
        todo!()
    }
    /// Wallet import format.
    pub fn to_wif(&self, _spec: &ChainSpec) -> String {
        todo!()
    }
    /// From wallet import format.
    pub fn from_wif(_text: &str, _spec: &ChainSpec) -> Result<PrivateKey, KeyError> {
        todo!()
    }
}
impl PublicKey {
    /// From 33 or 65 bytes that are a point.
    pub fn from_bytes(_bytes: &[u8]) -> Result<PublicKey, KeyError> {
        todo!()
    }
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// RIPEMD-160(SHA-256(bytes)).
    pub fn hash(&self) -> [u8; 20] {
        todo!()
    }
    /// Its address.
    pub fn address(&self, _spec: &ChainSpec) -> Address {
        todo!()
    }
    /// Whether a strict-DER signature (high S allowed) of `digest` is this key's.
    pub fn verifies(&self, _digest: &[u8; 32], _signature: &[u8]) -> bool {
        todo!()
    }
}
