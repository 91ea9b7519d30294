//! The key that names this node to its peers, kept in `<datadir>/identity.key` (protobuf, mode 0600), made on the first run.

use crate::shell::files;
use libp2p::identity::Keypair;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file's name in the data directory.
pub const FILE_NAME: &str = "identity.key";

/// The identity key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Reading or writing failed.
    #[error("cannot use the identity key {}: {error}; check the file's owner and mode", path.display())]
    Io {
        /// The key's file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no identity key of a node; restore it from a copy, or move it away to start with a new identity", path.display())]
    Malformed {
        /// The key's file.
        path: PathBuf,
    },
}

/// Loads the key, or makes one on the first run.
pub fn load_or_create(datadir: &Path) -> Result<Keypair, IdentityError> {
    let path = datadir.join(FILE_NAME);
    let io_error = |error| IdentityError::Io { path: path.clone(), error };
    match fs::read(&path) {
        Ok(bytes) => {
            Keypair::from_protobuf_encoding(&bytes).map_err(|_| IdentityError::Malformed { path: path.clone() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = Keypair::generate_ed25519();
            let bytes = key
                .to_protobuf_encoding()
                .map_err(|error| IdentityError::Io { path: path.clone(), error: io::Error::other(error) })?;
            files::replace(&path, &bytes, files::Access::Owner).map_err(io_error)?;
            Ok(key)
        }
        Err(error) => Err(io_error(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().expect("directory");
        let key = load_or_create(dir.path()).expect("made");
        let again = load_or_create(dir.path()).expect("read");
        assert_eq!(key.public(), again.public());
        let mode = fs::metadata(dir.path().join(FILE_NAME)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_never_replaced() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join(FILE_NAME);
        fs::write(&path, b"not a key").expect("written");
        let error = load_or_create(dir.path()).expect_err("refused").to_string();
        assert!(
            error.contains("identity.key") && error.contains("move it away") && !error.contains("feature"),
            "{error}"
        );
        assert_eq!(fs::read(&path).expect("still there"), b"not a key");
    }
}
