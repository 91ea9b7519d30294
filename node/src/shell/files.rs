//! Small files that are replaced whole: after a crash the old content is there or the new, never a part.
//!
//! The one way in this workspace in which node and launcher replace a file; the wallet, which does not link the node, has
//! its own. The new content goes to `NAME.new` beside the file, is synced, and is renamed over it. The name is fixed rather
//! than random (as `tempfile`'s would be): what a killed process leaves is overwritten by the next, instead of piling up,
//! and the callers hold a lock on the directory, so that no two write at once.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes of the largest file that [`load`] reads.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner (mode 0600): keys, passwords, addresses of peers.
    Owner,
    /// Everybody whom the process's umask allows.
    Everyone,
}

/// Replaces a file, or creates it. Once this has returned, the new content survives a power cut.
///
/// # Errors
/// The system's error; the file has its old content then, unless only the last step, syncing the directory, failed.
pub fn replace(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let partial = partial(path);
    // A file left by a killed process may have another mode.
    let _ = std::fs::remove_file(&partial);
    let mode = match access {
        Access::Owner => 0o600,
        Access::Everyone => 0o666,
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    sync_directory_of(path)
}

/// Where the new content of `path` is written before it takes the file's place.
pub fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Makes a new or renamed name survive a power cut.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Replaces a file by a value's JSON. Only the owner may read it.
pub fn save(path: &Path, value: &impl Serialize) -> io::Result<()> {
    replace(path, &serde_json::to_vec_pretty(value).map_err(io::Error::other)?, Access::Owner)
}

/// Reads a value back; `None` when there is no file.
pub fn load<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_has_its_new_content_and_mode_whatever_a_killed_process_left() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("file.json");
        std::fs::write(partial(&path), "half of someth").expect("written");
        std::fs::set_permissions(partial(&path), PermissionsExt::from_mode(0o644)).expect("mode");
        for (content, access) in [("one", Access::Owner), ("two", Access::Owner)] {
            replace(&path, content.as_bytes(), access).expect("replaced");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), content);
            let mode = std::fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(!partial(&path).exists());
        }
    }

    #[test]
    fn a_failed_replacement_leaves_the_old_content() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("file");
        replace(&path, b"old", Access::Everyone).expect("replaced");
        std::fs::create_dir(partial(&path)).expect("in the way");
        replace(&path, b"new", Access::Everyone).expect_err("a directory is in the way");
        assert_eq!(std::fs::read(&path).expect("read"), b"old");
    }
}
