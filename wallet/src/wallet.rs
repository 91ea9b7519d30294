//! The wallet: keys, ledger, labels and file together. What the command line, the launcher and the attack lab use.
//!
//! This file makes, opens, saves and follows the chain; [`mod@payment`] builds and sends, [`mod@replace`] bumps and
//! cancels, [`sweep`] takes a foreign key's coins, [`mod@offline`] speaks PSBT and signs messages.
//!
//! ```no_run
//! # use wallet::{Wallet, Words, Password, Client, Auth, PaymentOptions};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let spec = chain_spec::ChainSpec::builtin("local").ok_or("no such chain")?;
//! let mut wallet = Wallet::create("alice.wallet".as_ref(), spec, &Words::generate(12)?, "", &Password::None)?;
//! let client = Client::new("http://127.0.0.1:18443", Auth::Cookie("node/.cookie".into()))?;
//! wallet.sync(&client)?;
//! let bob = wallet.parse_address("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn")?;
//! let payment = wallet.build_payment(&bob, "12.5".parse()?, &PaymentOptions::default())?;
//! println!("{}", wallet.send(&client, &payment)?);
//! # Ok(()) }
//! ```

mod error;
pub mod offline;
pub mod payment;
pub mod replace;
pub mod sweep;

use std::path::Path;

use chain_spec::{Address, ChainSpec, CheckedBlock, PrivateKey, Txid};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::clock;
use crate::file::{Cost, LOCK_WAIT_MS, Password, WalletFile};
use crate::keystore::descriptor::WatchedKey;
use crate::keystore::{self, Account, Branch, KeyError, KeyPath, Keyring, Words};
use crate::labels::Labels;
use crate::ledger::Ledger;
use crate::record::{AccountRecord, ImportedKey, Record, Source};
use crate::secret::Secret;
use crate::sync::{Lost, Progress, Scan, SyncReport, connect_block};
use crate::view::{Balance, HistoryLine, State, View, WalletCoin};

pub use error::WalletError;

/// What the keys come from.
enum KeySource {
    Words { entropy: Secret, passphrase: Secret },
    Watched,
}

/// See the module's documentation.
pub struct Wallet {
    spec: ChainSpec,
    source: KeySource,
    keys: Keyring,
    ledger: Ledger,
    labels: Labels,
    file: Option<WalletFile>,
}

impl Wallet {
    /// A wallet that lives in memory only; the chain holds all it needs. `passphrase` is BIP39's, usually empty.
    pub fn in_memory(spec: ChainSpec, words: &Words, passphrase: &str) -> Result<Wallet, WalletError> {
        let keys = Keyring::new(words, passphrase, &spec)?;
        let (entropy, passphrase) = (Secret::new(&words.to_entropy()), Secret::new(passphrase.as_bytes()));
        let source = KeySource::Words { entropy, passphrase };
        Ok(Wallet { spec, source, keys, ledger: Ledger::default(), labels: Labels::default(), file: None })
    }

    /// A wallet in memory that watches accounts and cannot spend.
    pub fn watch_in_memory(spec: ChainSpec, accounts: Vec<WatchedKey>) -> Result<Wallet, WalletError> {
        let keys = Keyring::watch_only(accounts, &spec)?;
        let (ledger, labels) = (Ledger::default(), Labels::default());
        Ok(Wallet { spec, source: KeySource::Watched, keys, ledger, labels, file: None })
    }

    /// Writes a new wallet file. The same call restores a wallet: the first sync finds its history.
    pub fn create(
        path: &Path,
        spec: ChainSpec,
        words: &Words,
        passphrase: &str,
        password: &Password,
    ) -> Result<Wallet, WalletError> {
        Wallet::in_memory(spec, words, passphrase)?.write_new(path, password)
    }

    /// Writes a new wallet file that watches accounts and cannot spend.
    pub fn create_watching(
        path: &Path,
        spec: ChainSpec,
        accounts: Vec<WatchedKey>,
        password: &Password,
    ) -> Result<Wallet, WalletError> {
        Wallet::watch_in_memory(spec, accounts)?.write_new(path, password)
    }

    /// Writes a wallet that lived in memory to a new file.
    pub fn write_new(mut self, path: &Path, password: &Password) -> Result<Wallet, WalletError> {
        self.file = Some(WalletFile::create(path, password, cost_of(password))?);
        self.save()?;
        Ok(self)
    }

