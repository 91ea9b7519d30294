//! The wallet file: one encrypted, authenticated payload, replaced atomically.
//!
//! ```text
//!  0  8  magic "testoonW"
//!  8  2  format version, 2 (1 is still read; it is written as 2 by the next save)
//! 10  1  key derivation: 1 = Argon2id (RFC 9106), version 0x13
//! 11  1  flags: bit 0 = made without a password
//! 12  4  Argon2 memory, KiB           (integers are little-endian)
//! 16  4  Argon2 passes
//! 20  4  Argon2 lanes
//! 24 16  salt
//! 40 24  nonce, fresh for every save
//! 64  …  XChaCha20-Poly1305 ciphertext and tag; bytes 0..64 are its associated data
//!  …  8  double SHA-256 of all before it, cut to 8 bytes
//! ```
//!
//! The final checksum tells a damaged file from a wrong password; the tag is what protects against changes on purpose.
//! Each save keeps the file it replaces as `<path>.bak`: one last good version. Neighbours: [`crate::wallet`] decides what
//! the payload holds. Absent: recovery of a lost password (restore from the words).

mod lock;
mod replace;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use chain_spec::hash::sha256d;
use lock::{Lock, LockError};
pub use replace::{ReplaceError, replace};
use replace::{keep, sibling};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// How long a command waits for another process that is changing the same wallet, milliseconds.
pub const LOCK_WAIT_MS: u64 = 10_000;

const MAGIC: &[u8; 8] = b"testoonW";
const VERSION: u16 = 2;
const VERSION_MIN: u16 = 1;
const KDF_ARGON2ID: u8 = 1;
const FLAG_NO_PASSWORD: u8 = 1;
const HEADER_LEN: usize = 64;
const CHECKSUM_LEN: usize = 8;
const TAG_LEN: usize = 16;
/// A wallet file larger than this is refused before it is read.
const FILE_LEN_MAX: u64 = 256 << 20;

/// Why a wallet file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing there.
    #[error("no wallet at {}: make one with `create` or `restore`, or name another with --wallet", .0.display())]
    NotFound(PathBuf),
    /// Something there already.
    #[error("{} exists already: choose another --wallet file, or move it away first", .0.display())]
    Exists(PathBuf),
    /// Another process has it locked.
    #[error("wallet {} is in use by another process: wait until that one has ended", .0.display())]
    Locked(PathBuf),
    /// Not written by this program.
    #[error("{} is not a Testoon wallet file", .0.display())]
    NotAWallet(PathBuf),
    /// Written by a later version.
    #[error("wallet {} has format {version}, this program reads formats 1 and 2: use a newer version", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u16,
    },
    /// Bytes were lost or changed.
    #[error(
        "wallet {0} is damaged ({what}): its last good version is {0}.bak if that exists; or `restore` from the words",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which check failed.
        what: &'static str,
    },
    /// The tag does not match under this password.
    #[error("wrong password for wallet {}", .0.display())]
    WrongPassword(PathBuf),
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// Which file or directory.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// The file could not be replaced; the old one is still there.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// No randomness, or the key derivation failed for lack of memory.
    #[error("cannot encrypt wallet {}: {reason}", .path.display())]
    Encrypt {
        /// The file.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
}

/// What guards a file: a password, or by choice nothing. Erased when dropped.
#[derive(Clone)]
pub enum Password {
    /// A non-empty password.
    Secret(Zeroizing<String>),
    /// The file can be read by whoever has it.
    None,
}

impl Password {
    fn bytes(&self) -> &[u8] {
        match self {
            Password::Secret(secret) => secret.as_bytes(),
            Password::None => &[],
        }
    }
}

/// What guessing one password costs (Argon2id).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// RFC 9106's second recommendation in memory and passes, with one lane: 64 MiB, three passes.
    pub const STRONG: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
    /// The least Argon2 allows: where there is no password there is nothing to guess.
    pub const LEAST: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
    /// Bounds on what a file may demand, so that a changed byte cannot exhaust memory or time.
    const MAX: Cost = Cost { memory_kib: 1 << 20, passes: 64, lanes: 16 };

    /// Whether it costs at least as much as another in memory and in passes.
    pub fn covers(&self, other: &Cost) -> bool {
        self.memory_kib >= other.memory_kib && self.passes >= other.passes
    }

    fn is_sane(&self) -> bool {
        self.memory_kib <= Self::MAX.memory_kib && self.passes <= Self::MAX.passes && self.lanes <= Self::MAX.lanes
    }
}

