//! One account: its two branches of keys and how far they are used.

use bip32::{ChildNumber, ExtendedKey, ExtendedKeyAttrs, Prefix, XPrv, XPub};
use chain_spec::descriptor::with_checksum;
use chain_spec::{ChainSpec, PrivateKey, PublicKey};
use zeroize::{Zeroize, Zeroizing};

use super::descriptor::WatchedKey;
use super::{Branch, KeyError, extended};
use crate::secret::Secret;

/// One branch: its key and what was derived from it.
#[derive(Clone)]
struct BranchKeys {
    /// None where a watch-only account has no change branch.
    public: Option<XPub>,
    /// Public key hashes derived so far, by index.
    hashes: Vec<[u8; 20]>,
    /// First index that was neither handed out nor seen in a transaction.
    next: u32,
}

/// An account's keys.
#[derive(Clone)]
pub struct Account {
    /// What its owner calls it.
    pub(super) name: String,
    /// Shown to the user: made by them, or used. The one account more that a restore looks ahead is not.
    pub(super) is_listed: bool,
    /// The account's extended private key, unless it is only watched.
    private: Option<PrivateNode>,
    /// As a descriptor names it, without derivation and checksum.
    key_text: String,
    /// `m/44'/1'/0'`.
    path: String,
    fingerprint: Option<[u8; 4]>,
    branches: [BranchKeys; 2],
}

impl Account {
    /// BIP44's account `number` of a root key.
    pub(super) fn derive(root: &XPrv, coin_type: u32, number: u32, spec: &ChainSpec) -> Result<Account, KeyError> {
        let path = format!("m/44'/{coin_type}'/{number}'");
        let failed = |_| KeyError::Derivation(path.clone());
        let mut key = root.clone();
        for index in [44, coin_type, number] {
            key = key.derive_child(ChildNumber::new(index, true).map_err(failed)?).map_err(failed)?;
        }
        let branch = |number| {
            let public = key.derive_child(ChildNumber(number)).map_err(failed)?.public_key();
            Ok(BranchKeys { public: Some(public), hashes: Vec::new(), next: 0 })
        };
        let branches = [branch(0)?, branch(1)?];
        let fingerprint = root.public_key().fingerprint();
        let public = extended::to_text(&key.public_key(), spec);
        let key_text = format!("[{}/44h/{coin_type}h/{number}h]{public}", hex::encode(fingerprint));
        let name = format!("account {number}");
        let fingerprint = Some(fingerprint);
        Ok(Account {
            name,
            is_listed: false,
            private: Some(PrivateNode::of(&key)),
            key_text,
            path,
            fingerprint,
            branches,
        })
    }

    /// An account that can be watched but not spent from.
    pub(super) fn watch(key: WatchedKey) -> Account {
        let branch = |public| BranchKeys { public, hashes: Vec::new(), next: 0 };
        Account {
            name: "watched".into(),
            is_listed: true,
            private: None,
            branches: [branch(Some(key.external)), branch(key.change)],
            key_text: key.key_text,
            path: key.path,
            fingerprint: key.fingerprint,
        }
    }

    /// What its owner calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its owner knows it: made by them, or used.
    pub fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// Whether its coins can only be watched.
    pub fn is_watch_only(&self) -> bool {
        self.private.is_none()
    }

    /// Where it is, `m/44'/1'/0'`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The master key's fingerprint (BIP32), if it is known.
    pub fn fingerprint(&self) -> Option<[u8; 4]> {
        self.fingerprint
    }

    /// Its extended public key.
    pub fn extended_public_key(&self) -> &str {
        self.key_text.rsplit(']').next().unwrap_or(&self.key_text)
    }

    /// Its descriptors with checksum: external and change.
    pub fn descriptors(&self) -> Vec<String> {
        let one = |branch: Branch| {
            self.branches[branch as usize].public.as_ref()?;
            Some(with_checksum(&format!("pkh({}/{}/*)", self.key_text, branch as u8)))
        };
        [Branch::External, Branch::Change].into_iter().filter_map(one).collect()
    }

    /// One text from which [`super::descriptor::parse`] makes the account again.
    pub(crate) fn source(&self) -> String {
        let derivation = if self.branches[1].public.is_some() { "<0;1>" } else { "0" };
        with_checksum(&format!("pkh({}/{derivation}/*)", self.key_text))
    }

