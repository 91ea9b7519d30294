//! Chain specs: the parameters two nodes must share. `spec/*.toml` holds the built-in chains.
//!
//! A spec is plain data; `spec/file.rs` reads and writes it as TOML, with every range checked, so that the rules can use
//! any spec that loaded without a second look. A chain of one's own begins as a copy of `local.toml`:
//!
//! | field | what it may be |
//! |---|---|
//! | `name` | 1 to 40 of a-z, 0-9 and `-` |
//! | `spacing_s` | 1 to 604,800 seconds |
//! | `pow` | `"sha256d"` or `"scrypt"`; `"sha256d"` unless given |
//! | `target_limit`, `initial_target` | a compact target as in a header (`"1d00ffff"`); the limit also as 64 hexadecimal digits |
//! | `money_max` | decimal coins, up to 84 million; 21 million unless given |
//! | `initial_subsidy` | decimal coins; with all halvings and genesis within `money_max` |
//! | `halving_interval` | 1 block at least |
//! | `coinbase_maturity` | 1 to 1,000,000 blocks |
//! | `block_size_max` | 1,000 to 4,000,000 bytes |
//! | `address_version`, `wif_version` | 0 to 255 |
//! | `default_rpc_port`, `default_p2p_port` | 0 to 65,535 |
//! | `future_max_s` | how far ahead of a node's clock a header may be: 1 to 7,200 seconds; unless given 7,200, or the half-life of asert or ema if that is shorter |
//! | `genesis_spendable` | whether genesis' outputs are coins; `false` unless given |
//! | `bip94` | only with epochs; `false` unless given |
//! | `whole_epochs` | only with epochs: measure a period from the block before it, as Litecoin does; `false` unless given |
//! | `bip34_height` | the first block of version 2 or above, with its height in its coinbase; 1 unless given |
//! | `bip66_height` | the first block of version 3 or above, with signatures in strict DER; 1 unless given |
//! | `bip65_height` | the first block of version 4 or above; 1 unless given |
//! | `csv_height` | the first block with relative lock times, and with lock times held against median-time-past (BIP68, BIP113); 1 unless given |
//! | `[retarget]` | `rule = "fixed"`, or `"epoch"` with `interval` (4 to 1,000,000 blocks), or `"asert"` or `"ema"` with `half_life_s` (1 to 315,360,000 seconds) |
//! | `[genesis]` | `block` (hexadecimal digits), or `time`, `message` (1 to 75 bytes) and any of `version`, `bits`, `nonce`, `outputs` (`{ address, value }`) |
//! | `[[bip30_exceptions]]` | `height`, `hash` |
//! | `[[demo_accounts]]` | `name`, `words`, `address` |
mod address;
mod file;

use crate::amount::Amount;
use crate::block::Block;
use crate::coin::Coin;
use crate::der::SignatureEncoding;
use crate::encode::Encode;
use crate::hash::{BlockHash, sha256};
use crate::proof_of_work::ProofOfWork;
use crate::target::{CompactTarget, Target};
use crate::transaction::Outpoint;

/// The most seconds that any chain lets a header be ahead of a node's clock (Core: `MAX_FUTURE_BLOCK_TIME`).
pub const FUTURE_MAX_S: u32 = 2 * 60 * 60;

/// How the next target is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retarget {
    /// Always the initial one.
    Fixed,
    /// Bitcoin's: every `interval` blocks, within a factor of 4.
    Epoch {
        /// Blocks between changes.
        interval: u32,
    },
    /// aserti3-2d.
    Asert {
        /// Seconds behind schedule that double the target.
        half_life_s: u32,
    },
    /// asert block by block, which forgives pauses and gives blocks made on demand no place in the schedule.
    Ema {
        /// Seconds behind schedule that double the target.
        half_life_s: u32,
    },
}

