//! Output descriptors (BIP380) that this chain can use: `addr(ADDRESS)`, `raw(HEX)`, `pkh(KEY)` and `combo(KEY)`, with
//! checksums. Keys are public ones, private ones in wallet import format, and extended ones with a path ([`key`]).
//!
//! `combo` stands for pay-to-public-key and pay-to-public-key-hash; its SegWit forms do not exist here.

use chain_spec::descriptor::{checksum, with_checksum};
use chain_spec::{Address, ChainSpec, Script};
use key::Key;

pub mod key;

/// The descriptor of a script, with its checksum.
pub fn of_script(script: &Script, address: Option<&Address>) -> String {
    with_checksum(&match address {
        Some(address) => format!("addr({address})"),
        None => format!("raw({})", hex::encode(script.as_bytes())),
    })
}

/// A descriptor that was read.
#[derive(Clone, Debug)]
pub struct Descriptor {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Address(Address),
    Raw(Script),
    PublicKeyHash(Key),
    Combo(Key),
}

/// A script that a descriptor stands for, and the descriptor of it alone, with its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The script.
    pub script: Script,
    /// Its descriptor.
    pub descriptor: String,
}

impl Descriptor {
    /// Reads a descriptor, with or without checksum.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str, spec: &ChainSpec) -> Result<Descriptor, String> {
        let body = match text.split_once('#') {
            None => text,
            Some((body, given)) => {
                let expected = checksum(body).ok_or("Invalid characters in payload")?;
                if expected != given {
                    return Err(format!("Provided checksum '{given}' does not match computed checksum '{expected}'"));
                }
                body
            }
        };
        let inside = |name: &str| body.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        let kind = if let Some(address) = inside("addr") {
            Kind::Address(Address::parse(address, spec).map_err(|error| error.to_string())?)
        } else if let Some(script) = inside("raw") {
            let script = hex::decode(script).map_err(|error| format!("raw() needs hexadecimal digits: {error}"))?;
            Kind::Raw(Script::from_bytes(script))
        } else if let Some(key) = inside("pkh") {
            Kind::PublicKeyHash(Key::parse(key, spec).map_err(|error| format!("pkh(): {error}"))?)
        } else if let Some(key) = inside("combo") {
            Kind::Combo(Key::parse(key, spec).map_err(|error| format!("combo(): {error}"))?)
        } else {
            return Err(format!(
                "'{body}' is not addr(ADDRESS), raw(HEX), pkh(KEY) or combo(KEY), the descriptors this node knows"
            ));
        };
        Ok(Descriptor { kind })
    }

    fn key(&self) -> Option<&Key> {
        match &self.kind {
            Kind::PublicKeyHash(key) | Kind::Combo(key) => Some(key),
            Kind::Address(_) | Kind::Raw(_) => None,
        }
    }
    /// Whether it stands for a script for each of many indexes.
    pub fn is_range(&self) -> bool {
        self.key().is_some_and(Key::is_range)
    }
    /// Whether it says how its scripts are unlocked, keys aside.
    pub fn is_solvable(&self) -> bool {
        self.key().is_some()
    }
    /// Whether it was given with a private key.
    pub fn has_private_key(&self) -> bool {
        self.key().is_some_and(Key::is_private)
    }
    /// Its text without private keys and with its checksum.
    pub fn canonical(&self) -> String {
        with_checksum(&match &self.kind {
            Kind::Address(address) => format!("addr({address})"),
            Kind::Raw(script) => format!("raw({})", hex::encode(script.as_bytes())),
            Kind::PublicKeyHash(key) => format!("pkh({})", key.public_text()),
            Kind::Combo(key) => format!("combo({})", key.public_text()),
        })
    }

    /// The scripts it stands for at an index, which means nothing unless it [is a range](Descriptor::is_range).
    ///
    /// # Errors
    /// The key has no child at that index.
    pub fn scripts(&self, index: u32) -> Result<Vec<Derived>, String> {
        let key = match &self.kind {
            Kind::Address(address) => {
                let script = address.script();
                return Ok(vec![Derived { script, descriptor: self.canonical() }]);
            }
            Kind::Raw(script) => return Ok(vec![Derived { script: script.clone(), descriptor: self.canonical() }]),
            Kind::PublicKeyHash(key) | Kind::Combo(key) => key.derive(index)?,
        };
        let digits = hex::encode(key.as_bytes());
        let to_hash = Derived {
            script: Script::pay_to_public_key_hash(&key.hash()),
            descriptor: with_checksum(&format!("pkh({digits})")),
        };
        if matches!(self.kind, Kind::PublicKeyHash(_)) {
            return Ok(vec![to_hash]);
        }
        /// The opcode at the end of pay-to-public-key.
        const CHECKSIG: u8 = 0xac;
        let bytes = key.as_bytes();
        let script = [&[bytes.len() as u8], bytes, &[CHECKSIG]].concat();
        let to_key =
            Derived { script: Script::from_bytes(script), descriptor: with_checksum(&format!("pk({digits})")) };
        Ok(vec![to_key, to_hash])
    }
}

