//! Keys from words: BIP39 words → BIP32 seed → BIP44 branches `m/44'/coin'/0'/{0,1}/i`.
//!
//! Neighbours: [`crate::file`] stores the words encrypted, [`crate::ledger`] asks which scripts are ours, [`crate::build`]
//! asks for private keys to sign with. Absent: other accounts, hardware keys, watch-only wallets, imported keys (a foreign
//! key is swept, see [`crate::wallet::sweep`]).

use std::collections::HashMap;

use bip32::{ChildNumber, XPrv, XPub};
use bip39::{Language, Mnemonic};
use chain_spec::{Address, ChainSpec, PrivateKey, PublicKey};
use zeroize::Zeroizing;

/// Unused keys a scan looks ahead of the last used one (BIP44, "Address gap limit").
pub const GAP_LIMIT: u32 = 20;

/// Why words, or keys made from them, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Another count than BIP39 allows.
    #[error("{0} words: a BIP39 backup has 12, 15, 18, 21 or 24 words")]
    WordCount(usize),
    /// A word that the list does not hold.
    #[error("word {position} ({word:?}) is not in the BIP39 English list: check its spelling{hint}")]
    UnknownWord {
        /// Counted from 1, as people do.
        position: usize,
        /// The word as given.
        word: String,
        /// `", did you mean …?"`, or nothing.
        hint: String,
    },
    /// All words are known, but not in this order.
    #[error("the words' checksum is wrong: every word exists, so one was mistaken for another or two were swapped")]
    Checksum,
    /// The operating system gave no randomness.
    #[error("the operating system gave no random bytes: {0}")]
    Random(String),
    /// BIP32 has no key at this index; the chance is below 2⁻¹²⁷.
    #[error("no key exists at {0}")]
    Derivation(String),
}

/// BIP39 words (English list). Erased when dropped; `Debug` does not show them.
#[derive(Clone)]
pub struct Words(Mnemonic);

impl Words {
    /// Fresh words from the operating system's randomness: 12, 15, 18, 21 or 24 of them.
    pub fn generate(count: usize) -> Result<Words, KeyError> {
        if !(12..=24).contains(&count) || !count.is_multiple_of(3) {
            return Err(KeyError::WordCount(count));
        }
        let mut entropy = Zeroizing::new(vec![0u8; count / 3 * 4]);
        getrandom::fill(&mut entropy).map_err(|error| KeyError::Random(error.to_string()))?;
        Words::from_entropy(&entropy)
    }

    /// The words that stand for 16, 20, 24, 28 or 32 bytes.
    pub fn from_entropy(entropy: &[u8]) -> Result<Words, KeyError> {
        Mnemonic::from_entropy(entropy).map(Words).map_err(|_| KeyError::WordCount(entropy.len() / 4 * 3))
    }

    /// Reads words separated by white space, in any case, and checks their checksum.
    pub fn parse(text: &str) -> Result<Words, KeyError> {
        let text = Zeroizing::new(text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase());
        Mnemonic::parse_in(Language::English, text.as_str()).map(Words).map_err(|error| match error {
            bip39::Error::BadWordCount(count) => KeyError::WordCount(count),
            bip39::Error::UnknownWord(index) => {
                let word = text.split(' ').nth(index).unwrap_or_default().to_owned();
                KeyError::UnknownWord { position: index + 1, hint: spelling_hint(&word), word }
            }
            _ => KeyError::Checksum,
        })
    }

    /// The bytes the words stand for.
    pub fn to_entropy(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.to_entropy())
    }

    /// The BIP39 seed; the passphrase is NFKD-normalised first.
    fn seed(&self, passphrase: &str) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(self.0.to_seed(passphrase))
    }

    /// The words, separated by single spaces.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string())
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Words(…)")
    }
}

/// The nearest word of the list, if it is near enough to be what was meant.
fn spelling_hint(word: &str) -> String {
    let list = Language::English.word_list();
    let nearest = list.iter().map(|known| (edit_distance(word, known), known)).min();
    match nearest.filter(|(distance, _)| *distance <= EDITS_MAX) {
        Some((_, known)) => format!(" (did you mean {known:?}?)"),
        None => String::new(),
    }
}

/// Slips of the pen within which a word is recognised.
const EDITS_MAX: usize = 2;

/// Letters to insert, delete or change to make one word the other (Levenshtein).
fn edit_distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, counterpart) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *counterpart);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

/// BIP44's two branches of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Branch {
    /// Addresses given to payers.
    External,
    /// Where the wallet sends its own change.
    Change,
}

/// Where in the account a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath {
    /// Which branch.
    pub branch: Branch,
    /// The index on it, from 0.
    pub index: u32,
}

/// One branch: its extended keys and how far it is used.
struct BranchKeys {
    private: XPrv,
    public: XPub,
    /// Public key hashes derived so far, by index.
    hashes: Vec<[u8; 20]>,
    /// First index that was neither handed out nor seen in a transaction.
    next: u32,
}

/// All keys of a wallet: derives, remembers which were used, and finds the key that a script pays.
pub struct Keyring {
    branches: [BranchKeys; 2],
    paths: HashMap<[u8; 20], KeyPath>,
    coin_type: u32,
    gap_limit: u32,
}

