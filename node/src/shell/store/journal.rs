//! Locally submitted transactions, kept across kill -9 until the core forgets them.
//!
//! An append-only file of records: a mark at the start, then transactions and the ids of forgotten ones. A file without the
//! mark was emptied by somebody, and that is told. The file is rewritten when most of it is forgotten. What is relayed by peers is not in here: a peer will have it again.

use super::disk::Disk;
use super::error::{REINDEX, damaged, io_error};
use super::record::{HEADER_LEN, Kind, RecordHeader, frame};
use super::scan::{Damage, Scan};
use crate::core::store::StoreError;
use chain_spec::rules::transaction::check_transaction_within;
use chain_spec::{Amount, CheckedTransaction, Decode, Encode, Transaction, Txid};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes of kept transactions. The oldest give way, with a warning; they stay in the mempool.
pub(super) const KEPT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The file is rewritten when it is longer than this and more than half of it is forgotten.
const COMPACT_BYTES_MIN: u64 = 256 * 1024;

/// The records it may hold.
const KINDS: &[Kind] = &[Kind::JournalStart, Kind::Kept, Kind::Forgotten];

/// The journal, open for appending.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    disk: Disk,
    length: u64,
    /// Record lengths by offset: the order they came in.
    kept: BTreeMap<u64, (Txid, u64)>,
    offsets: FxHashMap<Txid, u64>,
    kept_bytes: u64,
    kept_bytes_max: u64,
}