/// What two parties must agree on. Built from TOML or by name; whoever fills one by hand keeps the ranges of
/// [`ChainSpec::from_toml`].
#[derive(Clone, Debug)]
pub struct ChainSpec {
    /// One of [`ChainSpec::BUILTIN`], or a file's own. Core's `chain` field.
    pub name: String,
    /// Block 0. It is right by definition: no rule is run on it.
    pub genesis: Block,
    /// Whether the genesis block's outputs are coins. On Bitcoin's chains they are not, and never were; where they are,
    /// they can be spent at once, without waiting for maturity.
    pub genesis_spendable: bool,
    /// Aimed seconds between blocks.
    pub spacing_s: u32,
    /// Which hash of a header must meet the target. A block's identity is its double SHA-256 on every chain.
    pub proof_of_work: ProofOfWork,
    /// The rule for the next target.
    pub retarget: Retarget,
    /// With epochs: a period's time is measured from the last block of the period before it (Litecoin's rule) instead of
    /// from its own first block, which is one spacing short (Bitcoin's).
    pub whole_epochs: bool,
    /// The easiest target allowed.
    pub target_limit: Target,
    /// The compact target of block 1.
    pub initial_target: CompactTarget,
    /// The most that one value, and any sum of them, may be (Core: `MAX_MONEY`).
    pub money_max: Amount,
    /// The first blocks' subsidy.
    pub initial_subsidy: Amount,
    /// Blocks between halvings.
    pub halving_interval: u32,
    /// Blocks before a coinbase can be spent.
    pub coinbase_maturity: u32,
    /// Bytes of the largest block.
    pub block_size_max: usize,
    /// Version byte of addresses.
    pub address_version: u8,
    /// Version byte of WIF keys.
    pub wif_version: u8,
    /// Default port of JSON-RPC.
    pub default_rpc_port: u16,
    /// Default port of the peer-to-peer network.
    pub default_p2p_port: u16,
    /// Seconds ahead of a node's clock that a header may be (Core: `MAX_FUTURE_BLOCK_TIME`). Where targets follow the clock
    /// quickly it must be short: with asert and ema, each half-life ahead halves the work of a block.
    pub future_max_s: u32,
    /// BIP94's timewarp rule.
    pub bip94: bool,
    /// First height that must have version ≥ 2 and its height in the coinbase (1 on our own chains).
    pub bip34_height: u32,
    /// First height that must have version ≥ 4.
    pub bip65_height: u32,
    /// First height that must have version ≥ 3, and signatures in strict DER.
    pub bip66_height: u32,
    /// First height whose lock times are held against median-time-past, and that has relative ones (BIP68, BIP113).
    pub csv_height: u32,
    /// Blocks that BIP30 came too late for: height and hash.
    pub bip30_exceptions: Vec<(u32, BlockHash)>,
    /// Named accounts funded by the genesis block. Empty but on demo chains.
    pub demo_accounts: Vec<DemoAccount>,
}

/// An account whose words everybody knows, funded by genesis (first address m/44'/1'/0'/0/0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoAccount {
    /// `alice`, `bob`, `shop`, `mallory`.
    pub name: String,
    /// BIP39 words, no passphrase.
    pub words: String,
    /// Its first address.
    pub address: String,
}

/// Why a spec could not be loaded; names the field, what is wrong with it and what it may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SpecError(pub String);

impl ChainSpec {
    /// The built-in chains' names.
    pub const BUILTIN: [&'static str; 7] =
        ["local", "local-scrypt", "testnet", "main", "bitcoin-regtest", "bitcoin-main", "litecoin-main"];

    /// A built-in chain.
    pub fn builtin(name: &str) -> Option<ChainSpec> {
        let text = Self::builtin_toml(name)?;
        Some(ChainSpec::from_toml(text).expect("every built-in spec loads, as a test says"))
    }
    /// A built-in chain's TOML text, to be copied and changed.
    pub fn builtin_toml(name: &str) -> Option<&'static str> {
        Some(match name {
            "local" => include_str!("spec/local.toml"),
            "local-scrypt" => include_str!("spec/local-scrypt.toml"),
            "testnet" => include_str!("spec/testnet.toml"),
            "main" => include_str!("spec/main.toml"),
            "bitcoin-regtest" => include_str!("spec/bitcoin-regtest.toml"),
            "bitcoin-main" => include_str!("spec/bitcoin-main.toml"),
            "litecoin-main" => include_str!("spec/litecoin-main.toml"),
            _ => return None,
        })
    }
    /// From TOML text. The caller reads the file.
    ///
    /// # Errors
    /// [`SpecError`]: not TOML, a field that is missing, unknown or out of range. The message does not know the file's name.
    pub fn from_toml(text: &str) -> Result<ChainSpec, SpecError> {
        file::read(text)
    }
    /// Back to TOML: reading it again gives the same [`ChainSpec::id`].
    pub fn to_toml(&self) -> String {
        file::write(self)
    }