/// An open, locked wallet file and the key that encrypts it.
pub struct WalletFile {
    path: PathBuf,
    header: Header,
    key: Secret,
    /// None: opened for reading only.
    lock: Option<Lock>,
    /// The backup is encrypted under a password that is not valid any more.
    drops_backup: bool,
}

impl WalletFile {
    /// Locks a path where no file is yet. Nothing is written before the first [`WalletFile::save`].
    pub fn create(path: &Path, password: &Password, cost: Cost) -> Result<WalletFile, FileError> {
        let lock = take_lock(path, LOCK_WAIT_MS)?;
        if fs::symlink_metadata(path).is_ok() {
            return Err(FileError::Exists(path.to_owned()));
        }
        let mut salt = [0; 16];
        random(&mut salt, path)?;
        let no_password = matches!(password, Password::None);
        let header = Header { version: VERSION, no_password, cost, salt, nonce: [0; 24] };
        let key = Secret::new(&*header.derive_key(password, path)?);
        Ok(WalletFile { path: path.to_owned(), header, key, lock: Some(lock), drops_backup: false })
    }

    /// Locks, reads and decrypts a file, waiting up to `wait_ms` milliseconds for another process that has it locked.
    pub fn open(path: &Path, password: &Password, wait_ms: u64) -> Result<(WalletFile, Zeroizing<Vec<u8>>), FileError> {
        let path = &real_path(path)?;
        let lock = take_lock(path, wait_ms)?;
        WalletFile::read(path, password, Some(lock))
    }

    /// Reads and decrypts a file that another process may be changing: what it saved last. It can be saved only if nobody
    /// else has it locked, see [`WalletFile::is_read_only`].
    pub fn open_to_read(path: &Path, password: &Password) -> Result<(WalletFile, Zeroizing<Vec<u8>>), FileError> {
        let path = &real_path(path)?;
        // A lock that cannot be had, as in a directory of others, only means that nothing can be saved.
        WalletFile::read(path, password, Lock::take(path, 0).ok())
    }

    fn read(
        path: &Path,
        password: &Password,
        lock: Option<Lock>,
    ) -> Result<(WalletFile, Zeroizing<Vec<u8>>), FileError> {
        let bytes = read_checked(path)?;
        let header = Header::parse(&bytes, path)?;
        let key = header.derive_key(password, path)?;
        let sealed = Payload { msg: &bytes[HEADER_LEN..], aad: &bytes[..HEADER_LEN] };
        let payload = XChaCha20Poly1305::new(&Key::from(*key))
            .decrypt(&XNonce::from(header.nonce), sealed)
            .map_err(|_| FileError::WrongPassword(path.to_owned()))?;
        let file = WalletFile { path: path.to_owned(), header, key: Secret::new(&*key), lock, drops_backup: false };
        Ok((file, Zeroizing::new(payload)))
    }

