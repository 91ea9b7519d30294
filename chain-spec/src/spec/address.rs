//! Addresses on a given chain: the version byte must be the chain's own.
use super::ChainSpec;
use crate::address::{Address, AddressError};
use crate::script::Script;

impl Address {
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
    /// The address a script pays on `spec`'s chain, if it is the template.
    pub fn from_script(script: &Script, spec: &ChainSpec) -> Option<Address> {
        let public_key_hash = script.public_key_hash()?;
        Some(Address { version: spec.address_version, public_key_hash })
    }
}