    /// Opens a wallet file and locks it against other processes, waiting up to [`LOCK_WAIT_MS`] for one that has it.
    pub fn open(path: &Path, password: &Password) -> Result<Wallet, WalletError> {
        Wallet::open_waiting(path, password, LOCK_WAIT_MS)
    }

    /// [`Wallet::open`] with another wait, milliseconds. A file whose password is cheaper to guess than today's files, or
    /// which has an older format, is written anew.
    pub fn open_waiting(path: &Path, password: &Password, wait_ms: u64) -> Result<Wallet, WalletError> {
        let (mut file, payload) = WalletFile::open(path, password, wait_ms)?;
        let is_old = !file.is_current();
        let is_weak = !file.is_open() && !file.cost().covers(&Cost::STRONG);
        if is_weak {
            file.set_password(password, Cost::STRONG)?;
        }
        let mut wallet = Wallet::load(file, &payload)?;
        if is_old || is_weak {
            wallet.save()?;
        }
        Ok(wallet)
    }

    /// Opens a wallet file without waiting for a process that has it locked. While one has, nothing is saved: a sync is
    /// forgotten with the process, and [`Wallet::send`] and what else must be saved fails.
    pub fn open_to_read(path: &Path, password: &Password) -> Result<Wallet, WalletError> {
        let (file, payload) = WalletFile::open_to_read(path, password)?;
        Wallet::load(file, &payload)
    }

    /// Lets other processes change the file while this one only looks on, for example while it waits for confirmations.
    pub fn release(&mut self) {
        if let Some(file) = &mut self.file {
            file.release();
        }
    }

    fn load(file: WalletFile, payload: &[u8]) -> Result<Wallet, WalletError> {
        let mut record =
            if file.version() == 1 { Record::from_format_1(payload) } else { Record::from_bytes(payload) }?;
        let spec = ChainSpec::from_toml(&record.spec)?;
        let mut wallet = match &record.source {
            Source::Words { entropy, passphrase } => {
                Wallet::in_memory(spec, &Words::from_entropy(entropy)?, passphrase)?
            }
            Source::Watched(descriptors) => {
                let parse = |text: &String| keystore::descriptor::parse(text, &spec);
                let accounts = descriptors.iter().map(parse).collect::<Result<_, _>>()?;
                Wallet::watch_in_memory(spec, accounts)?
            }
        };
        for (number, account) in (0..).zip(std::mem::take(&mut record.accounts)) {
            let AccountRecord { name, is_listed, next, hashes } = account;
            wallet.keys.restore_account(number, name, is_listed, next, hashes)?;
        }
        wallet.keys.set_gap_limit(record.gap_limit)?;
        for key in &record.imported {
            let key = PrivateKey::from_bytes(&key.secret, key.is_compressed);
            wallet.keys.import(key.map_err(|error| KeyError::Derivation(error.to_string()))?);
        }
        wallet.labels = Labels::restore(std::mem::take(&mut record.labels), std::mem::take(&mut record.frozen));
        for (height, hash) in record.checkpoints() {
            wallet.ledger.restore_checkpoint(height, hash);
        }
        for entry in record.take_entries() {
            wallet.ledger.restore_entry(entry?, &mut |hash| wallet.keys.observe(hash))?;
        }
        wallet.file = Some(file);
        Ok(wallet)
    }

    /// Makes the present state durable. Does nothing for a wallet in memory.
    pub fn save(&mut self) -> Result<(), WalletError> {
        let passphrase = self.passphrase();
        let Some(file) = &mut self.file else { return Ok(()) };
        let source = match &self.source {
            KeySource::Words { entropy, .. } => {
                Source::Words { entropy: entropy.to_vec(), passphrase: passphrase.to_string() }
            }
            KeySource::Watched => Source::Watched(self.keys.all_accounts().iter().map(Account::source).collect()),
        };
        let branches = [Branch::External, Branch::Change];
        let account = |(number, account): (u32, &Account)| AccountRecord {
            name: account.name().to_owned(),
            is_listed: account.is_listed(),
            next: branches.map(|branch| self.keys.next_index(number, branch)),
            hashes: branches.map(|branch| account.hashes(branch).to_vec()),
        };
        let imported = |hash: &[u8; 20]| {
            let key = self.keys.private_key(hash)?;
            Ok(ImportedKey { secret: key.to_bytes(), is_compressed: key.is_compressed() })
        };
        let mut record = Record {
            source,
            spec: self.spec.to_toml(),
            gap_limit: self.keys.gap_limit(),
            accounts: (0..).zip(self.keys.all_accounts()).map(account).collect(),
            imported: self.keys.imported().map(|(hash, _)| imported(hash)).collect::<Result<_, KeyError>>()?,
            labels: self.labels.iter().map(|(thing, label)| (thing.to_owned(), label.to_owned())).collect(),
            frozen: self.labels.frozen().map(|coin| (*coin.txid.as_bytes(), coin.index)).collect(),
            checkpoints: Vec::new(),
            entries: Vec::new(),
        };
        record.set_ledger(&self.ledger);
        file.save(&record.to_bytes()?)?;
        Ok(())
    }

