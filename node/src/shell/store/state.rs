//! The coin database: one sled tree.
//!
//! sled's `flush` starts the write-back but does not wait for the disk, so the file is synced as well. What makes several
//! changes one commit is in [`redo`](super::redo). Where sled meets damage it may panic instead of returning an error: every
//! call goes through [`State::run`], which turns either into a [`StoreError`] that names the database.

use super::disk::Disk;
use super::error::{io_error, state_error};
use super::keys::{self, CoinSum, Meta};
use super::panics::catch_panic;
use super::redo::Change;
use crate::core::store::StoreError;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Least cache sled is given, bytes; below this it re-reads its own index pages.
const CACHE_BYTES_MIN: u64 = 1024 * 1024;

/// Changes after which sled writes out what it has gathered, so that a large commit does not fill memory with it.
const CHANGES_PER_FLUSH: usize = 10_000;

/// How often and how fast opening is tried again while sled's own lock is held.
const LOCK_ATTEMPTS_MAX: u32 = 1_000;
const LOCK_RETRY: Duration = Duration::from_millis(2);

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
        remove_unfinished_snapshots(path, &disk)?;
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes.max(CACHE_BYTES_MIN))
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(None);
        let mut opened = catch_panic(|| config.open());
        for _ in 0..LOCK_ATTEMPTS_MAX {
            if !matches!(&opened, Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock"))
            {
                break;
            }
            // We hold the directory's lock, so this can only be a thread of sled's that has not yet let go of the file of a
            // store this process closed a moment ago. sled offers no way to wait for it.
            std::thread::sleep(LOCK_RETRY);
            opened = catch_panic(|| config.open());
        }
        let db = match opened {
            Ok(Ok(db)) => db,
            Ok(Err(sled::Error::Io(error))) => return Err(io_error("open the coin database", path, &error)),
            Ok(Err(error)) => return Err(state_error(path, describe(&error))),
            Err(panic) => return Err(state_error(path, after_panic(&panic))),
        };
        let log_path = path.join("db");
        let log = File::open(&log_path).map_err(|error| io_error("open", &log_path, &error))?;
        Ok(State { db, path: path.to_owned(), log: (log_path, log), disk })
    }

    /// Runs one operation of sled and gives its failure, or its panic, this database's name.
    fn run<T>(&self, operation: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
        match catch_panic(operation) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(sled::Error::Io(error))) => Err(io_error("use the coin database", &self.path, &error)),
            Ok(Err(error)) => Err(state_error(&self.path, describe(&error))),
            Err(panic) => Err(state_error(&self.path, after_panic(&panic))),
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

    /// Visits every key that starts with `prefix`, in order, until `visit` breaks off.
    pub(super) fn for_each(
        &self,
        prefix: u8,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let mut pairs = self.db.scan_prefix([prefix]);
        while let Some((key, value)) = self.run(|| pairs.next().transpose())? {
            if visit(&key, &value)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Visits every key that starts with `prefix`, in order.
    pub(super) fn for_all(
        &self,
        prefix: u8,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.for_each(prefix, |key, value| visit(key, value).map(ControlFlow::Continue)).map(drop)
    }

    /// Makes changes one by one and keeps the coins' sum. They should come in key order, which touches each of sled's pages
    /// once. Nothing is promised of what is on disk before [`State::flush`].
    pub(super) fn apply(&self, changes: impl Iterator<Item = Change>, coins: &mut CoinSum) -> Result<(), StoreError> {
        for (number, change) in changes.enumerate() {
            if number > 0 && number.is_multiple_of(CHANGES_PER_FLUSH) {
                self.flush()?;
            }
            let old = match &change.value {
                Some(value) => self.run(|| self.db.insert(&change.key, value.as_slice()))?,
                None => self.run(|| self.db.remove(&change.key))?,
            };
            if change.key.first() == Some(&keys::COIN) {
                old.inspect(|old| coins.remove(&change.key, old));
                change.value.iter().for_each(|new| coins.add(&change.key, new));
            }
            self.disk.step("change")?;
        }
        Ok(())
    }

    pub(super) fn set(&self, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        self.run(|| self.db.insert(key, value))?;
        self.disk.step("change")
    }

    pub(super) fn set_meta(&self, meta: &Meta) -> Result<(), StoreError> {
        self.set(&keys::META, keys::encode(meta)?)
    }

    /// Hands everything changed so far to the system, so that it survives kill -9.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.run(|| self.db.flush())?;
        self.disk.step("flush")
    }

    /// Sums the coins that are there.
    pub(super) fn sum_coins(&self) -> Result<CoinSum, StoreError> {
        let mut sum = CoinSum::default();
        self.for_all(keys::COIN, |key, value| {
            sum.add(key, value);
            Ok(())
        })?;
        Ok(sum)
    }

    /// Makes what was flushed survive a power cut.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.disk.sync(&self.log.1, &self.log.0)
    }

    /// Compares the coins that are there with those that were committed.
    pub(super) fn check_coins(&self) -> Result<(), StoreError> {
        let committed = self.meta()?.map(|meta| meta.coins).unwrap_or_default();
        self.compare_coins(self.sum_coins()?, committed)
    }
    pub(super) fn compare_coins(&self, found: CoinSum, committed: CoinSum) -> Result<(), StoreError> {
        if found == committed {
            return Ok(());
        }
        let (found, committed) = (found.count, committed.count);
        let what = format_args!("its {found} coins are not the {committed} that were committed");
        Err(state_error(&self.path, what))
    }

    /// Bytes the database takes on disk.
    pub(super) fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.run(|| self.db.size_on_disk())
    }
}

/// Removes what a process left that was killed while sled wrote a snapshot of its page table. sled writes `snap.N.generating`,
/// renames it to `snap.N`, and on opening takes whichever name sorts last, so that it would take the unfinished one and refuse
/// it. The snapshot before it is still there, and the log that it is made from.
fn remove_unfinished_snapshots(path: &Path, disk: &Disk) -> Result<(), StoreError> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("read the directory", path, &error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| io_error("read the directory", path, &error))?;
        if entry.path().extension().is_some_and(|extension| extension == "generating") {
            disk.step("remove an unfinished snapshot")?;
            tracing::info!("removed {}, which a killed process left unfinished", entry.path().display());
            std::fs::remove_file(entry.path()).map_err(|error| io_error("remove", &entry.path(), &error))?;
        }
    }
    Ok(())
}

/// sled's failure in words for an operator; the log has sled's own at level debug.
fn describe(error: &sled::Error) -> String {
    tracing::debug!("sled: {error}");
    match error {
        sled::Error::Corruption { .. } => "it is damaged".to_owned(),
        sled::Error::Io(error) => error.to_string(),
        sled::Error::Unsupported(_) => "it was written with other settings or by another version".to_owned(),
        sled::Error::ReportableBug(_) => "what is in it contradicts itself".to_owned(),
        sled::Error::CollectionNotFound(_) => "a part of it is missing".to_owned(),
    }
}

/// What is said of a panic of sled's, whose own words go to the log at level debug.
fn after_panic(message: &str) -> &'static str {
    tracing::debug!("sled panicked: {message}");
    "it cannot be read"
}
