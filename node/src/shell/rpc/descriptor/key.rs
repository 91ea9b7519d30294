//! Keys in descriptors (BIP380): public keys, private keys in wallet import format, extended keys with a path (BIP32), each
//! perhaps behind its origin in brackets. Private keys are read and never written.

use bip32::{ChildNumber, ExtendedKey, Prefix, XPrv, XPub};
use chain_spec::{ChainSpec, PrivateKey, PublicKey};

/// Address version of Bitcoin's main chain; chains with another one use the prefixes of its test chains.
const MAIN_ADDRESS_VERSION: u8 = 0;

/// A key of a descriptor.
#[derive(Clone, Debug)]
pub struct Key {
    /// `[FINGERPRINT/PATH]`, as it was given, or nothing.
    origin: String,
    source: Source,
    is_private: bool,
}

#[derive(Clone, Debug)]
enum Source {
    Single(PublicKey),
    Extended {
        /// The key after as much of the path as needs a private key.
        base: Box<Extended>,
        /// What is left of the path.
        path: Vec<ChildNumber>,
        /// The last step stands for any index, hardened or not.
        wildcard: Option<bool>,
        /// The extended public key and the path, as they are shown.
        text: String,
    },
}

/// An extended key; private only where hardened steps need it.
#[derive(Clone)]
enum Extended {
    Private(XPrv),
    Public(XPub),
}

/// Secret, so never printed.
impl std::fmt::Debug for Extended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Extended(key)")
    }
}

impl Key {
    /// Reads a key.
    ///
    /// # Errors
    /// A sentence that says what is wrong. Keys may be secrets, so none repeats the key.
    pub fn parse(text: &str, spec: &ChainSpec) -> Result<Key, String> {
        let (origin, text) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            None => ("", text),
            Some(None) => return Err("the key origin's bracket is not closed".to_owned()),
            Some(Some((origin, key))) => {
                check_origin(origin)?;
                (&text[..origin.len() + 2], key)
            }
        };
        let origin = origin.to_owned();
        if let Ok(bytes) = hex::decode(text) {
            let public = PublicKey::from_bytes(&bytes).map_err(|_| "these digits are no public key".to_owned())?;
            if public.is_hybrid() {
                return Err("hybrid public keys are not allowed".to_owned());
            }
            return Ok(Key { origin, source: Source::Single(public), is_private: false });
        }
        if let Ok(private) = PrivateKey::from_wif(text, spec) {
            return Ok(Key { origin, source: Source::Single(private.public_key()), is_private: true });
        }
        extended(origin, text, spec)
    }

    /// Whether it stands for a key for each of many indexes.
    pub fn is_range(&self) -> bool {
        matches!(self.source, Source::Extended { wildcard: Some(_), .. })
    }
    /// Whether it was given as a private key.
    pub fn is_private(&self) -> bool {
        self.is_private
    }
    /// Its text, as a public key.
    pub fn public_text(&self) -> String {
        match &self.source {
            Source::Single(key) => format!("{}{}", self.origin, hex::encode(key.as_bytes())),
            Source::Extended { text, .. } => format!("{}{text}", self.origin),
        }
    }

    /// The public key at an index.
    ///
    /// # Errors
    /// There is none at that index.
    pub fn derive(&self, index: u32) -> Result<PublicKey, String> {
        let (base, path, wildcard) = match &self.source {
            Source::Single(key) => return Ok(key.clone()),
            Source::Extended { base, path, wildcard, .. } => (base, path, wildcard),
        };
        let failed = |error: bip32::Error| format!("no key at index {index}: {error}");
        let last = wildcard.map(|hardened| ChildNumber::new(index, hardened)).transpose().map_err(failed)?;
        let mut key = Extended::clone(base);
        for step in path.iter().copied().chain(last) {
            key = key.child(step).map_err(failed)?;
        }
        PublicKey::from_bytes(&key.public().to_bytes()).map_err(|error| error.to_string())
    }
}

impl Extended {
    fn child(&self, step: ChildNumber) -> Result<Extended, bip32::Error> {
        match self {
            Extended::Private(key) => key.derive_child(step).map(Extended::Private),
            Extended::Public(key) => key.derive_child(step).map(Extended::Public),
        }
    }
    fn public(&self) -> XPub {
        match self {
            Extended::Private(key) => key.public_key(),
            Extended::Public(key) => key.clone(),
        }
    }
}

fn check_origin(origin: &str) -> Result<(), String> {
    let mut parts = origin.split('/');
    let fingerprint = parts.next().unwrap_or_default();
    if fingerprint.len() != 8 || hex::decode(fingerprint).is_err() {
        return Err("the key origin does not begin with a fingerprint of 8 hexadecimal digits".to_owned());
    }
    parts.try_for_each(|part| step(part).map(drop))
}