/// The one script to pay to that a descriptor stands for; of `combo`, pay-to-public-key-hash.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse(text: &str, spec: &ChainSpec) -> Result<Script, String> {
    let descriptor = Descriptor::parse(text, spec)?;
    if descriptor.is_range() {
        return Err("Ranged descriptor not accepted. Maybe pass through deriveaddresses first?".to_owned());
    }
    let last = descriptor.scripts(0)?.pop();
    last.map(|derived| derived.script).ok_or_else(|| "the descriptor stands for no script".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_must_hold_and_may_be_absent() {
        let spec = ChainSpec::builtin("bitcoin-main").unwrap();
        let script = Script::from_bytes(vec![0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(parse("raw(deadbeef)#89f8spxm", &spec), Ok(script.clone()));
        assert_eq!(parse("raw(deadbeef)", &spec), Ok(script));
        for wrong in ["raw(deadbeef)#", "raw(deadbeef)#89f8spxmx", "raw(deadbeef)#89f8spx", "raw(deedbeef)#89f8spxm"] {
            assert!(parse(wrong, &spec).is_err(), "{wrong}");
        }
        assert!(parse("raw(Ü)#00000000", &spec).is_err());
    }

    #[test]
    fn an_address_is_read_back_from_its_descriptor() {
        let spec = ChainSpec::builtin("bitcoin-main").unwrap();
        let address = Address::parse("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", &spec).unwrap();
        let text = of_script(&address.script(), Some(&address));
        assert_eq!(parse(&text, &spec), Ok(address.script()));
        assert!(parse("addr(mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn)", &spec).is_err(), "another network's address");
        assert!(parse("pkh(02)", &spec).is_err());
    }

    /// Key and scripts of BIP381's test vectors.
    #[test]
    fn a_key_gives_the_scripts_of_bip381() {
        let spec = ChainSpec::builtin("bitcoin-main").unwrap();
        let public = "03a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd";
        let wif = "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1";
        let hash = "76a9149a1c78a507689f6f54b847ad1cef1e614ee23f1e88ac";
        for key in [public, wif] {
            let descriptor = Descriptor::parse(&format!("pkh({key})"), &spec).unwrap();
            let scripts = descriptor.scripts(0).unwrap();
            assert_eq!(hex::encode(scripts[0].script.as_bytes()), hash);
            assert_eq!(descriptor.has_private_key(), key == wif);
            assert_eq!(descriptor.canonical(), with_checksum(&format!("pkh({public})")));
            let combo = Descriptor::parse(&format!("combo({key})"), &spec).unwrap().scripts(0).unwrap();
            let combo: Vec<String> = combo.iter().map(|derived| hex::encode(derived.script.as_bytes())).collect();
            assert_eq!(combo, [format!("21{public}ac"), hash.to_owned()]);
        }
    }
}
