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

use std::path::Path;

use chain_spec::address::AddressError;
use chain_spec::spec::SpecError;
use chain_spec::{Address, Amount, ChainSpec, Outpoint, TxOut, Txid};

use crate::build::{self, BuildError, PaymentOptions, SignedPayment};
use crate::client::{Client, ClientError};
use crate::clock;
use crate::fee::{FeeRate, INPUT_SIZE};
use crate::file::{Cost, FileError, Password, WalletFile};
use crate::keystore::{self, Branch, GAP_LIMIT, KeyError, KeyPath, Keyring, Words};
use crate::ledger::Ledger;
use crate::record::{Record, RecordError};
use crate::sync::{Progress, Scan, SyncError, SyncReport};
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
    /// The node did not take a payment, so the wallet has forgotten it.
    #[error("the node refuses the payment ({0}): nothing was sent")]
    Refused(String),
    /// The node could not be asked, so nobody knows whether it took the payment.
    #[error("{error}; payment {txid} is kept and sent again by the next command: do not pay twice")]
    Unsent {
        /// The payment.
        txid: Txid,
        /// What happened.
        error: ClientError,
    },
    /// Only an unconfirmed transaction can be given up.
    #[error("{0} is not an unconfirmed transaction of this wallet")]
    NotUnconfirmed(Txid),
}

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

    /// Opens a wallet file and locks it against other processes.
    pub fn open(path: &Path, password: &Password) -> Result<Wallet, WalletError> {
        let (file, payload) = WalletFile::open(path, password)?;
        let record = Record::from_bytes(&payload)?;
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

    /// Follows the node's chain to its tip, looks at its mempool, sends lost own payments again, and saves.
    pub fn sync(&mut self, client: &Client) -> Result<SyncReport, WalletError> {
        self.sync_with(client, &mut |_| {})
    }

    /// [`Wallet::sync`], telling `progress` after each batch of blocks.
    pub fn sync_with(
        &mut self,
        client: &Client,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<SyncReport, WalletError> {
        let mut scan = Scan { client, ledger: &mut self.ledger, keys: &mut self.keys, spec: &self.spec, progress };
        let mut report = scan.blocks()?;
        scan.mempool(clock::now_s(), &mut report)?;
        self.save()?;
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
        if options.coins.is_empty() {
            coins = view.coins().into_iter().filter(WalletCoin::is_spendable).collect();
        }
        coins.sort_by_key(|coin| coin.outpoint);
        coins.dedup_by_key(|coin| coin.outpoint);
        let balance = view.balance();
        Ok(build::pay(&coins, &balance, to, amount, self.change_hash()?, options, &|hash| self.key_of(hash))?)
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
    /// node cannot be asked, the payment is kept and sent again by the next sync.
    pub fn send(&mut self, client: &Client, payment: &SignedPayment) -> Result<Txid, WalletError> {
        let txid = payment.txid();
        self.record(payment)?;
        match client.send_transaction(&payment.transaction) {
            Ok(()) => {
                self.ledger.set_in_mempool(&txid, true);
                self.save()?;
                Ok(txid)
            }
            Err(ClientError::Rpc { error, .. }) => {
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

    /// Gives up an unconfirmed transaction: it is not sent again, and its coins may be spent. If it is mined after all,
    /// the wallet counts it.
    pub fn abandon(&mut self, txid: &Txid) -> Result<(), WalletError> {
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

/// Finds every coin of a foreign private key and builds the transaction that brings them here.
pub mod sweep {
    use super::*;
    use crate::fee::INPUT_SIZE_UNCOMPRESSED;
    use crate::sync::Keys;
    use chain_spec::PrivateKey;

    struct OneKey([u8; 20]);

    impl Keys for OneKey {
        fn observe(&mut self, hash: &[u8; 20]) -> Result<bool, KeyError> {
            Ok(*hash == self.0)
        }
        fn watched(&self) -> usize {
            1
        }
    }

    /// Reads the whole chain for the key's coins and spends all that can be spent to `wallet`'s address.
    pub fn build(
        wallet: &Wallet,
        client: &Client,
        key: &PrivateKey,
        fee_rate: FeeRate,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<SignedPayment, WalletError> {
        let (mut ledger, mut keys) = (Ledger::default(), OneKey(key.public_key().hash()));
        let mut scan = Scan { client, ledger: &mut ledger, keys: &mut keys, spec: &wallet.spec, progress };
        let mut report = scan.blocks()?;
        scan.mempool(clock::now_s(), &mut report)?;
        let view = View::new(&ledger, wallet.spec.coinbase_maturity);
        let coins: Vec<_> = view.coins().into_iter().filter(WalletCoin::is_spendable).collect();
        let to = wallet.address()?.public_key_hash;
        let compressed = key.public_key().as_bytes().len() == 33;
        let input_size = if compressed { INPUT_SIZE } else { INPUT_SIZE_UNCOMPRESSED };
        if coins.is_empty() {
            let (needed, fee) = (Amount::from_units(1), Amount::ZERO);
            return Err(BuildError::NotEnoughFunds { needed, fee, balance: view.balance() }.into());
        }
        Ok(build::spend(&coins, Vec::new(), to, fee_rate, input_size, &|_| Ok(key.clone()))?)
    }
}
