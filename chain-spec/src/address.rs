//! Base58Check addresses: a version byte, then RIPEMD-160 of SHA-256 of a public key.
//!
//! What depends on a chain ([`Address::parse`], [`Address::from_script`]) is in `spec/address.rs`, since a chain's spec itself
//! holds addresses.
use crate::script::Script;
use std::fmt;

/// The address of a public key hash on a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The chain's version byte: 0 on main networks, 111 on test networks.
    pub version: u8,
    /// RIPEMD-160 of SHA-256 of the public key that is paid.
    pub public_key_hash: [u8; 20],
}
/// Why a text is not an address, or not one of this chain.
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
    /// Reads an address of whichever chain.
    ///
    /// # Errors
    /// [`AddressError`]: not Base58Check, or another length.
    pub fn decode(text: &str) -> Result<Address, AddressError> {
        let bytes = bs58::decode(text)
            .with_check(None)
            .into_vec()
            .map_err(|error| AddressError::Base58(format!("{text:?}: {}", reason(&error))))?;
        match <[u8; 21]>::try_from(bytes.as_slice()) {
            Ok([version, public_key_hash @ ..]) => Ok(Address { version, public_key_hash }),
            Err(_) => Err(AddressError::Length(bytes.len())),
        }
    }
    /// The output script that pays this address.
    pub fn script(&self) -> Script {
        Script::pay_to_public_key_hash(&self.public_key_hash)
    }
}
/// What is wrong with Base58Check text, in words. The library's own text for a wrong checksum lists bytes.
fn reason(error: &bs58::decode::Error) -> String {
    match error {
        bs58::decode::Error::InvalidChecksum { .. } => {
            "its checksum is wrong, so a character is missing or mistyped".to_owned()
        }
        other => other.to_string(),
    }
}
/// Base58Check text.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [self.version; 21];
        bytes[1..].copy_from_slice(&self.public_key_hash);
        f.pad(&bs58::encode(bytes).with_check().into_string())
    }
}