/// `NUMBER`, or hardened `NUMBER'` or `NUMBERh`.
fn step(text: &str) -> Result<ChildNumber, String> {
    let (digits, hardened) = match text.strip_suffix(['\'', 'h']) {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let number = digits.parse::<u32>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.and_then(|number| ChildNumber::new(number, hardened).ok());
    number.ok_or_else(|| {
        format!("'{text}' is not a step of a key path: a number below 2147483648, perhaps hardened by ' or h")
    })
}

fn extended(origin: String, text: &str, spec: &ChainSpec) -> Result<Key, String> {
    let is_main = spec.address_version == MAIN_ADDRESS_VERSION;
    let (public_prefix, private_prefix) =
        if is_main { (Prefix::XPUB, Prefix::XPRV) } else { (Prefix::TPUB, Prefix::TPRV) };
    let (encoded, path_text) = text.split_once('/').map_or((text, ""), |(key, path)| (key, path));
    let parsed: ExtendedKey = encoded
        .parse()
        .map_err(|_| "it is no public key, no private key of this chain and no extended key".to_owned())?;
    let is_private = parsed.prefix == private_prefix;
    if !is_private && parsed.prefix != public_prefix {
        let (public, private) = (public_prefix.as_str(), private_prefix.as_str());
        return Err(format!("an extended key of this chain begins with {public} or {private}"));
    }
    let invalid = |error: bip32::Error| format!("the extended key is not valid: {error}");
    let base = if is_private {
        Extended::Private(XPrv::try_from(parsed).map_err(invalid)?)
    } else {
        Extended::Public(XPub::try_from(parsed).map_err(invalid)?)
    };
    let mut path = Vec::new();
    let mut wildcard = None;
    let parts: Vec<&str> = if path_text.is_empty() { Vec::new() } else { path_text.split('/').collect() };
    for (place, part) in parts.iter().enumerate() {
        match *part {
            "*" if place + 1 == parts.len() => wildcard = Some(false),
            "*'" | "*h" if place + 1 == parts.len() => wildcard = Some(true),
            part => path.push(step(part)?),
        }
    }
    let is_hardened = wildcard == Some(true) || path.iter().any(ChildNumber::is_hardened);
    if is_hardened && !is_private {
        return Err("a hardened step needs the extended private key".to_owned());
    }
    let shown = base.public().to_string(public_prefix);
    let text = parts.iter().fold(shown, |text, part| format!("{text}/{part}"));
    Ok(Key { origin, source: Source::Extended { base: Box::new(base), path, wildcard, text }, is_private })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BIP32's first test vector: the master key and the chains below it.
    const MASTER_PRIVATE: &str = "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi";
    const MASTER_PUBLIC: &str = "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8";
    /// Its child 0', as an extended public key.
    const CHILD_PUBLIC: &str = "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw";

    fn main() -> ChainSpec {
        ChainSpec::builtin("bitcoin-main").unwrap()
    }

    #[test]
    fn extended_keys_derive_as_bip32_says() {
        let hardened = Key::parse(&format!("{MASTER_PRIVATE}/0'/*"), &main()).unwrap();
        let direct = Key::parse(&format!("[3442193e/0']{CHILD_PUBLIC}/*"), &main()).unwrap();
        assert!(hardened.is_range() && direct.is_range() && hardened.is_private() && !direct.is_private());
        for index in [0, 1, 1_000] {
            assert_eq!(hardened.derive(index).unwrap(), direct.derive(index).unwrap());
        }
        assert_ne!(direct.derive(0).unwrap(), direct.derive(1).unwrap());
        // Chain m/0'/1 of the vector, which is the first child's child 1.
        let known = "03501e454bf00751f24b1b489aa925215d66af2234e3891c3b21a52bedb3cd711c";
        assert_eq!(hex::encode(direct.derive(1).unwrap().as_bytes()), known);
        assert_eq!(hardened.public_text(), format!("{MASTER_PUBLIC}/0'/*"), "no private key is shown");
    }

    #[test]
    fn keys_that_are_none_are_refused_without_repeating_them() {
        let wrong = [
            "".to_owned(),
            "02".to_owned(),
            format!("{MASTER_PUBLIC}/0'"),
            format!("{MASTER_PUBLIC}/*'"),
            format!("{MASTER_PUBLIC}/*/0"),
            format!("{MASTER_PUBLIC}/2147483648"),
            format!("{MASTER_PUBLIC}/+1"),
            format!("{MASTER_PUBLIC}/"),
            format!("[00]{MASTER_PUBLIC}"),
            format!("[3442193e/x]{MASTER_PUBLIC}"),
            format!("[3442193e{MASTER_PUBLIC}"),
            MASTER_PUBLIC[..110].to_owned(),
        ];
        for text in wrong {
            match Key::parse(&text, &main()) {
                // A slash at the end is an empty path.
                Ok(key) => assert!(text.ends_with('/') && !key.is_range(), "{text}"),
                Err(error) => assert!(text.len() < 20 || !error.contains(&text), "{error}"),
            }
        }
        let regtest = ChainSpec::builtin("bitcoin-regtest").unwrap();
        assert!(Key::parse(MASTER_PUBLIC, &regtest).is_err(), "another network's key");
    }
}
