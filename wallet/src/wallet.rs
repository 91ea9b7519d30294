//! The wallet: keys, ledger and file together. What the command line, the launcher and the attack lab use.
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

pub mod sweep;

use std::path::Path;

use chain_spec::address::AddressError;
use chain_spec::spec::SpecError;
use chain_spec::{Address, Amount, ChainSpec, Outpoint, TxOut, Txid};

use crate::build::{self, BuildError, PaymentOptions, SignedPayment};
use crate::client::{Client, ClientError};
use crate::clock;
use crate::fee::{FeeRate, INPUT_SIZE};
use crate::file::{Cost, FileError, LOCK_WAIT_MS, Password, WalletFile};
use crate::keystore::{self, Branch, GAP_LIMIT, KeyError, KeyPath, Keyring, Words};
use crate::ledger::Ledger;
use crate::record::{Record, RecordError};
use crate::sync::{Lost, Progress, Scan, SyncError, SyncReport};
use crate::view::{Balance, HistoryLine, State, View, WalletCoin};

/// Anything that can go wrong; every message is one line that names the thing and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// Words or keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The wallet file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its contents.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The chain spec in it.
    #[error("the wallet's chain spec is unusable: {0}")]
    Spec(#[from] SpecError),
    /// An address.
    #[error("{text:?}: {error}")]
    Address {
        /// As given.
        text: String,
        /// What is wrong with it.
        error: AddressError,
    },
    /// A payment.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Following the node's chain.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The node found the payment invalid or against its policy, so the wallet has forgotten it.
    #[error("the node refuses the payment ({0}): nothing was sent")]
    Refused(String),
    /// The node gave no answer, or another error than a refusal: it may have taken the payment.
    #[error(
        "{error}; whether the node has payment {txid} is unknown: it is kept and sent again by the next command, do not pay twice"
    )]
    Unsent {
        /// The payment.
        txid: Txid,
        /// What happened.
        error: ClientError,
    },
    /// Only an unconfirmed transaction can be given up.
    #[error("{0} is not an unconfirmed transaction of this wallet")]
    NotUnconfirmed(Txid),
    /// A transaction that the node still holds would be mined all the same.
    #[error("the node still holds {0} and may mine it: `cancel {0}` replaces it by a payment to yourself")]
    InMempool(Txid),
}

/// Unconfirmed transactions in a row that nodes accept, the new one included (Core: `-limitancestorcount`).
const CHAIN_MAX: u32 = 25;
/// How long a chain of unconfirmed transactions may become: the shortest that suffices is taken (as Core's wallet does).
const CHAIN_TIERS: [u32; 5] = [0, 2, 6, 12, CHAIN_MAX - 1];

/// See the module's documentation.
pub struct Wallet {
    spec: ChainSpec,
    words: Words,
    passphrase: zeroize::Zeroizing<String>,
    keys: Keyring,
    ledger: Ledger,
    gap_limit: u32,
    file: Option<WalletFile>,
}

impl Wallet {
    /// A wallet that lives in memory only; the chain holds all it needs. `passphrase` is BIP39's, usually empty.
    pub fn in_memory(spec: ChainSpec, words: &Words, passphrase: &str) -> Result<Wallet, WalletError> {
        let keys = Keyring::new(words, passphrase, &spec)?;
        let passphrase = zeroize::Zeroizing::new(passphrase.to_owned());
        let (words, ledger) = (words.clone(), Ledger::default());
        Ok(Wallet { spec, words, passphrase, keys, ledger, gap_limit: GAP_LIMIT, file: None })
    }

    /// Writes a new wallet file. The same call restores a wallet: the first sync finds its history.
    pub fn create(
        path: &Path,
        spec: ChainSpec,
        words: &Words,
        passphrase: &str,
        password: &Password,
    ) -> Result<Wallet, WalletError> {
        let cost = if matches!(password, Password::None) { Cost::LEAST } else { Cost::STRONG };
        let mut wallet = Wallet::in_memory(spec, words, passphrase)?;
        wallet.file = Some(WalletFile::create(path, password, cost)?);
        wallet.save()?;
        Ok(wallet)
    }

    /// Opens a wallet file and locks it against other processes, waiting up to [`LOCK_WAIT_MS`] for one that has it.
    pub fn open(path: &Path, password: &Password) -> Result<Wallet, WalletError> {
        Wallet::open_waiting(path, password, LOCK_WAIT_MS)
    }