    /// The branch for change: the external one where there is no other.
    pub(super) fn change_branch(&self) -> Branch {
        if self.branches[1].public.is_some() { Branch::Change } else { Branch::External }
    }

    pub(super) fn next(&self, branch: Branch) -> u32 {
        self.branches[branch as usize].next
    }

    pub(super) fn set_next(&mut self, branch: Branch, next: u32) {
        let keys = &mut self.branches[branch as usize];
        keys.next = keys.next.max(next);
    }

    /// The public key hashes derived so far.
    pub(crate) fn hashes(&self, branch: Branch) -> &[[u8; 20]] {
        &self.branches[branch as usize].hashes
    }

    /// Puts back hashes that were derived earlier, so that a large wallet opens quickly. The first is derived again: a file
    /// of other keys is noticed.
    pub(super) fn restore_hashes(&mut self, branch: Branch, hashes: Vec<[u8; 20]>) {
        let keys = &mut self.branches[branch as usize];
        let first = keys.public.as_ref().and_then(|public| derive_hash(public, 0));
        if hashes.first().copied() == first {
            keys.hashes = hashes;
        }
    }

    /// Derives what is missing below `wanted`; gives the new ones with their index.
    pub(super) fn look_ahead(&mut self, branch: Branch, gap_limit: u32) -> Result<Vec<(u32, [u8; 20])>, KeyError> {
        let keys = &mut self.branches[branch as usize];
        let Some(public) = &keys.public else { return Ok(Vec::new()) };
        let wanted = keys.next.saturating_add(gap_limit).min(ChildNumber::HARDENED_FLAG);
        let mut fresh = Vec::new();
        for index in keys.hashes.len() as u32..wanted {
            let failed = || KeyError::Derivation(format!("{}/{}/{index}", self.path, branch as u8));
            let hash = derive_hash(public, index).ok_or_else(failed)?;
            keys.hashes.push(hash);
            fresh.push((index, hash));
        }
        Ok(fresh)
    }

    /// The public key at an index of a branch.
    pub(super) fn public_key(&self, branch: Branch, index: u32) -> Option<PublicKey> {
        let child = self.branches[branch as usize].public.as_ref()?.derive_child(ChildNumber(index)).ok()?;
        PublicKey::from_bytes(&child.to_bytes()).ok()
    }

    /// The private key at an index of a branch.
    pub(super) fn private_key(&self, branch: Branch, index: u32) -> Result<PrivateKey, KeyError> {
        let path = format!("{}/{}/{index}", self.path, branch as u8);
        let Some(account) = &self.private else { return Err(KeyError::WatchOnly(path)) };
        let child = account
            .key()?
            .derive_child(ChildNumber(branch as u32))
            .and_then(|branch| branch.derive_child(ChildNumber(index)))
            .map_err(|_| KeyError::Derivation(path.clone()))?;
        let secret: Zeroizing<[u8; 32]> = Zeroizing::new(child.to_bytes());
        PrivateKey::from_bytes(&secret, true).map_err(|_| KeyError::Derivation(path))
    }
}

/// An extended private key at rest; it is put together only to derive from it.
#[derive(Clone)]
pub(super) struct PrivateNode {
    attrs: ExtendedKeyAttrs,
    secret: Secret,
}

impl PrivateNode {
    /// Takes a copy; the key erases itself when it is dropped.
    pub(super) fn of(key: &XPrv) -> PrivateNode {
        PrivateNode { attrs: key.attrs().clone(), secret: Secret::new(&*Zeroizing::new(key.to_bytes())) }
    }

    /// The key, for as long as it is needed.
    pub(super) fn key(&self) -> Result<XPrv, KeyError> {
        let mut key_bytes = Zeroizing::new([0; 33]);
        key_bytes[1..].copy_from_slice(&self.secret);
        // The prefix is for texts; it has no part in deriving.
        let mut whole = ExtendedKey { prefix: Prefix::XPRV, attrs: self.attrs.clone(), key_bytes: *key_bytes };
        let key = XPrv::try_from(whole.clone()).map_err(|_| KeyError::Derivation("m".into()));
        whole.key_bytes.zeroize();
        key
    }
}

/// The public key hash of a branch's child. Public derivation costs one point multiplication; private costs two.
fn derive_hash(branch: &XPub, index: u32) -> Option<[u8; 20]> {
    let child = branch.derive_child(ChildNumber(index)).ok()?;
    Some(PublicKey::from_bytes(&child.to_bytes()).ok()?.hash())
}