    /// The SHA-256 of every consensus field in a fixed order; names the network to peers. Names, ports, address versions and
    /// demo accounts are not consensus: chains that differ in nothing else are one network.
    pub fn id(&self) -> [u8; 32] {
        let mut bytes = b"testoon chain spec 2".to_vec();
        let later_fields = (self.proof_of_work, self.whole_epochs, self.money_max);
        if later_fields != (ProofOfWork::default(), false, Amount::MAX_MONEY) {
            // Chains without these fields keep the id they had before there were any.
            bytes = b"testoon chain spec 3".to_vec();
            bytes.extend([u8::from(self.proof_of_work == ProofOfWork::Scrypt), u8::from(self.whole_epochs)]);
            bytes.extend(self.money_max.units().to_le_bytes());
        }
        self.genesis.encode(&mut bytes);
        bytes.push(u8::from(self.genesis_spendable));
        let (rule, parameter) = match self.retarget {
            Retarget::Fixed => (0, 0),
            Retarget::Epoch { interval } => (1, interval),
            Retarget::Asert { half_life_s } => (2, half_life_s),
            Retarget::Ema { half_life_s } => (3, half_life_s),
        };
        bytes.push(rule);
        bytes.extend_from_slice(&self.target_limit.to_be_bytes());
        bytes.extend_from_slice(&self.initial_subsidy.units().to_le_bytes());
        bytes.extend_from_slice(&(self.block_size_max as u64).to_le_bytes());
        bytes.push(u8::from(self.bip94));
        let numbers = [
            parameter,
            self.spacing_s,
            self.initial_target.bits(),
            self.halving_interval,
            self.coinbase_maturity,
            self.bip34_height,
            self.bip65_height,
            self.bip66_height,
            self.csv_height,
            self.future_max_s,
        ];
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        for (height, hash) in &self.bip30_exceptions {
            bytes.extend_from_slice(&height.to_le_bytes());
            bytes.extend_from_slice(hash.as_bytes());
        }
        sha256(&bytes)
    }
    /// The genesis block's hash.
    pub fn genesis_hash(&self) -> BlockHash {
        self.genesis.hash()
    }
    /// The coins that exist before block 1: genesis' outputs where [`ChainSpec::genesis_spendable`], else none.
    pub fn genesis_coins(&self) -> Vec<(Outpoint, Coin)> {
        let mut coins = Vec::new();
        for transaction in self.genesis.transactions.iter().filter(|_| self.genesis_spendable) {
            let (txid, is_coinbase) = (transaction.txid(), transaction.is_coinbase());
            for (output, index) in transaction.outputs.iter().zip(0..) {
                if !output.script.is_unspendable() {
                    let coin = Coin { output: output.clone(), height: 0, is_coinbase };
                    coins.push((Outpoint { txid, index }, coin));
                }
            }
        }
        coins
    }
    /// New coins at `height`: halves every interval, zero from the 33rd on (with Bitcoin's 50 coins, a number of 33 bits).
    pub fn subsidy(&self, height: u32) -> Amount {
        let halvings = height / self.halving_interval;
        Amount::from_units(self.initial_subsidy.units().checked_shr(halvings).unwrap_or(0))
    }
    /// All coins that can ever exist: every subsidy, and genesis where it can be spent. `None` over 2⁶⁴ units.
    pub fn supply(&self) -> Option<Amount> {
        let eras = (0..64).map(|halvings| {
            let subsidy = Amount::from_units(self.initial_subsidy.units() >> halvings);
            subsidy.checked_mul(u64::from(self.halving_interval))
        });
        let genesis = self.genesis_coins();
        let genesis = genesis.iter().map(|(_, coin)| Some(coin.output.value));
        eras.chain(genesis).try_fold(Amount::ZERO, |total, amount| total.checked_add(amount?))
    }
    /// First height at which `coin` may be spent: a coinbase's waits [`ChainSpec::coinbase_maturity`] blocks, genesis' and
    /// any other's not at all.
    pub fn maturity_height(&self, coin: &Coin) -> u32 {
        if coin.is_coinbase && coin.height > 0 {
            coin.height.saturating_add(self.coinbase_maturity)
        } else {
            coin.height
        }
    }
    /// How signatures in a block at `height` may be encoded (BIP66).
    pub fn signature_encoding(&self, height: u32) -> SignatureEncoding {
        if height >= self.bip66_height { SignatureEncoding::Strict } else { SignatureEncoding::Lax }
    }
    /// No transaction id can come twice on this chain, so that BIP30's question needs no coins fetched: every coinbase from
    /// block 1 on names its height (BIP34), and genesis' names none of theirs.
    pub fn ids_are_unique(&self) -> bool {
        let names_height_zero = |block: &Block| {
            let coinbase = block.transactions.first().and_then(|transaction| transaction.inputs.first());
            coinbase.is_some_and(|input| input.script.as_bytes().first() == Some(&0))
        };
        self.bip34_height <= 1 && (!self.genesis_spendable || names_height_zero(&self.genesis))
    }
}

#[cfg(test)]
mod tests;
