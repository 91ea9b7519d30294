//! The payload of the wallet file: secrets and what was learned, as bincode with a bound on every length.
//!
//! Transactions travel as their canonical bytes. What can be derived is not stored: keys and addresses come from the
//! words, coins and balances from the transactions.

use std::sync::Arc;

use bincode::{Decode, Encode};
use chain_spec::{BlockHash, Decode as _, Encode as _, Transaction};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::ledger::{Entry, Ledger, Position};

/// The largest payload read.
const PAYLOAD_BYTES_MAX: usize = 256 << 20;

/// Why a decrypted payload cannot be used. Its authenticity is proven, so this is a bug or a file of a later version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wallet's contents are not understood ({0}): was it written by a newer version?")]
pub struct RecordError(pub String);

/// Everything a wallet file holds. The secrets are erased when it is dropped.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
pub struct Record {
    /// BIP39 entropy.
    pub entropy: Vec<u8>,
    /// BIP39 passphrase.
    pub passphrase: String,
    /// The chain's whole spec as TOML, so that the file alone says which chain it is for.
    #[zeroize(skip)]
    pub spec: String,
    /// First index not handed out: external, change.
    #[zeroize(skip)]
    pub next: [u32; 2],
    /// Keys looked ahead.
    #[zeroize(skip)]
    pub gap_limit: u32,
    /// Remembered blocks.
    #[zeroize(skip)]
    pub checkpoints: Vec<(u32, [u8; 32])>,
    /// Transactions, first seen first.
    #[zeroize(skip)]
    pub entries: Vec<EntryRecord>,
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

impl Record {
    /// The bytes to encrypt.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, RecordError> {
        bincode::encode_to_vec(self, config()).map(Zeroizing::new).map_err(|error| RecordError(error.to_string()))
    }

    /// From decrypted bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Record, RecordError> {
        let (record, used) =
            bincode::decode_from_slice(bytes, config()).map_err(|error| RecordError(error.to_string()))?;
        if used == bytes.len() { Ok(record) } else { Err(RecordError("bytes remain at its end".into())) }
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

    /// The stored ledger's transactions, in the order they were first seen.
    pub fn entries(&self) -> Result<Vec<Entry>, RecordError> {
        self.entries.iter().map(EntryRecord::to_entry).collect()
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
