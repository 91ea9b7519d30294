//! The right to change a wallet file: an advisory lock on `<wallet>.lock`.
//!
//! One process holds it at a time, and the system frees it when that process dies. Reading needs no lock, since a save
//! replaces the file in one step.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::replace::sibling;
use crate::clock;

/// Between two tries to get the lock, milliseconds.
const RETRY_MS: u64 = 20;

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process holds it, and went on doing so for the whole wait.
    Held,
    /// The operating system refused to open or lock the lock file.
    Io(PathBuf, io::Error),
}

/// A held lock; its file is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock of `wallet`, waiting up to `wait_ms` milliseconds for another process to release it.
    pub(super) fn take(wallet: &Path, wait_ms: u64) -> Result<Lock, LockError> {
        let path = sibling(wallet, ".lock");
        let started = clock::instant();
        loop {
            let io = |error| LockError::Io(path.clone(), error);
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if started.elapsed() < Duration::from_millis(wait_ms) => {
                    // A blocking lock could not be given up after the wait.
                    std::thread::sleep(Duration::from_millis(RETRY_MS.min(wait_ms)));
                    continue;
                }
                Err(TryLockError::WouldBlock) => return Err(LockError::Held),
                Err(TryLockError::Error(error)) => return Err(io(error)),
            }
            // The previous holder removes the file when it ends; a lock on a removed file guards nothing.
            let ours = file.metadata().map_err(io)?;
            match fs::metadata(&path) {
                Ok(there) if there.ino() == ours.ino() && there.dev() == ours.dev() => return Ok(Lock { path, file }),
                _ => continue,
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}
