//! Keys: BIP39 words → BIP32 seed → BIP44 accounts `m/44'/coin'/account'/{0,1}/i`, watch-only accounts, imported keys.
//!
//! [`words`] are the backup, [`extended`] reads and writes extended public keys, [`descriptor`] speaks `pkh()` with Core and
//! Electrum, `account` derives one account, [`keyring`] holds them all and says which scripts are ours.
//! Neighbours: [`crate::file`] stores the words encrypted, [`crate::ledger`] asks which scripts are ours,
//! [`crate::build`] asks for private keys to sign with. Absent: hardware devices (they sign a PSBT, see [`crate::psbt`]).

mod account;
pub mod descriptor;
pub mod extended;
pub mod keyring;
pub mod words;

use chain_spec::{Address, ChainSpec};

pub use account::Account;
pub use keyring::{KeyOrigin, Keyring};
pub use words::Words;

/// Unused keys a scan looks ahead of the last used one (BIP44, "Address gap limit").
pub const GAP_LIMIT: u32 = 20;

/// Why words, keys or descriptors cannot be used. No message repeats a secret.
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
    /// An extended public key that cannot be used.
    #[error("not a usable extended public key: {0}")]
    Extended(String),
    /// A descriptor that cannot be used.
    #[error("not a usable descriptor: {0}")]
    Descriptor(String),
    /// The wallet has only the public key.
    #[error("this wallet has no private key for {0}: it only watches; sign with the wallet that has it (sign-psbt)")]
    WatchOnly(String),
    /// No such account.
    #[error("there is no account {0}: `accounts` lists them, `create-account` makes the next one")]
    NoAccount(u32),
    /// BIP44 lets no account follow an unused one, since a restore would not find it.
    #[error(
        "account {0} is still unused: use it first, since a restore from the words stops at an unused account (BIP44)"
    )]
    AccountUnused(u32),
}

/// BIP44's two branches of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Branch {
    /// Addresses given to payers.
    External,
    /// Where the wallet sends its own change.
    Change,
}

/// Where a derived key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath {
    /// The account, by its place in the wallet: BIP44's account number for a wallet made from words.
    pub account: u32,
    /// Which branch.
    pub branch: Branch,
    /// The index on it, from 0.
    pub index: u32,
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
#[cfg(test)]
mod vectors;