    /// Encrypts the file under another password from now on, and removes the backup that the old one opens.
    pub fn change_password(&mut self, password: &Password) -> Result<(), WalletError> {
        if let Some(file) = &mut self.file {
            file.set_password(password, cost_of(password))?;
        }
        self.save()
    }

    /// The chain it belongs to.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// Its file, unless it lives in memory.
    pub fn file(&self) -> Option<&WalletFile> {
        self.file.as_ref()
    }

    /// Its words: whoever has them has the coins.
    pub fn words(&self) -> Result<Words, WalletError> {
        match &self.source {
            KeySource::Words { entropy, .. } => Ok(Words::from_entropy(entropy)?),
            KeySource::Watched => Err(WalletError::NoWords),
        }
    }

    /// Its BIP39 passphrase, usually empty.
    pub fn passphrase(&self) -> Zeroizing<String> {
        let bytes: &[u8] = match &self.source {
            KeySource::Words { passphrase, .. } => passphrase,
            KeySource::Watched => &[],
        };
        // It was made from text, so nothing is lost.
        Zeroizing::new(String::from_utf8_lossy(bytes).into_owned())
    }

    /// What it knows of the chain.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Its keys.
    pub fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// What its owner wrote beside things, and which coins are frozen.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The same, to be changed; [`Wallet::save`] makes it durable.
    pub fn labels_mut(&mut self) -> &mut Labels {
        &mut self.labels
    }

