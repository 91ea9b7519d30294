//! All keys of a wallet: accounts and imported keys, which of them were used, and which script each is paid by.

use std::collections::{BTreeMap, HashMap};

use bip32::XPrv;
use chain_spec::{ChainSpec, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::account::PrivateNode;
use super::descriptor::WatchedKey;
use super::{Account, Branch, GAP_LIMIT, KeyError, KeyPath, Words, coin_type};
use crate::secret::Secret;

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyOrigin {
    /// Derived from the words or an extended key.
    Derived(KeyPath),
    /// Imported by itself.
    Imported,
}

/// An imported key at rest.
struct ImportedKey {
    secret: Secret,
    public: PublicKey,
}

impl ImportedKey {
    fn of(key: &PrivateKey) -> ImportedKey {
        ImportedKey { secret: Secret::new(&*Zeroizing::new(key.to_bytes())), public: key.public_key() }
    }

    fn key(&self) -> Result<PrivateKey, KeyError> {
        let failed = || KeyError::Derivation("an imported key".into());
        let secret = self.secret.to_array().ok_or_else(failed)?;
        PrivateKey::from_bytes(&secret, self.public.as_bytes().len() == COMPRESSED_LEN).map_err(|_| failed())
    }
}

/// Bytes of a compressed public key.
const COMPRESSED_LEN: usize = 33;

/// See the module's documentation.
pub struct Keyring {
    /// Kept for making the next account; none in a wallet that only watches.
    root: Option<PrivateNode>,
    accounts: Vec<Account>,
    imported: BTreeMap<[u8; 20], ImportedKey>,
    paths: HashMap<[u8; 20], KeyPath>,
    spec: ChainSpec,
    gap_limit: u32,
}

impl Keyring {
    /// The keys of `words` and `passphrase` (BIP39; may be empty) on `spec`'s chain: account 0, and account 1 unseen, so that
    /// its use is noticed (BIP44, "Account discovery").
    pub fn new(words: &Words, passphrase: &str, spec: &ChainSpec) -> Result<Keyring, KeyError> {
        let seed = words.seed(passphrase);
        let root = XPrv::new(&*seed).map_err(|_| KeyError::Derivation("m".into()))?;
        let mut keyring = Keyring::empty(Some(PrivateNode::of(&root)), spec);
        keyring.push_account()?;
        keyring.list_account(0)?;
        Ok(keyring)
    }

    /// Accounts that can be watched but not spent from.
    pub fn watch_only(keys: Vec<WatchedKey>, spec: &ChainSpec) -> Result<Keyring, KeyError> {
        let mut keyring = Keyring::empty(None, spec);
        keyring.accounts = keys.into_iter().map(Account::watch).collect();
        keyring.look_ahead()?;
        Ok(keyring)
    }

    fn empty(root: Option<PrivateNode>, spec: &ChainSpec) -> Keyring {
        let (accounts, imported, paths) = (Vec::new(), BTreeMap::new(), HashMap::new());
        Keyring { root, accounts, imported, paths, spec: spec.clone(), gap_limit: GAP_LIMIT }
    }

    fn push_account(&mut self) -> Result<(), KeyError> {
        let Some(root) = &self.root else { return Ok(()) };
        let number = self.accounts.len() as u32;
        self.accounts.push(Account::derive(&root.key()?, coin_type(&self.spec), number, &self.spec)?);
        self.look_ahead()
    }

    /// Shows an account to the user, and watches the one after it.
    fn list_account(&mut self, number: u32) -> Result<(), KeyError> {
        for account in &mut self.accounts[..=number as usize] {
            account.is_listed = true;
        }
        if number as usize + 1 == self.accounts.len() { self.push_account() } else { Ok(()) }
    }

    /// Makes the next account and gives its number. The last one must have been used.
    pub fn create_account(&mut self, name: Option<&str>) -> Result<u32, KeyError> {
        if self.root.is_none() {
            return Err(KeyError::WatchOnly("a new account".into()));
        }
        let number = self.accounts().count() as u32;
        let is_used = number.checked_sub(1).is_none_or(|last| self.next_index(last, Branch::External) > 0);
        if !is_used {
            return Err(KeyError::AccountUnused(number - 1));
        }
        self.list_account(number)?;
        if let Some(name) = name {
            self.rename_account(number, name)?;
        }
        Ok(number)
    }

    /// Gives an account a name.
    pub fn rename_account(&mut self, number: u32, name: &str) -> Result<(), KeyError> {
        let account = self.accounts.get_mut(number as usize).ok_or(KeyError::NoAccount(number))?;
        name.clone_into(&mut account.name);
        Ok(())
    }

    /// The accounts that the user knows, by number.
    pub fn accounts(&self) -> impl Iterator<Item = (u32, &Account)> {
        (0..).zip(&self.accounts).filter(|(_, account)| account.is_listed)
    }

    /// One of them.
    pub fn account(&self, number: u32) -> Result<&Account, KeyError> {
        self.accounts().nth(number as usize).map(|(_, account)| account).ok_or(KeyError::NoAccount(number))
    }

    /// Whether nothing can be signed: no words and no imported key.
    pub fn is_watch_only(&self) -> bool {
        self.root.is_none() && self.imported.is_empty()
    }

    /// Takes one more key. Returns whether it is new.
    pub fn import(&mut self, key: PrivateKey) -> bool {
        let hash = key.public_key().hash();
        !self.paths.contains_key(&hash) && self.imported.insert(hash, ImportedKey::of(&key)).is_none()
    }

    /// The imported keys' public halves.
    pub fn imported(&self) -> impl Iterator<Item = (&[u8; 20], &PublicKey)> {
        self.imported.iter().map(|(hash, key)| (hash, &key.public))
    }

    /// Unused keys looked ahead.
    pub fn gap_limit(&self) -> u32 {
        self.gap_limit
    }

    /// Looks at least `gap_limit` keys ahead of the last used one from now on.
    pub fn set_gap_limit(&mut self, gap_limit: u32) -> Result<(), KeyError> {
        self.gap_limit = gap_limit.max(GAP_LIMIT);
        self.look_ahead()
    }

    /// The first index of an account's branch that was neither handed out nor used; 0 for an unknown account.
    pub fn next_index(&self, account: u32, branch: Branch) -> u32 {
        self.accounts.get(account as usize).map_or(0, |account| account.next(branch))
    }

    /// Where the next change of an account goes.
    pub fn change_path(&self, account: u32) -> Result<KeyPath, KeyError> {
        let branch = self.account(account)?.change_branch();
        Ok(KeyPath { account, branch, index: self.next_index(account, branch) })
    }

    /// Marks every index below `next` as handed out.
    pub fn reserve(&mut self, account: u32, branch: Branch, next: u32) -> Result<(), KeyError> {
        let keys = self.accounts.get_mut(account as usize).ok_or(KeyError::NoAccount(account))?;
        if next <= keys.next(branch) {
            return Ok(());
        }
        keys.set_next(branch, next);
        self.look_ahead_branch(account, branch)
    }

    /// Notes that a script paid `hash`. Returns whether the key is ours; if so, the look-ahead moves past it, and an account
    /// that nobody had made yet is one from now on.
    pub fn observe(&mut self, hash: &[u8; 20]) -> Result<bool, KeyError> {
        let Some(path) = self.path(hash) else { return Ok(self.imported.contains_key(hash)) };
        self.reserve(path.account, path.branch, path.index.saturating_add(1))?;
        if !self.accounts[path.account as usize].is_listed {
            self.list_account(path.account)?;
        }
        Ok(true)
    }

    /// Keys watched on all branches together; grows as they are used.
    pub fn watched(&self) -> usize {
        self.paths.len() + self.imported.len()
    }

    /// Where the key of a public key hash is, if it is derived and ours.
    pub fn path(&self, hash: &[u8; 20]) -> Option<KeyPath> {
        self.paths.get(hash).copied()
    }

    /// Where the key of a public key hash comes from, if it is ours.
    pub fn origin(&self, hash: &[u8; 20]) -> Option<KeyOrigin> {
        let imported = || self.imported.contains_key(hash).then_some(KeyOrigin::Imported);
        self.path(hash).map(KeyOrigin::Derived).or_else(imported)
    }

    /// The public key hash at `path`, if it is within the look-ahead.
    pub fn hash(&self, path: KeyPath) -> Option<[u8; 20]> {
        self.accounts.get(path.account as usize)?.hashes(path.branch).get(path.index as usize).copied()
    }

    /// The private key of a public key hash.
    pub fn private_key(&self, hash: &[u8; 20]) -> Result<PrivateKey, KeyError> {
        if let Some(key) = self.imported.get(hash) {
            return key.key();
        }
        let path = self.path(hash).ok_or_else(|| KeyError::Derivation("a foreign address".into()))?;
        self.accounts[path.account as usize].private_key(path.branch, path.index)
    }

    /// The public key of a public key hash, if it is ours.
    pub fn public_key(&self, hash: &[u8; 20]) -> Option<PublicKey> {
        if let Some(key) = self.imported.get(hash) {
            return Some(key.public.clone());
        }
        let path = self.path(hash)?;
        self.accounts[path.account as usize].public_key(path.branch, path.index)
    }

    /// `m/44'/1'/0'/0/7`.
    pub fn path_text(&self, path: KeyPath) -> String {
        let account = self.accounts.get(path.account as usize).map_or("m", Account::path);
        format!("{account}/{}/{}", path.branch as u8, path.index)
    }

    /// Every account with what a file keeps of it, the unseen one too.
    pub(crate) fn all_accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Puts back an account's state from a file.
    pub(crate) fn restore_account(
        &mut self,
        number: u32,
        name: String,
        is_listed: bool,
        next: [u32; 2],
        hashes: [Vec<[u8; 20]>; 2],
    ) -> Result<(), KeyError> {
        while self.root.is_some() && number as usize >= self.accounts.len() {
            self.push_account()?;
        }
        let account = self.accounts.get_mut(number as usize).ok_or(KeyError::NoAccount(number))?;
        account.name = name;
        for (branch, (next, hashes)) in [Branch::External, Branch::Change].into_iter().zip(next.into_iter().zip(hashes))
        {
            account.restore_hashes(branch, hashes);
            account.set_next(branch, next);
            for (index, hash) in (0..).zip(account.hashes(branch)) {
                self.paths.insert(*hash, KeyPath { account: number, branch, index });
            }
        }
        if is_listed {
            self.list_account(number)?;
        }
        self.look_ahead()
    }

    /// Derives what is missing of the look-ahead.
    fn look_ahead(&mut self) -> Result<(), KeyError> {
        for account in 0..self.accounts.len() as u32 {
            for branch in [Branch::External, Branch::Change] {
                self.look_ahead_branch(account, branch)?;
            }
        }
        Ok(())
    }

    fn look_ahead_branch(&mut self, account: u32, branch: Branch) -> Result<(), KeyError> {
        for (index, hash) in self.accounts[account as usize].look_ahead(branch, self.gap_limit)? {
            self.paths.insert(hash, KeyPath { account, branch, index });
        }
        Ok(())
    }
}
