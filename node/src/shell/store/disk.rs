//! Every change the store makes to a disk goes through here, one numbered step each.
//!
//! In a node this is a thin layer over [`std::fs`] that names the file in its errors. In tests a [`Disk`] can be told to
//! fail at step *n*, after writing only the first bytes, and to stay dead from then on, as a killed process would be.

use super::error::io_error;
use crate::core::store::StoreError;
use crate::shell::files;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Performs writes, or in tests fails where it was told to.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    #[cfg(test)]
    faults: Option<std::sync::Arc<fault::Faults>>,
}

impl Disk {
    /// Appends `bytes` with one call.
    pub(super) fn append(&self, mut file: &File, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        #[cfg(test)]
        if let Some(torn) = self.fault("write")? {
            file.write_all(&bytes[..torn.min(bytes.len())]).expect("test directory is writable");
            return Err(fault::injected("write"));
        }
        file.write_all(bytes).map_err(|error| io_error("write", path, &error))
    }
    /// Waits until the file's content is on the disk itself, so that it survives a power cut.
    pub(super) fn sync(&self, file: &File, path: &Path) -> Result<(), StoreError> {
        #[cfg(test)]
        if self.fault("sync")?.is_some() {
            return Err(fault::injected("sync"));
        }
        file.sync_data().map_err(|error| io_error("sync", path, &error))
    }
    /// Makes a new or renamed name durable.
    pub(super) fn sync_directory(&self, path: &Path) -> Result<(), StoreError> {
        #[cfg(test)]
        if self.fault("sync")?.is_some() {
            return Err(fault::injected("sync"));
        }
        File::open(path).and_then(|directory| directory.sync_all()).map_err(|error| io_error("sync", path, &error))
    }
    /// Cuts a file.
    pub(super) fn truncate(&self, file: &File, path: &Path, length: u64) -> Result<(), StoreError> {
        #[cfg(test)]
        if self.fault("truncate")?.is_some() {
            return Err(fault::injected("truncate"));
        }
        file.set_len(length).map_err(|error| io_error("cut", path, &error))
    }
    /// Replaces a small file: afterwards it has the old content or the new.
    pub(super) fn replace(&self, path: &Path, content: &[u8]) -> Result<(), StoreError> {
        #[cfg(test)]
        for step in ["write", "sync", "rename"] {
            if let Some(torn) = self.fault(step)? {
                let written = if step == "write" { torn.min(content.len()) } else { content.len() };
                std::fs::write(files::partial(path), &content[..written]).expect("test directory is writable");
                return Err(fault::injected(step));
            }
        }
        files::replace(path, content, files::Access::Everyone).map_err(|error| io_error("replace", path, &error))?;
        self.step("sync directory")
    }
    /// Called after each change of the coin database and between the parts of a larger operation.
    pub(super) fn step(&self, _name: &'static str) -> Result<(), StoreError> {
        #[cfg(test)]
        if self.fault(_name)?.is_some() {
            return Err(fault::injected(_name));
        }
        Ok(())
    }
}

/// Free space that a commit leaves, bytes (Core stops at 50 MB as well): sled does not take a full disk well.
const SPACE_BYTES_MIN: u64 = 50 * 1000 * 1000;

/// Refuses when the disk that holds `path` would be nearly full with `bytes` more on it.
pub(super) fn check_space(path: &Path, bytes: u64) -> Result<(), StoreError> {
    let needed = SPACE_BYTES_MIN.saturating_add(bytes);
    match free_bytes(path) {
        Some(free) if free < needed => Err(StoreError(format!(
            "the disk that holds {} is nearly full: {} MB are free and {} MB are needed; free some space and start again; nothing that was acknowledged is lost",
            path.display(),
            free / 1_000_000,
            needed / 1_000_000
        ))),
        _ => Ok(()),
    }
}

/// Bytes this user may still write on the disk that holds `path`; `None` if the system does not say.
fn free_bytes(path: &Path) -> Option<u64> {
    let status = rustix::fs::statvfs(path).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}

#[cfg(test)]
pub(super) mod fault {
    use super::{Disk, StoreError};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Which step fails, and how many bytes of a write still reach the file.
    #[derive(Debug)]
    pub(crate) struct Faults {
        steps: AtomicUsize,
        fail_at: usize,
        torn_bytes: usize,
    }

    pub(super) fn injected(step: &str) -> StoreError {
        StoreError(format!("injected failure of a {step}"))
    }

    impl Disk {
        /// Fails at step `fail_at`, counted from 0, having written `torn_bytes` if that step is a write.
        pub(crate) fn failing(fail_at: usize, torn_bytes: usize) -> (Disk, Arc<Faults>) {
            let faults = Arc::new(Faults { steps: AtomicUsize::new(0), fail_at, torn_bytes });
            (Disk { faults: Some(faults.clone()) }, faults)
        }
        /// `Some(bytes still written)` at the failing step; an error at every later one.
        pub(super) fn fault(&self, step: &str) -> Result<Option<usize>, StoreError> {
            let Some(faults) = &self.faults else { return Ok(None) };
            let number = faults.steps.fetch_add(1, Ordering::SeqCst);
            match number.cmp(&faults.fail_at) {
                std::cmp::Ordering::Less => Ok(None),
                std::cmp::Ordering::Equal => Ok(Some(faults.torn_bytes)),
                std::cmp::Ordering::Greater => Err(injected(step)),
            }
        }
    }

    impl Faults {
        /// Whether the failure has happened.
        pub(crate) fn fired(&self) -> bool {
            self.steps.load(Ordering::SeqCst) > self.fail_at
        }
    }
}
