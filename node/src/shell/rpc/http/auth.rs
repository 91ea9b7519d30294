//! Who may call: the cookie file's password, users with a password, and users with a salted hash of one (Core: `-rpcauth`).
//! HTTP Basic, as Core. How often a password may be guessed is in [`throttle`](super::throttle).

use crate::shell::files;
use crate::shell::rpc::caller::{Caller, Whitelist};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// The user name in the cookie file (Core's).
const COOKIE_USER: &str = "__cookie__";
/// Name of the cookie file in the data directory.
pub const COOKIE_FILE: &str = ".cookie";

/// Who may call besides whoever reads the cookie file.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Users and their passwords.
    pub users: Vec<(String, String)>,
    /// Users whose password is known by a salted hash only.
    pub salted: Vec<SaltedUser>,
    /// What each may call.
    pub whitelist: Whitelist,
}

/// A user as `-rpcauth` names one: `USER:SALT$HASH`, the hash being HMAC-SHA-256 of the password under the salt, in
/// hexadecimal digits (what Core's `share/rpcauth/rpcauth.py` prints).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaltedUser {
    name: String,
    salt: String,
    hash: [u8; 32],
}

impl std::str::FromStr for SaltedUser {
    type Err = String;

    fn from_str(text: &str) -> Result<SaltedUser, String> {
        let parts = || {
            let (name, rest) = text.split_once(':')?;
            let (salt, hash) = rest.split_once('$')?;
            let mut bytes = [0; 32];
            hex::decode_to_slice(hash, &mut bytes).ok()?;
            let is_named = !name.is_empty() && !salt.is_empty();
            is_named.then(|| SaltedUser { name: name.to_owned(), salt: salt.to_owned(), hash: bytes })
        };
        parts().ok_or_else(|| "expected USER:SALT$HASH with a hash of 64 hexadecimal digits".to_owned())
    }
}

impl SaltedUser {
    fn accepts(&self, name: &[u8], password: &[u8]) -> subtle::Choice {
        // HMAC takes keys of every length, so there is no other case.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.salt.as_bytes()) else { return 0.into() };
        mac.update(password);
        let hash: [u8; 32] = mac.finalize().into_bytes().into();
        self.name.as_bytes().ct_eq(name) & hash.ct_eq(&self.hash)
    }
}

/// What an `Authorization` header turned out to be.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The secret of the cookie file, which cannot be guessed.
    Cookie(Caller),
    /// There was none, or it is not HTTP Basic.
    Missing,
    /// A user and password that are yet to be checked by [`Credentials::check_user`].
    User(Vec<u8>),
}

/// Everybody who is accepted. The shell removes the cookie file when the node ends.
pub struct Credentials {
    access: Access,
    cookie_line: String,
    cookie: PathBuf,
}

impl Credentials {
    /// Writes a fresh cookie into `datadir`, readable by its owner only.
    pub fn create(datadir: &Path, access: Access) -> std::io::Result<Credentials> {
        let mut secret = [0u8; 32];
        getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
        let cookie_line = format!("{COOKIE_USER}:{}", hex::encode(secret));
        let cookie = datadir.join(COOKIE_FILE);
        files::replace(&cookie, cookie_line.as_bytes(), files::Access::Owner)?;
        Ok(Credentials { access, cookie_line, cookie })
    }

    /// The cookie file.
    pub fn cookie_path(&self) -> &Path {
        &self.cookie
    }

    /// Looks at an `Authorization` header's value. The time taken does not depend on how much of a secret was right.
    pub fn look_at(&self, authorization: Option<&str>) -> Verdict {
        let Some((scheme, encoded)) = authorization.and_then(|value| value.split_once(' ')) else {
            return Verdict::Missing;
        };
        if !scheme.eq_ignore_ascii_case("basic") {
            return Verdict::Missing;
        }
        // What is not Base64 is a wrong guess like any other.
        let given = BASE64_STANDARD.decode(encoded.trim()).unwrap_or_default();
        if self.cookie_line.as_bytes().ct_eq(&given).into() {
            return Verdict::Cookie(self.access.whitelist.caller(COOKIE_USER));
        }
        Verdict::User(given)
    }

