//! Replaces a file in one step: a reader, or a crash at any moment, finds the old or the new contents, whole.
//!
//! The bottom of the crate's ladder: knows nothing of wallets.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What a file readable by its owner only has as its mode.
const PRIVATE: u32 = 0o600;

/// A step of the replacement that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", .path.display())]
pub struct ReplaceError {
    /// `create`, `write` or `sync`.
    pub action: &'static str,
    /// Which file or directory.
    pub path: PathBuf,
    /// The operating system's answer.
    pub source: io::Error,
}

/// Writes `bytes` beside `path` (as `<path>.new`, mode 0600), makes them durable, renames them over `path` and makes the
/// rename durable. The caller sees to it that no other process replaces the same file at the same time.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), ReplaceError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| ReplaceError { action, path, source }
    };
    let temporary = sibling(path, ".new");
    // Left by a crash: it never became the file.
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(&temporary)
        .map_err(failed("create", &temporary))?;
    let written = file
        .set_permissions(fs::Permissions::from_mode(PRIVATE))
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(failed("write", path)(error));
    }
    let directory = parent(path);
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(failed("sync", directory))
}

/// Keeps the present version of `path`, if there is one, under the name `backup`, in one step.
pub(super) fn keep(path: &Path, backup: &Path) -> Result<(), ReplaceError> {
    let temporary = sibling(backup, ".new");
    let _ = fs::remove_file(&temporary);
    // A second name for the same bytes; file systems without such names get a copy.
    let kept = fs::hard_link(path, &temporary).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Err(error),
        _ => fs::copy(path, &temporary).map(|_| ()),
    });
    match kept.and_then(|()| fs::rename(&temporary, backup)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ReplaceError { action: "keep a backup as", path: backup.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// `<path><suffix>` in the same directory.
pub(super) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
