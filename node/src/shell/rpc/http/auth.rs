//! Who may call: the cookie file's password, or a user and password from the command line. HTTP Basic, as Core.

use crate::shell::files;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// The user name in the cookie file (Core's).
const COOKIE_USER: &str = "__cookie__";
/// Name of the cookie file in the data directory.
pub const COOKIE_FILE: &str = ".cookie";

/// The accepted `user:password` pairs. The shell removes the cookie file when the node ends.
pub struct Credentials {
    accepted: Vec<String>,
    cookie: PathBuf,
}

impl Credentials {
    /// Writes a fresh cookie into `datadir`, readable by its owner only, and accepts `user` as well if there is one.
    pub fn create(datadir: &Path, user: Option<(&str, &str)>) -> std::io::Result<Credentials> {
        let mut secret = [0u8; 32];
        getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
        let line = format!("{COOKIE_USER}:{}", hex::encode(secret));
        let cookie = datadir.join(COOKIE_FILE);
        files::replace(&cookie, line.as_bytes(), files::Access::Owner)?;
        let mut accepted = vec![line];
        accepted.extend(user.map(|(name, password)| format!("{name}:{password}")));
        Ok(Credentials { accepted, cookie })
    }

    /// The cookie file.
    pub fn cookie_path(&self) -> &Path {
        &self.cookie
    }

    /// Whether an `Authorization` header's value names one of the accepted pairs. The time taken does not depend on
    /// how much of a password was right.
    pub fn accepts(&self, authorization: Option<&str>) -> bool {
        let Some((scheme, encoded)) = authorization.and_then(|value| value.split_once(' ')) else { return false };
        if !scheme.eq_ignore_ascii_case("basic") {
            return false;
        }
        let Ok(given) = BASE64_STANDARD.decode(encoded.trim()) else { return false };
        let mut matches = subtle::Choice::from(0);
        for pair in &self.accepted {
            matches |= pair.as_bytes().ct_eq(&given);
        }
        matches.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    #[test]
    fn the_cookie_is_private_and_fresh() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials::create(dir.path(), None).unwrap();
        let line = std::fs::read_to_string(dir.path().join(COOKIE_FILE)).unwrap();
        assert!(line.starts_with("__cookie__:"));
        assert_eq!(line.len(), "__cookie__:".len() + 64);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(credentials.cookie_path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(credentials.accepts(Some(&basic(&line))));
        let again = Credentials::create(dir.path(), None).unwrap();
        assert!(!again.accepts(Some(&basic(&line))), "a new process has a new secret");
    }

    #[test]
    fn only_the_right_pair_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials::create(dir.path(), Some(("ann", "pass:word"))).unwrap();
        assert!(credentials.accepts(Some(&basic("ann:pass:word"))));
        assert!(credentials.accepts(Some(&basic("ann:pass:word").replace("Basic", "basic"))));
        for wrong in ["ann:pass:wor", "ann:", "bob:pass:word", "", "ann:pass:word2"] {
            assert!(!credentials.accepts(Some(&basic(wrong))), "{wrong:?}");
        }
        for malformed in [None, Some(""), Some("Basic"), Some("Basic !!!"), Some("Bearer abc"), Some("Basic  ")] {
            assert!(!credentials.accepts(malformed), "{malformed:?}");
        }
    }
}
