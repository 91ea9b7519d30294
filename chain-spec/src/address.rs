//! Base58Check addresses: version byte, then RIPEMD-160(SHA-256(public key)).
use crate::{ChainSpec, Script};
/// The address of a public key hash on a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Version byte: 0 or 111.
    pub version: u8,
    /// The hash paid to.
    pub public_key_hash: [u8; 20],
}
/// Why text is not an address of this chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not Base58, or a wrong checksum.
    #[error("not a Base58Check address: {0}")]
    Base58(String),
    /// Another length than 21 bytes.
    #[error("an address has 21 bytes, this has {0}")]
    Length(usize),
    /// Another chain's (or another kind's) version byte.
    #[error("unknown address version {found}: chain {chain:?} uses {expected}")]
    Version {
        /// found
        found: u8,
        /// expected
        expected: u8,
        /// the chain's name
        chain: String,
    },
}
impl Address {
    /// Reads an address of `spec`'s chain.
    pub fn parse(_text: &str, _spec: &ChainSpec) -> Result<Address, AddressError> {
        todo!()
    }
    /// The script that pays it.
    pub fn script(&self) -> Script {
        todo!()
    }
    /// The address a script pays on `spec`'s chain, if it is the template.
    pub fn from_script(_script: &Script, _spec: &ChainSpec) -> Option<Address> {
        todo!()
    }
}
/// Base58Check.
impl std::fmt::Display for Address {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
