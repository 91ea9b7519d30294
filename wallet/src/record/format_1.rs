//! What a wallet file of format 1 holds.

use bincode::{Decode, Encode};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{AccountRecord, EntryRecord, Source};

/// The payload of format 1.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
pub(super) struct Record {
    /// BIP39 entropy.
    pub(super) entropy: Vec<u8>,
    /// BIP39 passphrase.
    pub(super) passphrase: String,
    #[zeroize(skip)]
    pub(super) spec: String,
    /// First index not handed out: external, change.
    #[zeroize(skip)]
    pub(super) next: [u32; 2],
    #[zeroize(skip)]
    pub(super) gap_limit: u32,
    #[zeroize(skip)]
    pub(super) checkpoints: Vec<(u32, [u8; 32])>,
    #[zeroize(skip)]
    pub(super) entries: Vec<EntryRecord>,
}

impl From<Record> for super::Record {
    fn from(mut old: Record) -> super::Record {
        use std::mem::take;
        super::Record {
            source: Source::Words { entropy: take(&mut old.entropy), passphrase: take(&mut old.passphrase) },
            spec: take(&mut old.spec),
            gap_limit: old.gap_limit,
            accounts: vec![AccountRecord {
                name: "account 0".into(),
                is_listed: true,
                next: old.next,
                hashes: [Vec::new(), Vec::new()],
            }],
            imported: Vec::new(),
            labels: Vec::new(),
            frozen: Vec::new(),
            checkpoints: take(&mut old.checkpoints),
            entries: take(&mut old.entries),
        }
    }
}
