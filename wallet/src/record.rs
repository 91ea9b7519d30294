//! The payload of the wallet file: secrets and what was learned, as bincode with a bound on every length.
//!
//! Transactions travel as their canonical bytes. Coins and balances are derived from them and not stored. Format 1 of the
//! file (one account, nothing imported, no labels) is still read, see [`Record::from_format_1`].

mod format_1;

use std::sync::Arc;

use bincode::{Decode, Encode};
use chain_spec::{BlockHash, Decode as _, Encode as _, Transaction};
use zeroize::{Zeroize, Zeroizing};

use crate::ledger::{Entry, Ledger, Position};

/// The largest payload read.
const PAYLOAD_BYTES_MAX: usize = 256 << 20;

/// Why a decrypted payload cannot be used. Its authenticity is proven, so this is a bug or a file of a later version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wallet's contents are not understood ({0}): was it written by a newer version?")]
pub struct RecordError(pub String);

/// What the keys come from.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Source {
    /// Words: everything can be signed.
    Words {
        /// BIP39 entropy.
        entropy: Vec<u8>,
        /// BIP39 passphrase.
        passphrase: String,
    },
    /// Extended public keys as descriptors, one an account: everything can be watched.
    Watched(Vec<String>),
}

/// An account's state.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AccountRecord {
    /// What its owner calls it.
    pub name: String,
    /// Whether its owner knows it.
    pub is_listed: bool,
    /// First index not handed out: external, change.
    pub next: [u32; 2],
    /// Public key hashes of both branches. They could be derived again, but not in the time a command should take.
    pub hashes: [Vec<[u8; 20]>; 2],
}

/// An imported key.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct ImportedKey {
    /// The secret.
    pub secret: [u8; 32],
    /// Whether its public key is compressed.
    pub is_compressed: bool,
}

/// Everything a wallet file holds. The secrets are erased when it is dropped.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// Where the keys come from.
    pub source: Source,
    /// The chain's whole spec as TOML, so that the file alone says which chain it is for.
    pub spec: String,
    /// Keys looked ahead.
    pub gap_limit: u32,
    /// By number.
    pub accounts: Vec<AccountRecord>,
    /// Keys that came by themselves.
    pub imported: Vec<ImportedKey>,
    /// What the owner wrote beside addresses, transactions and coins.
    pub labels: Vec<(String, String)>,
    /// Coins that are not to be chosen: txid and index.
    pub frozen: Vec<([u8; 32], u32)>,
    /// Remembered blocks.
    pub checkpoints: Vec<(u32, [u8; 32])>,
    /// Transactions, first seen first.
    pub entries: Vec<EntryRecord>,
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Source::Words { entropy, passphrase } = &mut self.source {
            entropy.zeroize();
            passphrase.zeroize();
        }
        self.imported.iter_mut().for_each(|key| key.secret.zeroize());
    }
}

/// One transaction of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EntryRecord {
    bytes: Vec<u8>,
    position: Option<(u32, u32)>,
    time_s: u32,
    sent: bool,
    abandoned: bool,
    in_mempool: bool,
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<PAYLOAD_BYTES_MAX>()
}

fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, RecordError> {
    let (record, used) = bincode::decode_from_slice(bytes, config()).map_err(|error| RecordError(error.to_string()))?;
    if used == bytes.len() { Ok(record) } else { Err(RecordError("bytes remain at its end".into())) }
}

impl Record {
    /// The bytes to encrypt.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, RecordError> {
        bincode::encode_to_vec(self, config()).map(Zeroizing::new).map_err(|error| RecordError(error.to_string()))
    }

    /// From decrypted bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Record, RecordError> {
        decode(bytes)
    }

    /// From the decrypted bytes of a file of format 1.
    pub fn from_format_1(bytes: &[u8]) -> Result<Record, RecordError> {
        decode::<format_1::Record>(bytes).map(Record::from)
    }

    /// Stores a ledger.
    pub fn set_ledger(&mut self, ledger: &Ledger) {
        self.checkpoints = ledger.checkpoints().map(|(height, hash)| (height, *hash.as_bytes())).collect();
        let mut entries: Vec<&Entry> = ledger.entries().map(|(_, entry)| entry).collect();
        entries.sort_by_key(|entry| entry.sequence);
        self.entries = entries.into_iter().map(EntryRecord::from_entry).collect();
    }

    /// The blocks the stored ledger remembered.
    pub fn checkpoints(&self) -> impl Iterator<Item = (u32, BlockHash)> + '_ {
        self.checkpoints.iter().map(|(height, hash)| (*height, BlockHash::from_bytes(*hash)))
    }

    /// The stored ledger's transactions, in the order they were first seen; each is taken out of the record as it is given.
    pub fn take_entries(&mut self) -> impl Iterator<Item = Result<Entry, RecordError>> + use<> {
        std::mem::take(&mut self.entries).into_iter().map(|entry| entry.to_entry())
    }
}

impl EntryRecord {
    fn from_entry(entry: &Entry) -> EntryRecord {
        EntryRecord {
            bytes: entry.transaction.to_bytes(),
            position: entry.position.map(|position| (position.height, position.index)),
            time_s: entry.time_s,
            sent: entry.sent,
            abandoned: entry.abandoned,
            in_mempool: entry.in_mempool,
        }
    }

    fn to_entry(&self) -> Result<Entry, RecordError> {
        let transaction = Transaction::from_bytes(&self.bytes).map_err(|error| RecordError(error.to_string()))?;
        Ok(Entry {
            transaction: Arc::new(transaction),
            position: self.position.map(|(height, index)| Position { height, index }),
            time_s: self.time_s,
            sent: self.sent,
            abandoned: self.abandoned,
            in_mempool: self.in_mempool,
            sequence: 0,
        })
    }
}

#[cfg(test)]
mod tests;
