//! Extended public keys as text (BIP32): `xpub…` on chains with main-chain addresses, `tpub…` elsewhere.

use std::str::FromStr;

use bip32::{ExtendedKey, Prefix, XPub};
use chain_spec::ChainSpec;

use super::KeyError;

/// Extended private keys begin so; they are secrets and are not taken where a public one is asked for.
const PRIVATE: [&str; 2] = ["xprv", "tprv"];

/// The prefix of a chain's extended public keys.
fn prefix(spec: &ChainSpec) -> Prefix {
    if spec.address_version == 0 { Prefix::XPUB } else { Prefix::TPUB }
}

/// Reads an extended public key of `spec`'s kind of chain. Refuses what BIP32 calls invalid, which includes a key of depth
/// zero that names a parent or a child number (its test vector 5), and private keys.
pub fn parse(text: &str, spec: &ChainSpec) -> Result<XPub, KeyError> {
    let invalid = |reason: &str| KeyError::Extended(reason.to_owned());
    if PRIVATE.iter().any(|private| text.starts_with(private)) {
        return Err(invalid("it is a private one, which a watching wallet must not have"));
    }
    let key = ExtendedKey::from_str(text).map_err(|_| invalid("not Base58Check text of 78 bytes, or mistyped"))?;
    let expected = prefix(spec);
    if key.prefix != expected {
        let (found, name) = (key.prefix.as_str(), &spec.name);
        return Err(KeyError::Extended(format!("it begins with {found}, those of chain {name:?} with {expected}")));
    }
    if key.attrs.depth == 0 && (key.attrs.parent_fingerprint != [0; 4] || key.attrs.child_number.0 != 0) {
        return Err(invalid("a key of depth zero has no parent, but this one names one"));
    }
    XPub::try_from(key).map_err(|_| invalid("its bytes are no public key"))
}

/// Writes one.
pub fn to_text(key: &XPub, spec: &ChainSpec) -> String {
    key.to_string(prefix(spec))
}