impl Journal {
    /// Opens or creates the journal and returns what is kept, oldest first. With `is_expected`, an empty file is damage.
    pub(super) fn open(
        path: &Path,
        disk: Disk,
        damage: Damage,
        is_expected: bool,
    ) -> Result<(Journal, Vec<Arc<CheckedTransaction>>), StoreError> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = file.map_err(|error| io_error("open", path, &error))?;
        let mut journal = Journal {
            path: path.to_owned(),
            file,
            disk: disk.clone(),
            length: 0,
            kept: BTreeMap::new(),
            offsets: FxHashMap::default(),
            kept_bytes: 0,
            kept_bytes_max: KEPT_BYTES_MAX,
        };
        let mut transactions = BTreeMap::new();
        let scan = Scan { disk: &disk, path, start: 0, last: true, kinds: KINDS, damage };
        journal.length = scan.run(|offset, header, payload| {
            if header.kind == Kind::JournalStart {
                return Ok(());
            }
            if header.kind == Kind::Forgotten {
                for txid in txids(payload) {
                    journal.remove(&txid).map(|offset| transactions.remove(&offset));
                }
                return Ok(());
            }
            let transaction = Transaction::from_bytes(payload).map_err(|error| damaged(path, offset, error))?;
            // The mempool judges it again, by the chain's own cap on values.
            match check_transaction_within(Arc::new(transaction), Amount::from_units(u64::MAX)) {
                Ok(checked) => {
                    journal.insert(checked.txid(), offset, header.record_len());
                    transactions.insert(offset, Arc::new(checked));
                }
                Err(error) => {
                    tracing::warn!("a kept transaction breaks a rule of this version and is dropped: {error}")
                }
            }
            Ok(())
        })?;
        if journal.length == 0 {
            journal.begin(is_expected && damage == Damage::Refuse)?;
        }
        journal.compact_if_worthwhile()?;
        Ok((journal, transactions.into_values().collect()))
    }

    /// Marks the start of a new journal. One that `was_there` has been emptied.
    fn begin(&mut self, was_there: bool) -> Result<(), StoreError> {
        if was_there {
            return Err(StoreError(format!(
                "{} is empty: the transactions that were submitted to this node and are not mined yet are lost; \
                 restore it, or {REINDEX} without them",
                self.path.display()
            )));
        }
        self.append(&start())?;
        self.disk.sync(&self.file, &self.path)
    }

    #[cfg(test)]
    pub(super) fn set_kept_bytes_max(&mut self, bytes: u64) {
        self.kept_bytes_max = bytes;
    }

    /// Keeps a transaction. Once this has returned it survives kill -9.
    pub(super) fn keep(&mut self, transaction: &CheckedTransaction) -> Result<(), StoreError> {
        let txid = transaction.txid();
        if self.offsets.contains_key(&txid) {
            return Ok(());
        }
        let write = |out: &mut Vec<u8>| transaction.transaction().encode(out);
        let Some(record) = frame(Kind::Kept, txid.as_bytes(), transaction.size(), write) else {
            return Err(StoreError(format!("transaction {txid} is too long to be kept in {}", self.path.display())));
        };
        self.make_room(record.len() as u64)?;
        self.append(&record)?;
        self.insert(txid, self.length - record.len() as u64, record.len() as u64);
        Ok(())
    }

    /// Forgets transactions; unknown ids are fine.
    pub(super) fn forget(&mut self, txids: &[Txid]) -> Result<(), StoreError> {
        let known: Vec<Txid> = txids.iter().filter(|txid| self.offsets.contains_key(txid)).copied().collect();
        // A record has a longest payload, and so has a list of ids.
        for some in known.chunks(1 << 16) {
            let write = |out: &mut Vec<u8>| some.iter().for_each(|txid| out.extend_from_slice(txid.as_bytes()));
            if let Some(record) = frame(Kind::Forgotten, &[0; 32], some.len() * 32, write) {
                self.append(&record)?;
            }
            for txid in some {
                self.remove(txid);
            }
        }
        if known.is_empty() { Ok(()) } else { self.compact_if_worthwhile() }
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        self.disk.append(&self.file, &self.path, record)?;
        self.length += record.len() as u64;
        Ok(())
    }
    fn insert(&mut self, txid: Txid, offset: u64, record_len: u64) {
        self.kept.insert(offset, (txid, record_len));
        self.offsets.insert(txid, offset);
        self.kept_bytes += record_len;
    }
    fn remove(&mut self, txid: &Txid) -> Option<u64> {
        let offset = self.offsets.remove(txid)?;
        if let Some((_, record_len)) = self.kept.remove(&offset) {
            self.kept_bytes -= record_len;
        }
        Some(offset)
    }
    fn make_room(&mut self, bytes: u64) -> Result<(), StoreError> {
        let mut oldest = Vec::new();
        let mut excess = (self.kept_bytes + bytes).saturating_sub(self.kept_bytes_max);
        for (txid, record_len) in self.kept.values() {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(*record_len);
            oldest.push(*txid);
        }
        if !oldest.is_empty() {
            tracing::warn!(
                "{} is full: its {} oldest transactions are no longer kept",
                self.path.display(),
                oldest.len()
            );
            self.forget(&oldest)?;
        }
        Ok(())
    }

    /// Rewrites the file without what is forgotten, when that is most of it.
    fn compact_if_worthwhile(&mut self) -> Result<(), StoreError> {
        if self.length < COMPACT_BYTES_MIN || self.kept_bytes * 2 > self.length {
            return Ok(());
        }
        let mut content = start();
        content.reserve(self.kept_bytes as usize);
        for (&offset, &(_, record_len)) in &self.kept {
            let start = content.len();
            content.resize(start + record_len as usize, 0);
            let record = &mut content[start..];
            self.file.read_exact_at(record, offset).map_err(|error| io_error("read", &self.path, &error))?;
            let header = record.first_chunk().and_then(RecordHeader::from_bytes);
            if !header.is_some_and(|header| header.payload_matches(&record[HEADER_LEN..])) {
                return Err(damaged(&self.path, offset, "a record's data fails its checksum"));
            }
        }
        self.disk.replace(&self.path, &content)?;
        let file = OpenOptions::new().read(true).append(true).open(&self.path);
        self.file = file.map_err(|error| io_error("open", &self.path, &error))?;
        self.length = content.len() as u64;
        let kept = std::mem::take(&mut self.kept);
        self.offsets.clear();
        self.kept_bytes = 0;
        let mut offset = HEADER_LEN as u64;
        for (txid, record_len) in kept.into_values() {
            self.insert(txid, offset, record_len);
            offset += record_len;
        }
        Ok(())
    }
}

/// The record that every journal starts with.
fn start() -> Vec<u8> {
    // An empty payload is never too long for a record.
    frame(Kind::JournalStart, &[0; 32], 0, |_| ()).unwrap_or_default()
}

fn txids(payload: &[u8]) -> impl Iterator<Item = Txid> {
    payload.as_chunks::<32>().0.iter().map(|bytes| Txid::from_bytes(*bytes))
}
