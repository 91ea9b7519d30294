//! The words of a store's failures: what happened, to which file, and what to do about it.

use crate::core::store::StoreError;
use std::fmt::Display;
use std::io;
use std::path::Path;

/// What an operator does when the blocks are fine and what is derived from them is not.
pub(super) const REINDEX: &str = "start once with --reindex to rebuild from the block files";

/// What an operator does when a file is gone.
const RESTORE: &str = "restore it, or start once with --reindex to rebuild from the block files that are left";

/// A file that must be there is not.
pub(super) fn missing(path: &Path) -> StoreError {
    StoreError(format!("{} is missing; {RESTORE}", path.display()))
}

/// An operation of the file system failed. The remedy follows from the kind of failure.
pub(super) fn io_error(action: &str, path: &Path, error: &io::Error) -> StoreError {
    if is_descriptor_shortage(error) {
        return StoreError(format!(
            "cannot {action} {}: this process has as many files and connections open as it may; raise the limit, for \
             example with `ulimit -n 1024`, and start again; the disk is not at fault",
            path.display()
        ));
    }
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space on this disk and start again; nothing that was acknowledged is lost"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "give this user the right to read and write it, or choose another --datadir"
        }
        io::ErrorKind::NotFound => {
            "restore it, or start once with --reindex to rebuild from the block files that are left"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::AlreadyExists => {
            "choose another --datadir, or move what is in the way"
        }
        io::ErrorKind::UnexpectedEof => REINDEX,
        _ => "check the disk, then start again; if the file is damaged, start once with --reindex",
    };
    StoreError(format!("cannot {action} {}: {error}; {remedy}", path.display()))
}

/// The process or the system has no descriptor left (`EMFILE`, `ENFILE`).
pub(super) fn is_descriptor_shortage(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    // sled copies errors, and the copy has no code.
    matches!(code, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE))
        || (code.is_none() && error.to_string().contains("Too many open files"))
}

/// Bytes on disk are not what was written.
pub(super) fn damaged(path: &Path, offset: u64, what: impl Display) -> StoreError {
    StoreError(format!("{} is damaged at byte {offset}: {what}; {REINDEX}", path.display()))
}

/// sled failed, or panicked on what it found.
pub(super) fn state_error(path: &Path, what: impl Display) -> StoreError {
    StoreError(format!("the coin database {} failed: {what}; {REINDEX}", path.display()))
}