    /// The user that a decoded `user:password` names, if the password is right.
    pub fn check_user(&self, given: &[u8]) -> Option<Caller> {
        let colon = given.iter().position(|byte| *byte == b':')?;
        let (name, password) = (&given[..colon], &given[colon + 1..]);
        let mut is_accepted = subtle::Choice::from(0);
        for (known, secret) in &self.access.users {
            is_accepted |= known.as_bytes().ct_eq(name) & secret.as_bytes().ct_eq(password);
        }
        for user in &self.access.salted {
            is_accepted |= user.accepts(name, password);
        }
        let name = std::str::from_utf8(name).ok()?;
        bool::from(is_accepted).then(|| self.access.whitelist.caller(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    /// The name of whoever is accepted with a header.
    fn accepted(credentials: &Credentials, authorization: Option<&str>) -> Option<String> {
        match credentials.look_at(authorization) {
            Verdict::Cookie(caller) => Some(caller.name.to_string()),
            Verdict::Missing => None,
            Verdict::User(given) => credentials.check_user(&given).map(|caller| caller.name.to_string()),
        }
    }

    #[test]
    fn the_cookie_is_private_and_fresh() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials::create(dir.path(), Access::default()).unwrap();
        let line = std::fs::read_to_string(dir.path().join(COOKIE_FILE)).unwrap();
        assert!(line.starts_with("__cookie__:"));
        assert_eq!(line.len(), "__cookie__:".len() + 64);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(credentials.cookie_path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(accepted(&credentials, Some(&basic(&line))).as_deref(), Some(COOKIE_USER));
        let again = Credentials::create(dir.path(), Access::default()).unwrap();
        assert_eq!(accepted(&again, Some(&basic(&line))), None, "a new process has a new secret");
    }

    #[test]
    fn only_the_right_pair_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let access = Access { users: vec![("ann".into(), "pass:word".into())], ..Access::default() };
        let credentials = Credentials::create(dir.path(), access).unwrap();
        assert_eq!(accepted(&credentials, Some(&basic("ann:pass:word"))).as_deref(), Some("ann"));
        assert!(accepted(&credentials, Some(&basic("ann:pass:word").replace("Basic", "basic"))).is_some());
        for wrong in ["ann:pass:wor", "ann:", "bob:pass:word", "", "ann:pass:word2", "ann"] {
            assert_eq!(accepted(&credentials, Some(&basic(wrong))), None, "{wrong:?}");
        }
        for malformed in [None, Some(""), Some("Basic"), Some("Basic !!!"), Some("Bearer abc"), Some("Basic  ")] {
            assert_eq!(accepted(&credentials, malformed), None, "{malformed:?}");
        }
    }

    /// The pair from Core's functional test `rpc_users.py`.
    #[test]
    fn a_salted_password_is_checked_as_core_does() {
        let dir = tempfile::tempdir().unwrap();
        let rt = "rt:93648e835a54c573682c2eb19f882535$7681e9c5b74bdd85e78166031d2058e1069b3ed7ed967c93fc63abba06f31144";
        let access = Access { salted: vec![rt.parse().unwrap()], ..Access::default() };
        let credentials = Credentials::create(dir.path(), access).unwrap();
        let password = "cA773lm788buwYe4g4WT+05pKyNruVKjQ25x3n0DQcM=";
        assert_eq!(accepted(&credentials, Some(&basic(&format!("rt:{password}")))).as_deref(), Some("rt"));
        for wrong in [format!("rt:{password}wrong"), format!("rtx:{password}"), "rt:".to_owned()] {
            assert_eq!(accepted(&credentials, Some(&basic(&wrong))), None, "{wrong}");
        }
    }

    #[test]
    fn a_salted_user_has_a_name_a_salt_and_a_hash() {
        let hash = "00".repeat(32);
        assert!(format!("ann:salt${hash}").parse::<SaltedUser>().is_ok());
        for wrong in ["", "ann", "ann:salt", "ann:salt$00", &format!(":salt${hash}"), &format!("ann:${hash}")] {
            assert!(wrong.parse::<SaltedUser>().is_err(), "{wrong}");
        }
    }
}