    /// States, coins, balance and history as of the last sync.
    pub fn view(&self) -> View<'_> {
        View::new(&self.ledger, self.spec.coinbase_maturity)
    }

    /// Looks further ahead for used keys than BIP44's 20; for wallets whose owner handed out many unused addresses.
    pub fn set_gap_limit(&mut self, gap_limit: u32) -> Result<(), WalletError> {
        Ok(self.keys.set_gap_limit(gap_limit)?)
    }

    /// Makes the next account and gives its number.
    pub fn create_account(&mut self, name: Option<&str>) -> Result<u32, WalletError> {
        let number = self.keys.create_account(name)?;
        self.save()?;
        Ok(number)
    }

    /// Gives an account a name.
    pub fn rename_account(&mut self, number: u32, name: &str) -> Result<(), WalletError> {
        self.keys.rename_account(number, name)?;
        self.save()
    }

    /// Takes a key that the words do not make, and forgets the chain, so that the next sync finds its coins. Returns whether
    /// it is new.
    pub fn import_key(&mut self, key: PrivateKey) -> Result<bool, WalletError> {
        let is_new = self.keys.import(key);
        if is_new {
            self.rescan();
            self.save()?;
        }
        Ok(is_new)
    }

    /// Forgets the chain, so that the next sync reads it from its first block. Own unconfirmed payments are kept.
    pub fn rescan(&mut self) {
        self.ledger.roll_back(None);
    }

    /// An address of this wallet's chain.
    pub fn parse_address(&self, text: &str) -> Result<Address, WalletError> {
        Address::parse(text, &self.spec).map_err(|error| WalletError::Address { text: text.to_owned(), error })
    }

    /// The first address of account 0 that was neither handed out nor paid: stays the same until it is.
    pub fn address(&self) -> Result<Address, WalletError> {
        self.address_of(0)
    }

    /// The same of any account.
    pub fn address_of(&self, account: u32) -> Result<Address, WalletError> {
        self.keys.account(account)?;
        let index = self.keys.next_index(account, Branch::External);
        self.address_at(KeyPath { account, branch: Branch::External, index })
    }

    /// Hands out [`Wallet::address`], saves, and moves on to the next.
    pub fn new_address(&mut self) -> Result<Address, WalletError> {
        self.new_address_of(0)
    }

    /// The same of any account.
    pub fn new_address_of(&mut self, account: u32) -> Result<Address, WalletError> {
        let address = self.address_of(account)?;
        let next = self.keys.next_index(account, Branch::External) + 1;
        self.keys.reserve(account, Branch::External, next)?;
        self.save()?;
        Ok(address)
    }

    /// The address at a key path within the look-ahead.
    pub fn address_at(&self, path: KeyPath) -> Result<Address, WalletError> {
        let hash = self.keys.hash(path).ok_or_else(|| KeyError::Derivation(self.keys.path_text(path)))?;
        Ok(keystore::address(hash, &self.spec))
    }

    /// Whether an address is one of this wallet's.
    pub fn owns(&self, address: &Address) -> bool {
        self.keys.origin(&address.public_key_hash).is_some()
    }

    /// Follows the node's chain to its tip, looks at its mempool, sends lost own payments again, and saves. A wallet opened
    /// to read saves if it can.
    pub fn sync(&mut self, client: &Client) -> Result<SyncReport, WalletError> {
        self.sync_with(client, &mut |_| {})
    }

    /// [`Wallet::sync`], telling `progress` after each batch of blocks.
    pub fn sync_with(
        &mut self,
        client: &Client,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<SyncReport, WalletError> {
        self.follow(client, Lost::Resend, progress)
    }

    /// [`Wallet::sync`] without sending anything.
    pub fn look(&mut self, client: &Client) -> Result<SyncReport, WalletError> {
        self.follow(client, Lost::Leave, &mut |_| {})
    }

    /// Takes the next block of the chain from somewhere else than a node; gives whether it follows the last one seen.
    pub fn connect(&mut self, block: &CheckedBlock) -> Result<bool, WalletError> {
        Ok(connect_block(&mut self.ledger, &mut self.keys, &self.spec, block)?)
    }

    fn follow(
        &mut self,
        client: &Client,
        lost: Lost,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<SyncReport, WalletError> {
        let mut scan = Scan { client, ledger: &mut self.ledger, keys: &mut self.keys, spec: &self.spec, progress };
        let mut report = scan.blocks()?;
        scan.mempool(clock::now_s(), lost, &mut report)?;
        if !self.file.as_ref().is_some_and(WalletFile::is_read_only) {
            self.save()?;
        }
        Ok(report)
    }

    /// The sums of its coins.
    pub fn balance(&self) -> Balance {
        self.view().balance()
    }

    /// The sums of one account's coins.
    pub fn balance_of(&self, account: u32) -> Balance {
        Balance::of_coins(&self.coins_of(Some(account)))
    }

    /// Its unspent coins, spendable ones first.
    pub fn coins(&self) -> Vec<WalletCoin> {
        self.view().coins()
    }

    /// The same of one account. Imported keys are in account 0.
    pub fn coins_of(&self, account: Option<u32>) -> Vec<WalletCoin> {
        let mut coins = self.coins();
        coins.retain(|coin| account.is_none_or(|account| self.account_of(&coin.public_key_hash) == account));
        coins
    }

    /// The account a key of ours belongs to.
    fn account_of(&self, hash: &[u8; 20]) -> u32 {
        self.keys.path(hash).map_or(0, |path| path.account)
    }

    /// What happened, oldest first.
    pub fn history(&self) -> Vec<HistoryLine> {
        self.view().history()
    }

    /// What became of a transaction that concerns this wallet.
    pub fn state(&self, txid: &Txid) -> Option<State> {
        self.view().state(txid)
    }

    /// Whether a known transaction spends coins of this wallet alone, so that only its keys can have made it: a payment, and
    /// what raises the fee of one or takes it back.
    pub fn has_made(&self, txid: &Txid) -> bool {
        let is_own = |outpoint| self.ledger.own_output(outpoint).is_some();
        let entry = self.ledger.entry(txid);
        entry.is_some_and(|entry| entry.transaction.inputs.iter().all(|input| is_own(&input.outpoint)))
    }
}

/// Where there is no password there is nothing to guess.
fn cost_of(password: &Password) -> Cost {
    if matches!(password, Password::None) { Cost::LEAST } else { Cost::STRONG }
}
