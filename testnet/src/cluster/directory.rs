//! A network's directory: its marker, its locks and where things lie in it.
//!
//! ```text
//! .testoon-network   marker, and the lock of commands that change the network
//! launcher.pid       while a foreground `up` runs: its process number, locked by it
//! network.json       state (crate::cluster::state)
//! chain.toml         the chain spec, if it is not a built-in one
//! node0/ …           the nodes' data directories
//! wallets/           one wallet file an account
//! snapshots/NAME/    copies made by `net snapshot`
//! compose/           the project of a network that runs on Docker
//! ```

use crate::clock::Stopwatch;
use crate::error::usage;
use anyhow::{Context as _, Result, bail};
use node::shell::files::{Access, replace};
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

const MARKER: &str = ".testoon-network";
/// The directory of recorded runs, which outlive the network.
const RECORDINGS: &str = "runs";
const MARKER_TEXT: &str =
    "This directory belongs to a network started by `testoon up`; `testoon up --fresh` may delete what is in it.\n";
/// A command waits this long for another one that is changing the same network, milliseconds.
const LOCK_WAIT_MS: u64 = 20_000;
/// Between two tries to get a lock, milliseconds.
const LOCK_RETRY_MS: u64 = 10;

/// A directory that is known to be a network's.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
    given: bool,
}