    /// [`Wallet::open`] with another wait, milliseconds.
    pub fn open_waiting(path: &Path, password: &Password, wait_ms: u64) -> Result<Wallet, WalletError> {
        let (file, payload) = WalletFile::open(path, password, wait_ms)?;
        Wallet::load(file, &payload)
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
        let record = Record::from_bytes(payload)?;
        let spec = ChainSpec::from_toml(&record.spec)?;
        let mut wallet = Wallet::in_memory(spec, &Words::from_entropy(&record.entropy)?, &record.passphrase)?;
        wallet.set_gap_limit(record.gap_limit)?;
        wallet.keys.reserve(Branch::External, record.next[0])?;
        wallet.keys.reserve(Branch::Change, record.next[1])?;
        for (height, hash) in record.checkpoints() {
            wallet.ledger.restore_checkpoint(height, hash);
        }
        for entry in record.entries()? {
            wallet.ledger.restore_entry(entry, &mut |hash| wallet.keys.observe(hash))?;
        }
        wallet.file = Some(file);
        Ok(wallet)
    }

    /// Makes the present state durable. Does nothing for a wallet in memory.
    pub fn save(&mut self) -> Result<(), WalletError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut record = Record {
            entropy: self.words.to_entropy().to_vec(),
            passphrase: self.passphrase.to_string(),
            spec: self.spec.to_toml(),
            next: [Branch::External, Branch::Change].map(|branch| self.keys.next_index(branch)),
            gap_limit: self.gap_limit,
            checkpoints: Vec::new(),
            entries: Vec::new(),
        };
        record.set_ledger(&self.ledger);
        file.save(&record.to_bytes()?)?;
        Ok(())
    }

    /// The chain it belongs to.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// Its words: whoever has them has the coins.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// Its BIP39 passphrase, usually empty.
    pub fn passphrase(&self) -> &str {
        &self.passphrase
    }

    /// What it knows of the chain.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Its keys.
    pub fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// States, coins, balance and history as of the last sync.
    pub fn view(&self) -> View<'_> {
        View::new(&self.ledger, self.spec.coinbase_maturity)
    }

    /// Looks further ahead for used keys than BIP44's 20; for wallets whose owner handed out many unused addresses.
    pub fn set_gap_limit(&mut self, gap_limit: u32) -> Result<(), WalletError> {
        self.gap_limit = gap_limit.max(GAP_LIMIT);
        Ok(self.keys.set_gap_limit(self.gap_limit)?)
    }

    /// Forgets the chain, so that the next sync reads it from its first block. Own unconfirmed payments are kept.
    pub fn rescan(&mut self) {
        self.ledger.roll_back(None);
    }

    /// An address of this wallet's chain.
    pub fn parse_address(&self, text: &str) -> Result<Address, WalletError> {
        Address::parse(text, &self.spec).map_err(|error| WalletError::Address { text: text.to_owned(), error })
    }

    /// The first address that was neither handed out nor paid: stays the same until it is.
    pub fn address(&self) -> Result<Address, WalletError> {
        self.address_at(KeyPath { branch: Branch::External, index: self.keys.next_index(Branch::External) })
    }

    /// Hands out [`Wallet::address`], saves, and moves on to the next.
    pub fn new_address(&mut self) -> Result<Address, WalletError> {
        let address = self.address()?;
        self.keys.reserve(Branch::External, self.keys.next_index(Branch::External) + 1)?;
        self.save()?;
        Ok(address)
    }

    /// The address at a key path within the look-ahead.
    pub fn address_at(&self, path: KeyPath) -> Result<Address, WalletError> {
        let hash = self.keys.hash(path).ok_or_else(|| KeyError::Derivation(self.keys.path_text(path)))?;
        Ok(keystore::address(hash, &self.spec))
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

    /// Its unspent coins, spendable ones first.
    pub fn coins(&self) -> Vec<WalletCoin> {
        self.view().coins()
    }

    /// What happened, oldest first.
    pub fn history(&self) -> Vec<HistoryLine> {
        self.view().history()
    }

    /// What became of a transaction that concerns this wallet.
    pub fn state(&self, txid: &Txid) -> Option<State> {
        self.view().state(txid)
    }

    /// Builds and signs a payment from spendable coins, with change to a fresh own address. Sends nothing.
    ///
    /// Confirmed coins are preferred; unconfirmed change is taken only if they do not suffice, and then from short chains
    /// first, since nodes take no more than 25 unconfirmed transactions in a row.
    pub fn build_payment(
        &self,
        to: &Address,
        amount: Amount,
        options: &PaymentOptions,
    ) -> Result<SignedPayment, WalletError> {
        let view = self.view();
        let mut coins = Vec::new();
        for outpoint in &options.coins {
            let coin = view.coin(outpoint).ok_or(BuildError::UnknownCoin(*outpoint))?;
            if !coin.is_spendable() {
                return Err(BuildError::UnspendableCoin(*outpoint).into());
            }
            coins.push(coin);
        }
        let mut balance = view.balance();
        if options.coins.is_empty() {
            coins = view.coins().into_iter().filter(WalletCoin::is_spendable).collect();
        }
        coins.sort_by_key(|coin| coin.outpoint);
        coins.dedup_by_key(|coin| coin.outpoint);
        if !options.coins.is_empty() {
            balance = Balance::of_coins(&coins);
        }
        let change = self.change_hash()?;
        let mut failure = None;
        for chain_max in CHAIN_TIERS {
            let usable: Vec<WalletCoin> = coins.iter().filter(|coin| coin.chain <= chain_max).copied().collect();
            match build::pay(&usable, &balance, to, amount, change, options, &|hash| self.key_of(hash)) {
                Ok(payment) if view.chain_of(&payment.outpoints()) < CHAIN_MAX => return Ok(payment),
                Ok(_) => failure = Some(BuildError::ChainTooLong),
                // With longer chains there may be enough; if some are too long for any node, that is the reason.
                Err(error @ (BuildError::NotEnoughFunds { .. } | BuildError::TooManyInputs)) => {
                    let are_all = usable.len() == coins.len();
                    failure = Some(if are_all || chain_max + 1 < CHAIN_MAX { error } else { BuildError::ChainTooLong });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(failure.unwrap_or(BuildError::TooManyInputs).into())
    }

    /// Spends exactly these coins, even if they are spent already, on `outputs`; the rest comes back to a change address.
    /// With no outputs all of it does: a double spend to oneself. For studies of such; see also [`Wallet::broadcast`].
    pub fn build_from_coins(
        &self,
        coins: &[Outpoint],
        outputs: Vec<TxOut>,
        fee_rate: FeeRate,
    ) -> Result<SignedPayment, WalletError> {
        let view = self.view();
        let find = |outpoint: &Outpoint| view.coin_even_if_spent(outpoint).ok_or(BuildError::UnknownCoin(*outpoint));
        let coins = coins.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let change = self.change_hash()?;
        Ok(build::spend(&coins, outputs, change, fee_rate, INPUT_SIZE, &|hash| self.key_of(hash))?)
    }

    /// A transaction that conflicts with `payment`: spends the same coins to this wallet instead.
    pub fn build_conflict(&self, payment: &SignedPayment, fee_rate: FeeRate) -> Result<SignedPayment, WalletError> {
        let coins: Vec<Outpoint> = payment.inputs.iter().map(|coin| coin.outpoint).collect();
        self.build_from_coins(&coins, Vec::new(), fee_rate)
    }

    /// Records a payment, saves, and gives it to the node. If the node refuses it, the wallet forgets it again; if the
    /// node gives no answer, or an error that is no refusal, the payment is kept and sent again by the next sync.
    pub fn send(&mut self, client: &Client, payment: &SignedPayment) -> Result<Txid, WalletError> {
        let txid = payment.txid();
        self.record(payment)?;
        match client.send_transaction(&payment.transaction) {
            Ok(()) => {
                self.ledger.set_in_mempool(&txid, true);
                self.save()?;
                Ok(txid)
            }
            Err(ClientError::Rpc { error, .. }) if error.is_refusal() => {
                self.ledger.forget(&txid);
                self.save()?;
                Err(WalletError::Refused(error.message))
            }
            Err(error) => Err(WalletError::Unsent { txid, error }),
        }
    }

    /// Makes a payment known to the wallet, as [`Wallet::send`] does, without giving it to a node.
    pub fn record(&mut self, payment: &SignedPayment) -> Result<(), WalletError> {
        let now_s = clock::now_s();
        self.ledger.record_sent(&payment.transaction, now_s, &mut |hash| self.keys.observe(hash))?;
        self.save()
    }

    /// Gives a transaction to a node without recording it: the node decides which of two conflicting ones wins.
    pub fn broadcast(client: &Client, payment: &SignedPayment) -> Result<Txid, WalletError> {
        client.send_transaction(&payment.transaction)?;
        Ok(payment.txid())
    }

    /// Gives up an unconfirmed transaction that no mempool holds: it is not sent again, and its coins may be spent. If it
    /// is mined after all, the wallet counts it. Ask the node first, with [`Wallet::look`].
    pub fn abandon(&mut self, txid: &Txid) -> Result<(), WalletError> {
        if self.ledger.entry(txid).is_some_and(|entry| entry.in_mempool) {
            return Err(WalletError::InMempool(*txid));
        }
        if !self.ledger.abandon(txid) {
            return Err(WalletError::NotUnconfirmed(*txid));
        }
        self.save()
    }

    fn change_hash(&self) -> Result<[u8; 20], WalletError> {
        let path = KeyPath { branch: Branch::Change, index: self.keys.next_index(Branch::Change) };
        Ok(self.keys.hash(path).ok_or_else(|| KeyError::Derivation(self.keys.path_text(path)))?)
    }

    fn key_of(&self, hash: &[u8; 20]) -> Result<chain_spec::PrivateKey, KeyError> {
        let path = self.keys.path(hash).ok_or_else(|| KeyError::Derivation("a foreign address".into()))?;
        self.keys.private_key(path)
    }
}