impl Keyring {
    /// The keys of `words` and `passphrase` (BIP39; may be empty) on `spec`'s chain.
    pub fn new(words: &Words, passphrase: &str, spec: &ChainSpec) -> Result<Keyring, KeyError> {
        let coin_type = coin_type(spec);
        let failed = |_| KeyError::Derivation(format!("m/44'/{coin_type}'/0'"));
        let hardened = |index| ChildNumber::new(index, true).map_err(failed);
        let seed = words.seed(passphrase);
        let account = XPrv::new(&*seed)
            .and_then(|root| root.derive_child(ChildNumber::new(44, true)?))
            .map_err(failed)?
            .derive_child(hardened(coin_type)?)
            .map_err(failed)?
            .derive_child(hardened(0)?)
            .map_err(failed)?;
        let branch = |number| {
            let private = account.derive_child(ChildNumber(number)).map_err(failed)?;
            let public = private.public_key();
            Ok(BranchKeys { private, public, hashes: Vec::new(), next: 0 })
        };
        let mut keyring =
            Keyring { branches: [branch(0)?, branch(1)?], paths: HashMap::new(), coin_type, gap_limit: GAP_LIMIT };
        keyring.look_ahead()?;
        Ok(keyring)
    }

    /// Looks at least `gap_limit` keys ahead of the last used one from now on.
    pub fn set_gap_limit(&mut self, gap_limit: u32) -> Result<(), KeyError> {
        self.gap_limit = gap_limit.max(GAP_LIMIT);
        self.look_ahead()
    }

    /// The first index of `branch` that was neither handed out nor used.
    pub fn next_index(&self, branch: Branch) -> u32 {
        self.branches[branch as usize].next
    }

    /// Marks every index below `next` as handed out.
    pub fn reserve(&mut self, branch: Branch, next: u32) -> Result<(), KeyError> {
        let keys = &mut self.branches[branch as usize];
        if next <= keys.next {
            return Ok(());
        }
        keys.next = next;
        self.look_ahead()
    }

    /// Notes that a script paid `hash`. Returns whether the key is ours; if so, the look-ahead moves past it.
    pub fn observe(&mut self, hash: &[u8; 20]) -> Result<bool, KeyError> {
        let Some(path) = self.path(hash) else { return Ok(false) };
        self.reserve(path.branch, path.index.saturating_add(1))?;
        Ok(true)
    }

    /// Keys watched on both branches together; grows as they are used.
    pub fn watched(&self) -> usize {
        self.paths.len()
    }

    /// Where the key of a public key hash is, if it is ours.
    pub fn path(&self, hash: &[u8; 20]) -> Option<KeyPath> {
        self.paths.get(hash).copied()
    }

    /// The public key hash at `path`, if it is within the look-ahead.
    pub fn hash(&self, path: KeyPath) -> Option<[u8; 20]> {
        self.branches[path.branch as usize].hashes.get(path.index as usize).copied()
    }

    /// The private key at `path`.
    pub fn private_key(&self, path: KeyPath) -> Result<PrivateKey, KeyError> {
        let failed = || KeyError::Derivation(self.path_text(path));
        let child = self.branches[path.branch as usize].private.derive_child(ChildNumber(path.index));
        let secret: Zeroizing<[u8; 32]> = Zeroizing::new(child.map_err(|_| failed())?.to_bytes());
        PrivateKey::from_bytes(&secret, true).map_err(|_| failed())
    }

    /// `m/44'/1'/0'/0/7`.
    pub fn path_text(&self, path: KeyPath) -> String {
        format!("m/44'/{}'/0'/{}/{}", self.coin_type, path.branch as u8, path.index)
    }

    /// Derives what is missing of the look-ahead.
    fn look_ahead(&mut self) -> Result<(), KeyError> {
        for branch in [Branch::External, Branch::Change] {
            let keys = &mut self.branches[branch as usize];
            let wanted = keys.next.saturating_add(self.gap_limit).min(ChildNumber::HARDENED_FLAG);
            for index in keys.hashes.len() as u32..wanted {
                let hash = derive_hash(&keys.public, index).ok_or_else(|| {
                    KeyError::Derivation(format!("m/44'/{}'/0'/{}/{index}", self.coin_type, branch as u8))
                })?;
                keys.hashes.push(hash);
                self.paths.insert(hash, KeyPath { branch, index });
            }
        }
        Ok(())
    }
}

/// The public key hash of a branch's child. Public derivation costs one point multiplication; private costs two.
fn derive_hash(branch: &XPub, index: u32) -> Option<[u8; 20]> {
    let child = branch.derive_child(ChildNumber(index)).ok()?;
    Some(PublicKey::from_bytes(&child.to_bytes()).ok()?.hash())
}

/// SLIP44: 0 on chains with main-chain addresses, 1 ("testnet, all coins") elsewhere.
pub fn coin_type(spec: &ChainSpec) -> u32 {
    u32::from(spec.address_version != 0)
}

/// The address of a public key hash on a chain.
pub fn address(hash: [u8; 20], spec: &ChainSpec) -> Address {
    Address { version: spec.address_version, public_key_hash: hash }
}

#[cfg(test)]
mod tests;
