//! Base58Check addresses: version byte, then RIPEMD-160(SHA-256(public key)).
use crate::{ChainSpec, Script};
use std::fmt;

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
        /// The byte in the text.
        found: u8,
        /// The chain's byte.
        expected: u8,
        /// The chain's name.
        chain: String,
    },
}
impl Address {
    /// Reads an address of any chain.
    ///
    /// # Errors
    /// [`AddressError`]: not Base58Check, or another length.
    pub fn decode(text: &str) -> Result<Address, AddressError> {
        let bytes = bs58::decode(text)
            .with_check(None)
            .into_vec()
            .map_err(|error| AddressError::Base58(format!("{text:?}: {error}")))?;
        match <[u8; 21]>::try_from(bytes.as_slice()) {
            Ok([version, public_key_hash @ ..]) => Ok(Address { version, public_key_hash }),
            Err(_) => Err(AddressError::Length(bytes.len())),
        }
    }
    /// Reads an address of `spec`'s chain.
    ///
    /// # Errors
    /// [`AddressError`]: not Base58Check, another length, or another chain's version.
    pub fn parse(text: &str, spec: &ChainSpec) -> Result<Address, AddressError> {
        let address = Address::decode(text)?;
        let (found, expected) = (address.version, spec.address_version);
        if found != expected {
            return Err(AddressError::Version { found, expected, chain: spec.name.clone() });
        }
        Ok(address)
    }
    /// The script that pays it.
    pub fn script(&self) -> Script {
        Script::pay_to_public_key_hash(&self.public_key_hash)
    }
    /// The address a script pays on `spec`'s chain, if it is the template.
    pub fn from_script(script: &Script, spec: &ChainSpec) -> Option<Address> {
        let public_key_hash = script.public_key_hash()?;
        Some(Address { version: spec.address_version, public_key_hash })
    }
}
/// Base58Check.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [self.version; 21];
        bytes[1..].copy_from_slice(&self.public_key_hash);
        f.pad(&bs58::encode(bytes).with_check().into_string())
    }
}
