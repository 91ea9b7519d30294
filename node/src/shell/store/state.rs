//! The coin database: one sled tree, changed by one atomic batch per commit.
//!
//! sled keeps a batch whole across kill -9 and across a torn write of its log. Its `flush` starts the write-back but does not
//! wait for the disk, so a commit also syncs the file. Where sled meets damage it may panic instead of returning an error:
//! every call goes through [`State::run`], which turns either into a [`StoreError`] that names the database.

use super::disk::Disk;
use super::error::{io_error, state_error};
use super::keys::{self, Meta};
use super::quiet::catch_quietly;
use crate::core::store::StoreError;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Least cache sled is given, bytes; below this it re-reads its own index pages.
const CACHE_BYTES_MIN: u64 = 1024 * 1024;

/// The open database.
#[derive(Debug)]
pub(super) struct State {
    db: sled::Db,
    path: PathBuf,
    /// sled's log, opened once more to sync it.
    log: (PathBuf, File),
    disk: Disk,
}

impl State {
    /// Opens or creates the database in `path`.
    pub(super) fn open(path: &Path, cache_bytes: u64, disk: Disk) -> Result<State, StoreError> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes.max(CACHE_BYTES_MIN))
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(None);
        let db = match catch_quietly(|| config.open()) {
            Ok(Ok(db)) => db,
            Ok(Err(sled::Error::Io(error))) => return Err(io_error("open the coin database", path, &error)),
            Ok(Err(error)) => return Err(state_error(path, error)),
            Err(panic) => return Err(state_error(path, panic)),
        };
        let log_path = path.join("db");
        let log = File::open(&log_path).map_err(|error| io_error("open", &log_path, &error))?;
        Ok(State { db, path: path.to_owned(), log: (log_path, log), disk })
    }

    /// Runs one operation of sled and gives its failure, or its panic, this database's name.
    fn run<T>(&self, operation: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
        match catch_quietly(operation) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(sled::Error::Io(error))) => Err(io_error("use the coin database", &self.path, &error)),
            Ok(Err(error)) => Err(state_error(&self.path, error)),
            Err(panic) => Err(state_error(&self.path, panic)),
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        self.run(|| self.db.get(key))
    }

    /// Reads a value that [`keys::encode`] wrote.
    pub(super) fn value<T: bincode::Decode<()>>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let Some(bytes) = self.get(key)? else { return Ok(None) };
        keys::decode(&bytes).map(Some).ok_or_else(|| self.unreadable(key))
    }

    pub(super) fn meta(&self) -> Result<Option<Meta>, StoreError> {
        self.value(&keys::META)
    }

    pub(super) fn unreadable(&self, key: &[u8]) -> StoreError {
        state_error(&self.path, format_args!("the value of {} cannot be read", hex::encode(key)))
    }

    /// Visits every key that starts with `prefix`, in order.
    pub(super) fn for_each(
        &self,
        prefix: u8,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut pairs = self.db.scan_prefix([prefix]);
        while let Some((key, value)) = self.run(|| pairs.next().transpose())? {
            visit(&key, &value)?;
        }
        Ok(())
    }

    /// Applies a batch: all of it or nothing, even under kill -9 once it has returned.
    pub(super) fn apply(&self, batch: sled::Batch) -> Result<(), StoreError> {
        self.disk.step("batch")?;
        self.run(|| self.db.apply_batch(batch))?;
        self.run(|| self.db.flush())?;
        self.disk.step("batch applied")
    }

    /// Makes what was applied survive a power cut.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.disk.sync(&self.log.1, &self.log.0)
    }

    /// Bytes the database takes on disk.
    pub(super) fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.run(|| self.db.size_on_disk())
    }
}