    /// Whether the file was made without a password, so that nobody need be asked for one.
    pub fn has_no_password(path: &Path) -> Result<bool, FileError> {
        Header::parse(&read_checked(path)?, path).map(|header| header.no_password)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format it was read in.
    pub fn version(&self) -> u16 {
        self.header.version
    }

    /// Whether it was read in the format that is written.
    pub fn is_current(&self) -> bool {
        self.header.version == VERSION
    }

    /// What guessing its password costs.
    pub fn cost(&self) -> Cost {
        self.header.cost
    }

    /// Whether it was made without a password.
    pub fn is_open(&self) -> bool {
        self.header.no_password
    }

    /// From the next save on the file is encrypted under this password at this cost. The backup is removed then, since the
    /// old password opens it.
    pub fn set_password(&mut self, password: &Password, cost: Cost) -> Result<(), FileError> {
        let mut header = self.header.clone();
        random(&mut header.salt, &self.path)?;
        (header.no_password, header.cost) = (matches!(password, Password::None), cost);
        self.key = Secret::new(&*header.derive_key(password, &self.path)?);
        self.header = header;
        self.drops_backup = true;
        Ok(())
    }

    /// Whether it was opened while another process had it locked, or was released: saving is then an error.
    pub fn is_read_only(&self) -> bool {
        self.lock.is_none()
    }

    /// Gives up the lock, so that others may change the file. What this process does from now on cannot be saved.
    pub fn release(&mut self) {
        self.lock = None;
    }

    /// Replaces the contents. After a crash at any moment the path holds the old or the new contents, whole.
    pub fn save(&mut self, payload: &[u8]) -> Result<(), FileError> {
        if self.is_read_only() {
            return Err(FileError::Locked(self.path.clone()));
        }
        self.header.version = VERSION;
        random(&mut self.header.nonce, &self.path)?;
        let mut bytes = self.header.to_bytes().to_vec();
        let no_key = || FileError::Encrypt { path: self.path.clone(), reason: "its key has a wrong length".into() };
        let key: Zeroizing<[u8; 32]> = self.key.to_array().ok_or_else(no_key)?;
        let sealed = XChaCha20Poly1305::new(&Key::from(*key))
            .encrypt(&XNonce::from(self.header.nonce), Payload { msg: payload, aad: &bytes })
            .map_err(|_| FileError::Encrypt { path: self.path.clone(), reason: "the payload is too long".into() })?;
        bytes.extend_from_slice(&sealed);
        let checksum = sha256d(&bytes);
        bytes.extend_from_slice(&checksum[..CHECKSUM_LEN]);
        let backup = sibling(&self.path, ".bak");
        if self.drops_backup {
            let _ = fs::remove_file(&backup);
            self.drops_backup = false;
        } else {
            keep(&self.path, &backup)?;
        }
        Ok(replace(&self.path, &bytes)?)
    }
}

#[derive(Clone)]
struct Header {
    version: u16,
    no_password: bool,
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; 24],
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&self.version.to_le_bytes());
        bytes[10] = KDF_ARGON2ID;
        bytes[11] = if self.no_password { FLAG_NO_PASSWORD } else { 0 };
        bytes[12..16].copy_from_slice(&self.cost.memory_kib.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.cost.passes.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.cost.lanes.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.salt);
        bytes[40..64].copy_from_slice(&self.nonce);
        bytes
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Header, FileError> {
        let damaged = |what| FileError::Damaged { path: path.to_owned(), what };
        let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or_else(|| damaged("too short"))?;
        let u32_at = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let cost = Cost { memory_kib: u32_at(12), passes: u32_at(16), lanes: u32_at(20) };
        if header[10] != KDF_ARGON2ID || header[11] & !FLAG_NO_PASSWORD != 0 || !cost.is_sane() {
            return Err(damaged("unknown header fields"));
        }
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        salt.copy_from_slice(&header[24..40]);
        nonce.copy_from_slice(&header[40..64]);
        let version = u16::from_le_bytes([header[8], header[9]]);
        Ok(Header { version, no_password: header[11] == FLAG_NO_PASSWORD, cost, salt, nonce })
    }

    fn derive_key(&self, password: &Password, path: &Path) -> Result<Zeroizing<[u8; 32]>, FileError> {
        let failed = |error: argon2::Error| FileError::Encrypt { path: path.to_owned(), reason: error.to_string() };
        let params = Params::new(self.cost.memory_kib, self.cost.passes, self.cost.lanes, Some(32)).map_err(failed)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.bytes(), &self.salt, key.as_mut())
            .map_err(failed)?;
        Ok(key)
    }
}

/// Reads a file whose magic, version and checksum hold, without the checksum.
fn read_checked(path: &Path) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FileError::NotFound(path.to_owned()),
        _ => io_error("open", path, error),
    })?;
    let mut bytes = Vec::new();
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(|error| io_error("read", path, error))?;
    if !bytes.starts_with(MAGIC) {
        return Err(FileError::NotAWallet(path.to_owned()));
    }
    let damaged = |what| FileError::Damaged { path: path.to_owned(), what };
    if bytes.len() < HEADER_LEN + TAG_LEN + CHECKSUM_LEN || bytes.len() as u64 > FILE_LEN_MAX {
        return Err(damaged("wrong length"));
    }
    let checksum = bytes.split_off(bytes.len() - CHECKSUM_LEN);
    if sha256d(&bytes)[..CHECKSUM_LEN] != checksum[..] {
        return Err(damaged("checksum"));
    }
    match u16::from_le_bytes([bytes[8], bytes[9]]) {
        VERSION_MIN..=VERSION => Ok(bytes),
        version => Err(FileError::Version { path: path.to_owned(), version }),
    }
}

/// A save renames over the path, so a symbolic link is followed once, when the file is opened.
fn real_path(path: &Path) -> Result<PathBuf, FileError> {
    fs::canonicalize(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FileError::NotFound(path.to_owned()),
        _ => io_error("open", path, error),
    })
}

fn take_lock(wallet: &Path, wait_ms: u64) -> Result<Lock, FileError> {
    Lock::take(wallet, wait_ms).map_err(|error| match error {
        LockError::Held => FileError::Locked(wallet.to_owned()),
        LockError::Io(path, error) => io_error("lock", &path, error),
    })
}

fn random(bytes: &mut [u8], path: &Path) -> Result<(), FileError> {
    getrandom::fill(bytes).map_err(|error| FileError::Encrypt { path: path.to_owned(), reason: error.to_string() })
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> FileError {
    FileError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
