//! Output descriptors of the one kind this chain can spend, `pkh(KEY)` (BIP380, BIP381), with their checksum.
//!
//! `KEY` is an extended public key with an optional origin before it and a derivation behind it:
//! `pkh([d34db33f/44h/1h/0h]tpub…/<0;1>/*)#checksum`. Understood are `/0/*`, `/1/*`, `/<0;1>/*` (BIP389) and none, which
//! means an account's key with both branches.

use bip32::XPub;
use chain_spec::ChainSpec;
use chain_spec::descriptor::checksum;

use super::{KeyError, extended};

/// What a watch-only account is made of.
#[derive(Clone, Debug)]
pub struct WatchedKey {
    /// The descriptor's text up to the derivation, without checksum: it is written back as it came.
    pub key_text: String,
    /// `m/44'/1'/0'`, or where else the key is; what the wallet shows before branch and index.
    pub path: String,
    /// The master key's fingerprint, if the origin says it.
    pub fingerprint: Option<[u8; 4]>,
    /// The external branch's key.
    pub external: XPub,
    /// The change branch's key, if there is one.
    pub change: Option<XPub>,
}

/// Reads an extended public key, or a `pkh()` descriptor whose checksum, if it has one, must hold.
pub fn parse(text: &str, spec: &ChainSpec) -> Result<WatchedKey, KeyError> {
    let invalid = |reason: String| KeyError::Descriptor(reason);
    let text = text.trim();
    let (body, given) = text.split_once('#').map_or((text, None), |(body, checksum)| (body, Some(checksum)));
    if let Some(given) = given {
        let expected = checksum(body).ok_or_else(|| invalid("it has a character that no descriptor has".into()))?;
        if given != expected {
            return Err(invalid("the checksum behind # does not match: it was mistyped or cut".into()));
        }
    }
    let key = match body.strip_prefix("pkh(").and_then(|rest| rest.strip_suffix(')')) {
        Some(key) => key,
        None if body.contains('(') => return Err(invalid("only pkh(…) can be spent on this chain".into())),
        None => body,
    };
    let (origin, key) = match key.strip_prefix('[') {
        Some(rest) => {
            let (origin, key) = rest.split_once(']').ok_or_else(|| invalid("the origin has no closing ]".into()))?;
            (Some(origin), key)
        }
        None => (None, key),
    };
    let (public, derivation) = match key.split_once('/') {
        Some((public, derivation)) => (public, derivation),
        None => (key, "<0;1>/*"),
    };
    let account = extended::parse(public, spec)?;
    let child = |number| {
        account.derive_child(bip32::ChildNumber(number)).map_err(|_| invalid("its branches cannot be derived".into()))
    };
    let (external, change) = match derivation {
        "<0;1>/*" | "**" => (child(0)?, Some(child(1)?)),
        "0/*" => (child(0)?, None),
        "1/*" => (child(1)?, None),
        "*" => (account.clone(), None),
        other => return Err(invalid(format!("derivation /{other}: understood are /<0;1>/*, /0/*, /1/* and /*"))),
    };
    let (fingerprint, path) = match origin {
        Some(origin) => {
            let (fingerprint, path) = origin.split_once('/').unwrap_or((origin, ""));
            let bytes = hex::decode(fingerprint).ok().and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
            let bytes = bytes.ok_or_else(|| invalid("an origin begins with a fingerprint of 8 hex digits".into()))?;
            (Some(bytes), format!("m/{}", path.replace(['h', 'H'], "'")))
        }
        None => (None, "m".to_owned()),
    };
    let key_text = origin.map_or_else(|| public.to_owned(), |origin| format!("[{origin}]{public}"));
    Ok(WatchedKey { key_text, path, fingerprint, external, change })
}