/// The right to change the network; released when dropped or with the process.
#[derive(Debug)]
pub struct NetworkLock(#[allow(dead_code)] File);

/// Held by a foreground launcher for as long as it lives. The file is removed when it is dropped.
#[derive(Debug)]
pub struct LauncherLock {
    path: PathBuf,
    _file: File,
}

impl Drop for LauncherLock {
    fn drop(&mut self) {
        // A file left behind is harmless: it is the lock that counts.
        let _ = fs::remove_file(&self.path);
    }
}

/// `~/.testoon/net`.
pub fn default_path() -> Result<PathBuf> {
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    let home = home.ok_or_else(|| usage("no home directory is known; say where the network lives with --dir PATH"))?;
    Ok(home.join(".testoon").join("net"))
}

impl Directory {
    /// The directory given, or the default one. It must exist and hold a network.
    pub fn open(given: Option<&Path>) -> Result<Directory> {
        let directory = Directory::locate(given)?;
        if !directory.path.join(MARKER).is_file() {
            bail!("no network in {}; start one with `testoon up{}`", directory.path.display(), directory.flag());
        }
        Ok(directory)
    }

    /// As [`Directory::open`], but makes it a network's directory if it is missing or empty. Refuses one with other files.
    pub fn create(given: Option<&Path>) -> Result<Directory> {
        let directory = Directory::locate(given)?;
        let path = &directory.path;
        fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        let marker = path.join(MARKER);
        if !marker.is_file() {
            let mut entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
            if entries.next().is_some() {
                return Err(usage(format!(
                    "{} holds other files and is not a network's directory; choose an empty or new one with --dir",
                    path.display()
                )));
            }
            fs::write(&marker, MARKER_TEXT).with_context(|| format!("cannot write {}", marker.display()))?;
        }
        Ok(directory)
    }

    fn locate(given: Option<&Path>) -> Result<Directory> {
        let path = match given {
            Some(path) => path.to_owned(),
            None => default_path()?,
        };
        let path = std::path::absolute(&path).with_context(|| format!("{} is not a path", path.display()))?;
        Ok(Directory { path, given: given.is_some() })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// ` --dir PATH` for hints to the user, empty for the default directory.
    pub fn flag(&self) -> String {
        if self.given { format!(" --dir {}", quoted(&self.path.display().to_string())) } else { String::new() }
    }

    /// A node's data directory.
    pub fn node(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What a node printed on standard error since its last start.
    pub fn console(&self, name: &str) -> PathBuf {
        self.node(name).join("console.log")
    }

    /// A node's log.
    pub fn log(&self, name: &str) -> PathBuf {
        self.node(name).join("debug.log")
    }

    /// The state file.
    pub fn state(&self) -> PathBuf {
        self.path.join("network.json")
    }

    /// The copy of a chain spec that is not built in.
    pub fn chain(&self) -> PathBuf {
        self.path.join("chain.toml")
    }

    /// An account's wallet file.
    pub fn wallet(&self, account: &str) -> PathBuf {
        self.path.join("wallets").join(format!("{account}.wallet"))
    }

    /// The Compose project of a network that `up --on docker` runs.
    pub fn compose(&self) -> PathBuf {
        self.path.join("compose")
    }

    /// A snapshot's directory.
    pub fn snapshot(&self, name: &str) -> PathBuf {
        self.path.join("snapshots").join(name)
    }

    /// The file a foreground launcher holds locked.
    pub fn launcher(&self) -> PathBuf {
        self.path.join("launcher.pid")
    }

    /// The right to change the network, waiting a while for another command to finish.
    pub fn lock(&self) -> Result<NetworkLock> {
        let path = self.path.join(MARKER);
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let waiting = Stopwatch::start();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(NetworkLock(file)),
                Err(TryLockError::WouldBlock) if waiting.elapsed() < Duration::from_millis(LOCK_WAIT_MS) => {
                    std::thread::sleep(Duration::from_millis(LOCK_RETRY_MS));
                }
                Err(TryLockError::WouldBlock) => {
                    bail!(
                        "another testoon command is changing the network in {}; try again when it is done",
                        self.path.display()
                    )
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
    }

    /// Becomes the network's foreground launcher; none if another process is.
    pub fn lock_launcher(&self) -> Result<Option<LauncherLock>> {
        let path = self.launcher();
        let options = File::options().create(true).truncate(false).write(true).read(true).open(&path);
        let mut file = options.with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)
                    .and_then(|()| writeln!(file, "{}", std::process::id()))
                    .with_context(|| format!("cannot write {}", path.display()))?;
                Ok(Some(LauncherLock { path, _file: file }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// Whether a foreground launcher runs this network.
    pub fn has_launcher(&self) -> bool {
        // A launcher that is starting or ending is one; a node that is ending with its launcher holds the lock shared.
        File::open(self.launcher()).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Where recorded runs are kept in a network's directory.
    pub fn recordings_in(path: &Path) -> PathBuf {
        path.join(RECORDINGS)
    }

    /// Deletes everything but the marker and the recorded runs. The caller holds the lock, so no node runs.
    pub fn wipe(&self, _lock: &NetworkLock) -> Result<()> {
        let entries = fs::read_dir(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        for entry in entries {
            let entry = entry?;
            if entry.file_name() == MARKER || entry.file_name() == RECORDINGS {
                continue;
            }
            let path = entry.path();
            let removed = if entry.file_type()?.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("cannot delete {}", path.display()))?;
        }
        Ok(())
    }
}

/// Replaces a file's content so that a reader, or a crash, finds the old or the new text and never a part.
pub fn write_atomic(path: &Path, text: &str) -> Result<()> {
    replace(path, text.as_bytes(), Access::Everyone).with_context(|| format!("cannot write {}", path.display()))
}

/// The same for a file that holds a password: only its owner may read it.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    replace(path, text.as_bytes(), Access::Owner).with_context(|| format!("cannot write {}", path.display()))
}

/// A file's text, or none if there is no such file.
pub fn read_optional(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// A path as a shell reads it back.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@%=:,".contains(c);
    if path.chars().all(is_plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_directories_are_refused_and_ours_are_found_again() {
        let place = tempfile::tempdir().unwrap();
        let net = place.path().join("net");
        assert!(Directory::open(Some(&net)).unwrap_err().to_string().contains("start one with `testoon up --dir"));
        let created = Directory::create(Some(&net)).unwrap();
        assert_eq!(Directory::open(Some(&net)).unwrap().path(), created.path());
        let error = Directory::create(Some(place.path())).unwrap_err();
        assert!(error.to_string().contains("holds other files"), "{error}");
    }

    #[test]
    fn a_path_in_a_hint_can_be_pasted() {
        assert_eq!(quoted("/tmp/net-1"), "/tmp/net-1");
        assert_eq!(quoted("/tmp/my net"), "'/tmp/my net'");
        assert_eq!(quoted("/tmp/it's"), r"'/tmp/it'\''s'");
    }

    #[test]
    fn wiping_leaves_the_marker_only() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::create(Some(place.path())).unwrap();
        fs::create_dir_all(directory.node("node0")).unwrap();
        fs::write(directory.state(), "{}").unwrap();
        let lock = directory.lock().unwrap();
        directory.wipe(&lock).unwrap();
        let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [MARKER]);
    }

    #[test]
    fn there_is_one_launcher_and_it_is_seen_from_outside() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::create(Some(place.path())).unwrap();
        assert!(!directory.has_launcher());
        let held = directory.lock_launcher().unwrap().unwrap();
        assert!(directory.has_launcher());
        assert!(directory.lock_launcher().unwrap().is_none());
        drop(held);
        assert!(!directory.has_launcher());
        assert!(!directory.launcher().exists());
    }

    #[test]
    fn a_replaced_file_has_the_new_text_and_no_leftover() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("network.json");
        assert_eq!(read_optional(&path).unwrap(), None);
        write_atomic(&path, "one").unwrap();
        write_atomic(&path, "two").unwrap();
        assert_eq!(read_optional(&path).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
